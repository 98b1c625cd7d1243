"""From a trained ``ref-lm-v2`` to the folder that ships: files, head map, evidence, card."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from headbench.worlds.needles import WORLD_VERSION
from training.lm_v2.evidence import DEPTHS, NAME, EvidenceSettings, evidence, verdicts
from training.lm_v2.model import tokenizer_v2
from training.lm_v2.model_card import card
from training.lm_v2.needle_probe import RETRIEVAL_THRESHOLD, copy_scores, documents
from training.lm_v2.states import export

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor
    from transformers import LlamaForCausalLM

    from headbench.worlds.needles import NeedleDocument

DETECTION_LENGTH, DETECTION_TRIALS = 384, 40
HEADS_FORMAT = "headbench-heads@1"


def head_map(scores: Tensor, trials: int, asked: Sequence[NeedleDocument]) -> dict[str, Any]:
    """The ``retrieval`` head map: a score per head, and what made it.

    Args:
        scores: ``[layer, head]``, 0..1.
        trials: Documents that counted.
        asked: All documents of the detection; their seeds begin at 0.
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
        "seed": 0,
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
    model: LlamaForCausalLM,
    seed: int,
    folder: Path,
    settings: EvidenceSettings = EvidenceSettings(),  # noqa: B008 - frozen
) -> str:
    """Export a model into ``folder/ref-lm-v2`` and measure what was exported.

    The evidence is that of the fp16 files, read back and run in fp32.

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
    export(shipped, model, tokenizer_v2(model.config.max_position_embeddings))
    stored = AutoModelForCausalLM.from_pretrained(shipped, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(shipped)
    asked = documents("calibration", DETECTION_LENGTH, DEPTHS, DETECTION_TRIALS)
    heads = head_map(*copy_scores(stored, tokenizer, asked), asked)
    _write(shipped / "heads-retrieval.json", heads)
    table = {
        "model": NAME,
        "seed": seed,
        **evidence(shipped, stored, tokenizer, settings),
        "copy_scores": heads["scores"],
    }
    _write(shipped / f"evidence-seed{seed}.json", table)
    facts = {
        **json.loads((folder / "final.json").read_text()),
        "parameters": stored.num_parameters(),
        "layers": stored.config.num_hidden_layers,
    }
    (shipped / "README.md").write_text(card(table, facts))
    return verdicts(table)


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n")
