"""From a trained language model to the folder that ships, with head map, evidence and card."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from headbench.worlds.needles import WORLD_VERSION
from headbench.worlds.words import NEEDLE_WORDS
from training.lm_v1.evidence import (
    DEFAULT,
    EvidenceSettings,
    evidence,
    retrieval_scores,
    verdicts,
)
from training.lm_v1.model_card import card
from training.lm_v1.needle_probe import RETRIEVAL_THRESHOLD
from training.lm_v1.states import export
from training.lm_v1.vocabulary import build_tokenizer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor
    from transformers import LlamaForCausalLM

    from headbench.worlds.needles import NeedleDocument

NAME = "ref-lm-v1"
HEADS_FORMAT = "headbench-heads@1"


def head_map(
    scores: Tensor, trials: int, asked: Sequence[NeedleDocument], seed: int
) -> dict[str, Any]:
    """The ``retrieval`` head map: a score per head, and what made it.

    Args:
        scores: ``[layer, head]``, 0..1.
        trials: Documents that counted.
        asked: All documents of the detection.
        seed: First document seed.
    """
    layers, heads = scores.shape
    prompts = "\n".join(document.prompt() for document in asked)
    return {
        "format": HEADS_FORMAT,
        "detector": "retrieval",
        "model": NAME,
        "layers": layers,
        "heads": heads,
        "scores": [[round(float(value), 6) for value in row] for row in scores],
        "threshold": RETRIEVAL_THRESHOLD,
        "seed": seed,
        "data": {
            "world": "needles",
            "version": WORLD_VERSION,
            "split": "calibration",
            "length": int(asked[0].id.split("-")[2]),
            "documents": len(asked),
            "sha256": hashlib.sha256(prompts.encode()).hexdigest(),
        },
        "trials": trials,
    }


def release(
    model: LlamaForCausalLM, seed: int, folder: Path, settings: EvidenceSettings = DEFAULT
) -> str:
    """Export a model into ``folder/ref-lm-v1`` and measure what was exported.

    The evidence is that of the fp16 files, read back and run in fp32, not of the weights in memory.

    Args:
        model: The trained model.
        seed: Of its training.
        folder: The run folder; holds the ``final`` state of the training.
        settings: How much to measure.

    Returns:
        The acceptance criteria, a line each.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    shipped = folder / NAME
    export(shipped, model, build_tokenizer(model.config.max_position_embeddings))
    stored = AutoModelForCausalLM.from_pretrained(shipped, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(shipped)
    scores, trials, asked = retrieval_scores(stored, tokenizer, settings)
    table = {
        "model": NAME,
        "seed": seed,
        **evidence(stored, tokenizer, settings=settings, scores=scores),
    }
    _write(shipped / "heads-retrieval.json", head_map(scores, trials, asked, settings.first_seed))
    _write(shipped / f"evidence-seed{seed}.json", table)
    (shipped / "README.md").write_text(card(table, _facts(folder)))
    return verdicts(table)


def gather(folder: Path, others: Sequence[Path]) -> None:
    """Put the evidence of other training seeds beside a release, and the spread into its card.

    Args:
        folder: Run folder of the release.
        others: Run folders of the other seeds, released as well.
    """
    shipped = folder / NAME
    (own,) = shipped.glob(f"evidence-seed{_facts(folder)['seed']}.json")
    tables = []
    for other in others:
        (path,) = (other / NAME).glob(f"evidence-seed{_facts(other)['seed']}.json")
        tables.append(json.loads(path.read_text()))
        (shipped / path.name).write_text(path.read_text())
    text = card(json.loads(own.read_text()), _facts(folder), tables)
    (shipped / "README.md").write_text(text)


def _facts(folder: Path) -> dict[str, Any]:
    """What the card needs to know of a training."""
    from safetensors.torch import load_file

    weights = load_file(str(folder / NAME / "model.safetensors"))
    return {
        **json.loads((folder / "final.json").read_text()),
        "parameters": sum(weight.numel() for weight in weights.values()),
        "words": len(NEEDLE_WORDS),
    }


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n")
