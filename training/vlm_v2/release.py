"""From a trained vision-language model to the folder that ships: maps, evidence and card."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import torch

from headbench.worlds import needles, scenes
from training.vlm_v2 import evidence, needle_probe
from training.vlm_v2.criteria import criteria, verdicts
from training.vlm_v2.model import NAME, build_processor
from training.vlm_v2.model_card import model_card
from training.vlm_v2.needle_probe import RETRIEVAL_THRESHOLD
from training.vlm_v2.scene_probe import gallery
from training.vlm_v2.scene_rows import IMAGE_TOKENS, SETTLED_RUNS
from training.vlm_v2.states import export
from training.vlm_v2.train import VlmSchedule

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor
    from transformers import LlavaForConditionalGeneration, LlavaProcessor

HEADS_FORMAT = "headbench-heads@1"


def vhd_document(model: str, scores: Tensor) -> dict[str, Any]:
    """The ``vhd`` head map with what made it."""
    shown = gallery(scenes.SceneWorld("calibration"), evidence.CALIBRATION_SCENES, least=3)
    data = {
        "world": "scenes",
        "version": scenes.WORLD_VERSION,
        "split": "calibration",
        "scenes": len(shown.scenes),
        "positions": "every generated token of the model's own greedy captions",
        "outliers": "population",
        "sha256": hashlib.sha256("\n".join(s.id for s in shown.scenes).encode()).hexdigest(),
    }
    return _document(model, "vhd", scores, None, data)


def retrieval_document(model: str, scores: Tensor, trials: int, asked: list[Any]) -> dict[str, Any]:
    """The ``retrieval`` head map with what made it."""
    prompts = "\n".join(document.prompt() for document in asked)
    data = {
        "world": "needles",
        "version": needles.WORLD_VERSION,
        "split": "calibration",
        "length": evidence.DETECTION_LENGTH,
        "documents": len(asked),
        "sha256": hashlib.sha256(prompts.encode()).hexdigest(),
    }
    return _document(model, "retrieval", scores, RETRIEVAL_THRESHOLD, data) | {"trials": trials}


def _document(
    model: str, detector: str, scores: Tensor, threshold: float | None, data: dict[str, Any]
) -> dict[str, Any]:
    layers, heads = scores.shape
    return {
        "format": HEADS_FORMAT,
        "detector": detector,
        "model": model,
        "layers": layers,
        "heads": heads,
        "scores": [[round(float(value), 6) for value in row] for row in scores],
        "threshold": threshold,
        "seed": 0,
        "data": data,
    }


def release(model: LlavaForConditionalGeneration, seed: int, folder: Path) -> str:
    """Export a model into a folder of its name and measure what was exported.

    The evidence is that of the fp16 files, read back and run in fp32.

    Args:
        model: The trained model.
        seed: Of its training.
        folder: The run folder; its ``steady.json`` says which heads were planted, kept and regrown.

    Returns:
        The acceptance criteria, a line each.
    """
    name = model_name(model)
    shipped = folder / name
    stored = store(model, shipped)
    tokenizer = processor_of(stored).tokenizer
    scores = evidence.head_map(stored)
    asked = evidence.detection_documents()
    copied, trials = needle_probe.copy_scores(stored, tokenizer, asked)
    table = evidence.evidence(stored, tokenizer, seed, scores)
    table["model"] = name
    table["image_tokens"] = stored.config.image_seq_length
    table["gates"] = criteria(table)
    facts = json.loads((folder / "steady.json").read_text())
    table["heads"] = {key: facts[key] for key in ("planted_heads", "kept_heads", "looking_heads")}
    _write(shipped / "heads-vhd.json", vhd_document(name, scores))
    _write(shipped / "heads-retrieval.json", retrieval_document(name, copied, trials, asked))
    _write(shipped / f"evidence-seed{seed}.json", table)
    (shipped / "README.md").write_text(model_card(table, VlmSchedule().steady_steps, SETTLED_RUNS))
    return verdicts(table)


def model_name(model: LlavaForConditionalGeneration) -> str:
    """``ref-vlm-v2``, and how many image tokens it has where that is not the usual number."""
    tokens = model.config.image_seq_length
    return NAME if tokens == IMAGE_TOKENS else f"{NAME}-{tokens}-image-tokens"


def processor_of(model: LlavaForConditionalGeneration) -> LlavaProcessor:
    """The processor for a model's patch size."""
    return build_processor(model.config.vision_config.patch_size)


def store(model: LlavaForConditionalGeneration, shipped: Path) -> LlavaForConditionalGeneration:
    """Write model and processor as a standard folder, and read the model back in fp32."""
    from transformers import AutoModelForImageTextToText, GenerationConfig

    text = model.config.text_config
    model.generation_config = GenerationConfig(
        bos_token_id=text.bos_token_id,
        eos_token_id=text.eos_token_id,
        pad_token_id=text.pad_token_id,
        do_sample=False,
        max_new_tokens=64,
    )
    processor = processor_of(model)
    export(shipped, model, processor.tokenizer)
    processor.save_pretrained(shipped)
    stored: LlavaForConditionalGeneration = AutoModelForImageTextToText.from_pretrained(
        shipped, dtype=torch.float32
    ).eval()
    return stored


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n")
