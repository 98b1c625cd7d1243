"""What the features of heads cost: time of a real encoder's map, memory of a decoder's features.

    OMP_NUM_THREADS=1 HEADBENCH_REAL_MODELS=FOLDER python benchmarks/brain_features.py

One thread. Goals: the map of 72 heads over 1,854 concepts within 30 CPU seconds, features
included (needs the real encoder, see .ci/real_models.py); the outputs of all heads of a decoder of
270 million weights for 1,854 stimuli within 1.5 GiB over the model.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import Gemma3ForCausalLM, Gemma3TextConfig, PreTrainedTokenizerFast

from headbench.detectors.alignment import head_features
from headbench.detectors.detector import Trial, Trials
from headbench.detectors.head_detection import detect
from headbench.models.adapter_catalogue import create
from headbench.models.hf.adapter import HFModel, wrap
from headbench.nouns import Request

SECONDS, GIBIBYTES = 30.0, 1.5
WORDS = 4
"""Words of a stimulus of the decoder."""


def resident(key: str) -> float:
    """Memory of the process by Linux's account, in GiB: ``VmRSS`` now, ``VmHWM`` at most."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    (line,) = (one for one in lines if one.startswith(f"{key}:"))
    return int(line.split()[1]) / 2**20


def decoder() -> HFModel:
    """Random weights in the shape of Gemma 3 270M."""
    words = {f"w{number}": number for number in range(64)}
    tokenizer = Tokenizer(models.WordLevel({**words, "[UNK]": 64}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    config = Gemma3TextConfig(
        vocab_size=262_144,
        hidden_size=640,
        intermediate_size=2048,
        num_hidden_layers=18,
        num_attention_heads=4,
        num_key_value_heads=1,
        head_dim=256,
        max_position_embeddings=512,
        sliding_window=512,
    )
    model = Gemma3ForCausalLM(config).eval()
    return wrap(
        model,
        PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="w0"),
    )


def stimuli(count: int) -> Trials:
    """Different texts of :data:`WORDS` words."""
    found = []
    for number in range(count):
        digits = [number // 64**place % 64 for place in range(WORDS)]
        text = " ".join(f"w{digit}" for digit in digits)
        message = {"role": "user", "content": text}
        found.append(Trial(Request(f"s{number}", "detect", 0, "represent", (message,)), ""))
    return Trials(tuple(found), {})


def main() -> None:
    """Measure and say whether the goals are met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stimuli", type=int, default=1854)
    count = parser.parse_args().stimuli
    torch.set_num_threads(1)
    folder = Path(os.environ.get("HEADBENCH_REAL_MODELS", "")) / "minilm-l6"
    if (folder / "model.safetensors").is_file():
        encoder = create("encoder", {"pretrained": str(folder)})
        start = time.process_time()
        asked = {"target": "things", "pool": "content", "method": "spearman"}
        found = detect("rsa", encoder, limit=count, parameters={**asked, "distance": "euclidean"})
        seconds = time.process_time() - start
        said = f"{found.trials} concepts x 72 heads: {seconds:.1f} CPU-s"
        print(f"{said}, {seconds / SECONDS:.2f} of the goal of {SECONDS:.0f} s")
        del encoder
    else:
        print("HEADBENCH_REAL_MODELS holds no minilm-l6: its map is not timed")
    model = decoder()
    head_features(model, stimuli(64), "mean")  # what the first passes leave in memory
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # forget the peak of loading
    before = resident("VmRSS")
    features = head_features(model, stimuli(count), "mean")
    used = resident("VmHWM") - before
    said = f"{count} stimuli x {features.shape[0] * features.shape[1]} heads of a decoder"
    print(f"{said}: {used:.2f} GiB over the model, {used / GIBIBYTES:.2f} of the goal of 1.5 GiB")


if __name__ == "__main__":
    main()
