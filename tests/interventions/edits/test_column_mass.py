"""The attention that a prompt's keys receive, and an edit that reads it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from headbench.edits import Columns, Edit, Plan, View
from headbench.errors import RefusedError
from headbench.interventions.edits import SequenceEdits, column_mass
from headbench.models.hf.engine import Engine
from helpers_families import make
from helpers_formula import Formula, by_formula, logits
from helpers_tiny import tiny_llama

IDS = torch.tensor([[0, 0, 0, *range(20, 41)], [1, *range(9, 32)]])
MASK = (IDS != 0).long()
PADS, PROMPTS = (3, 0), (21, 24)


def reading(seen: dict[int, Tensor], layer: int) -> Edit:
    """An edit that changes nothing and keeps what it was shown."""

    def same(view: View, columns: Tensor) -> Tensor:
        if view.column_mass is not None:
            seen[view.prompt] = view.column_mass
        return columns

    return Edit("pattern", Columns((0,), same, False, ("column_mass",)), {layer: (0, 1, 2, 3)})


@pytest.mark.parametrize("chunk", [1 << 22, 500])
@pytest.mark.parametrize("family", ["Llama", "Mistral", "GPT-OSS", "Gemma2"])
def test_masses_are_those_of_the_whole_pattern(
    monkeypatch: pytest.MonkeyPatch, family: str, chunk: int
) -> None:
    """Padding, windows, attention sinks and soft caps included."""
    monkeypatch.setattr(column_mass, "CHUNK_ELEMENTS", chunk)
    model, patterns, seen = make(family), {}, {}
    formula = Formula(pattern=lambda layer, p: patterns.setdefault(layer, p))
    with by_formula(model, formula):
        model(IDS, attention_mask=MASK)
    rows = [
        SequenceEdits(Plan(edits=(reading(seen, 0),)), prompt, pad)
        for prompt, pad in zip(PROMPTS, PADS, strict=True)
    ]
    with torch.no_grad(), Engine(model) as engine, engine.attach(rows):
        model(IDS, attention_mask=MASK)
    window = 12 if family in ("Mistral", "GPT-OSS", "Gemma2") else 100
    for place, (prompt, pad) in enumerate(zip(PROMPTS, PADS, strict=True)):
        whole = patterns[0][place, :, pad:, pad:]
        sight = torch.tensor([min(prompt - at, window) for at in range(prompt)])
        torch.testing.assert_close(seen[prompt], whole.sum(1) / sight, atol=1e-5, rtol=0)


def calibrated(pattern: Tensor, mu: Tensor) -> Tensor:
    """Sinks inside the prompt give most of their attention to the rest (arXiv 2406.15765)."""
    sink = mu > 0.1
    sink &= sink.cumsum(-1) > 1
    kept = torch.where(sink[:, None], 0.4 * pattern, pattern)
    freed = (pattern - kept).sum(-1, keepdim=True)
    rest = pattern.masked_fill(sink[:, None], 0.0)
    return kept + freed * rest / rest.sum(-1, keepdim=True).clamp(min=1e-9)


def test_an_edit_can_be_built_on_it() -> None:
    """Attention calibration, whose sinks are chosen per head, equals its whole-matrix formula."""
    model, ids = tiny_llama(), IDS[1:]
    table = {0: (0, 1, 2, 3), 1: (0, 1, 2, 3), 2: (0, 1, 2, 3)}
    sinks: list[int] = []

    def by_hand(layer: int, pattern: Tensor) -> Tensor:
        length = pattern.shape[-1]
        mu = pattern[0].sum(1) / torch.arange(length, 0, -1)
        sinks.append(int(((mu > 0.1).sum(-1) > 1).sum()))
        return calibrated(pattern[0], mu)[None]

    def edit(view: View, columns: Tensor) -> Tensor:
        assert view.column_mass is not None
        return calibrated(columns, view.column_mass)

    expected = logits(model, Formula(pattern=by_hand), input_ids=ids)
    op = Columns(tuple(range(24)), edit, renormalise=False, reads=("column_mass",))
    with torch.no_grad(), Engine(model) as engine:
        plain = model(ids).logits
        row = SequenceEdits(Plan(edits=(Edit("pattern", op, table, phase="prefill"),)), 24)
        with engine.attach([row]) as report:
            found = model(ids).logits
    assert sum(sinks) > 0 and report.changed(0) > 0
    assert (expected - plain).abs().max() > 1e-2
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=0)


def test_there_is_none_at_decode_and_none_of_half_a_prompt() -> None:
    model = tiny_llama()
    calls: list[bool] = []

    def noting(view: View, columns: Tensor) -> Tensor:
        calls.append(view.column_mass is not None)
        return columns

    op = Columns((0,), noting, renormalise=False, reads=("column_mass",))
    row = SequenceEdits(Plan(edits=(Edit("pattern", op, {1: (0,)}),)), 24)
    with torch.no_grad(), Engine(model) as engine:
        with engine.attach([row]):
            model.generate(IDS[1:], max_new_tokens=3, min_new_tokens=3, do_sample=False)
        assert calls[0] and not any(calls[-2:])
        with engine.attach([row]), pytest.raises(RefusedError, match="one forward pass"):
            model(IDS[1:, :10])
