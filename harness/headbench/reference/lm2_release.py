"""From a trained ``ref-lm-v2`` to the folder that ships: files, head map, evidence, card."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from headbench.reference.checkpoint import export
from headbench.reference.lm2_card import card
from headbench.reference.lm2_evidence import NAME, EvidenceSettings, evidence
from headbench.reference.lm2_model import tokenizer_v2
from headbench.reference.lm_evidence import DEFAULT, retrieval_scores
from headbench.reference.lm_release import head_map

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import LlamaForCausalLM

DETECTION_TRIALS = 40


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
        The gates as lines of text.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    shipped = folder / NAME
    export(shipped, model, tokenizer_v2(model.config.max_position_embeddings))
    stored = AutoModelForCausalLM.from_pretrained(shipped, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(shipped)
    detection = replace(DEFAULT, detection_trials=DETECTION_TRIALS)
    scores, trials, asked = retrieval_scores(stored, tokenizer, detection)
    heads = {**head_map(scores, trials, asked, detection.first_seed), "model": NAME}
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
    return "\n".join(
        f"{'ok  ' if gate['holds'] else 'FAIL'} {gate['name']}: {gate['value']} ({gate['bound']})"
        for gate in table["gates"]
    )


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n")
