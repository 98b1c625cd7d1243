"""Columns taken out of the keys: where they stand, which rows see them, what the path refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from headbench.edits import Bias, Columns, Edit, Plan, View, Visible
from headbench.interventions.edits import SequenceEdits, column_split, path_choice
from headbench.interventions.edits.attention_inputs import AttentionInputs
from headbench.interventions.edits.column_split import stretches
from headbench.interventions.edits.edit_session import EditSession
from headbench.interventions.edits.model_shape import ModelShape

ROWS, HEADS, DIM = 64, 4, 16
PLACES: dict[str, tuple[int, ...]] = {
    "the first": (0,),
    "the first two": (0, 1),
    "one within": (20,),
    "a run": tuple(range(5, 25)),
    "a sink and a run, out of order": (*range(9, 15), 0, 30),
    "the last": (ROWS - 1,),
    "every other one, in too many runs": tuple(range(0, 40, 2)),
    "all": tuple(range(ROWS)),
}
HEAD_SETS = [(0, 1, 2, 3), (2, 3), (1,), (0, 3)]


def reverse_and_fade(view: View, columns: Tensor) -> Tensor:
    """Different for every column, so that a wrong order is seen."""
    return columns * torch.linspace(0.1, 1.7, columns.shape[-1])


def shift(view: View, scores: Tensor) -> Tensor:
    return scores + torch.linspace(-2, 2, scores.shape[-1])


def edit_of(kind: str, keys: tuple[int, ...], heads: tuple[int, ...], rows: Any = "all") -> Edit:
    where = {0: heads}
    match kind:
        case "bias":
            return Edit("scores", Bias(keys, -4.6), where, "both", rows)
        case "scores":
            return Edit("scores", Columns(keys, shift, True), where, "both", rows)
        case "window":
            return Edit("scores", Visible(2, 7), where, "both", rows)
    op = Columns(keys, reverse_and_fade, renormalise=kind == "renormalised")
    return Edit("pattern", op, where, "both", rows)


def run(
    edits: tuple[Edit, ...], groups: int, *, image: tuple[int, ...] = (), keys: int = ROWS
) -> tuple[Tensor, int]:
    generator = torch.Generator().manual_seed(1)
    query = torch.randn(1, HEADS, ROWS, DIM, generator=generator)
    key, value = torch.randn(2, 1, groups, keys, DIM, generator=generator)
    query[..., 0] += 3.0
    key[:, :, 0, 0] += 3.0
    module: Any = torch.nn.Module()
    module.is_causal, module.num_key_value_groups = True, HEADS // groups
    spans = {"image": image} if image else {}
    row = SequenceEdits(Plan(edits=edits), ROWS, spans=spans)
    session = EditSession([row], ModelShape(1, HEADS, groups, DIM, DIM, HEADS * DIM))
    session.begin(1, 0)
    with torch.no_grad():
        out = session.attend(0, AttentionInputs(module, query, key, value, None, {}))
    return out, session.report.changed(0)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry a call that took the columns out."""
    seen: list[int] = []
    original = column_split.attend_split

    def counted(*args: Any) -> Tensor:
        seen.append(1)
        return original(*args)

    monkeypatch.setattr(column_split, "attend_split", counted)
    return seen


@pytest.mark.parametrize("kind", ["bias", "scores", "kept", "renormalised"])
@pytest.mark.parametrize("place", PLACES)
def test_any_columns_give_what_the_dense_formula_gives(
    kind: str, place: str, calls: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(column_split, "CHUNK_ELEMENTS", 200)
    for heads in HEAD_SETS:
        for groups in (HEADS, HEADS // 2):
            edits = (edit_of(kind, PLACES[place], heads),)
            found, altered = run(edits, groups)
            with monkeypatch.context() as patch:
                patch.setattr(path_choice, "FEW", 10_000)
                expected, counted = run(edits, groups)
            assert (found - expected).abs().max() < 2e-5, (heads, groups)
            assert altered == counted
    assert bool(calls) == (place != "every other one, in too many runs")


def test_rows_after_the_image_and_windows_and_caches(
    calls: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    image = tuple(range(3, 25))
    conditions: list[tuple[Edit, ...]] = [
        (edit_of("kept", (*image, 0), (0, 1), "after_image"),),
        (edit_of("window", (), (1, 2)),),
        (edit_of("window", (), (1, 2)), edit_of("bias", (0,), (0,))),
        (edit_of("bias", (4,), (0, 1)), edit_of("scores", (9,), (0, 1, 2, 3), "last")),
    ]
    for edits in conditions:
        for keys in (ROWS, ROWS + 9):  # a static cache holds room behind the prompt
            if keys > ROWS and edits[0].op == Visible(2, 7):
                continue
            found, altered = run(edits, HEADS // 2, image=image, keys=keys)
            with monkeypatch.context() as patch:
                patch.setattr(path_choice, "FEW", 10_000)
                expected, counted = run(edits, HEADS // 2, image=image, keys=keys)
            assert (found - expected).abs().max() < 2e-5
            assert altered == counted
    assert len(calls) >= 6


def test_what_the_path_does_not_take(calls: list[int]) -> None:
    overlapping = (edit_of("bias", (0,), (0, 1)), edit_of("kept", (3, 4), (1,)))
    late = (replace(edit_of("kept", (0,), (0,)), phase="prefill", rows="after_image"),)
    run(overlapping, HEADS)
    run(late, HEADS, image=tuple(range(20, 30)))  # 30 rows would be computed for nothing
    assert calls == []


def test_stretches_cut_where_columns_begin_and_end() -> None:
    assert list(stretches((2, 3, 5), 8)) == [
        (0, 2, False), (2, 4, True), (4, 5, False), (5, 6, True), (6, 8, False),
    ]  # fmt: skip
    assert list(stretches((0, 1), 2)) == [(0, 2, True)]
    assert list(stretches((), 2)) == [(0, 2, False)]
