"""One attention call against the edit in float64: sinks, strong edits, padding, half precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from headbench.edits import Bias, Columns, Edit, Plan, View, Visible
from headbench.interventions.edits import SequenceEdits, path_choice
from headbench.interventions.edits.attention_inputs import AttentionInputs
from headbench.interventions.edits.edit_session import EditSession
from headbench.interventions.edits.model_shape import ModelShape

LENGTH, HEADS, GROUPS, DIM = 48, 4, 2, 16
SHAPE = ModelShape(1, HEADS, GROUPS, DIM, DIM, HEADS * DIM)
WHERE = {0: (0, 1, 2, 3)}


def fade(view: View, columns: Tensor) -> Tensor:
    return 0.01 * columns


def raise_scores(view: View, scores: Tensor) -> Tensor:
    return scores + 0.5 * scores.abs()


def bias(scores: Tensor) -> Tensor:
    scores[..., 0] -= 4.6
    return torch.softmax(scores, -1)


def lse(scores: Tensor) -> Tensor:
    pattern = torch.softmax(scores, -1)
    pattern[..., [0, 3, 4, 20]] *= 0.01
    return pattern


def merged(scores: Tensor) -> Tensor:
    pattern = lse(scores)
    return pattern / pattern.sum(-1, keepdim=True)


def raised(scores: Tensor) -> Tensor:
    seen = scores.isfinite()
    scores[..., [0, 3, 4, 20]] += 0.5 * scores[..., [0, 3, 4, 20]].abs()
    return torch.softmax(scores.masked_fill(~seen, float("-inf")), -1)


def window(scores: Tensor) -> Tensor:
    t, j = torch.arange(LENGTH)[:, None], torch.arange(LENGTH)
    return torch.softmax(scores.masked_fill((j >= 2) & (j <= t - 7), float("-inf")), -1)


KEYS = (0, 3, 4, 20)
CASES: dict[str, tuple[Edit, Callable[[Tensor], Tensor]]] = {
    "bias": (Edit("scores", Bias((0,), -4.6), WHERE), bias),
    "lse": (Edit("pattern", Columns(KEYS, fade, renormalise=False), WHERE), lse),
    "merged": (Edit("pattern", Columns(KEYS, fade, renormalise=True), WHERE), merged),
    "raised": (Edit("scores", Columns(KEYS, raise_scores, renormalise=True), WHERE), raised),
    "window": (Edit("scores", Visible(2, 7), WHERE), window),
}


def tensors(sink: float, pad: int) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values; with a sink, the first token draws nearly all attention."""
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(1, HEADS, LENGTH, DIM, generator=generator, dtype=torch.float64)
    key, value = torch.randn(2, 1, GROUPS, LENGTH, DIM, generator=generator, dtype=torch.float64)
    query[..., 0] += sink
    key[:, :, 0, 0] += sink
    return tuple(torch.nn.functional.pad(x, (0, 0, pad, 0)) for x in (query, key, value))  # type: ignore[return-value]


def formula(edit: Callable[[Tensor], Tensor], parts: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    query, key, value = parts
    key, value = (x.repeat_interleave(HEADS // GROUPS, 1) for x in (key, value))
    scores = query @ key.transpose(2, 3) * DIM**-0.5
    scores = scores.masked_fill(torch.ones(LENGTH, LENGTH).triu(1).bool(), float("-inf"))
    return (edit(scores) @ value).transpose(1, 2)


def attend(
    edit: Edit, parts: tuple[Tensor, Tensor, Tensor], pad: int, dtype: torch.dtype
) -> Tensor:
    module: Any = torch.nn.Module()
    module.is_causal, module.num_key_value_groups = True, HEADS // GROUPS
    mask = None
    if pad:
        seen = torch.ones(LENGTH + pad, LENGTH + pad).tril().bool()
        seen[:, :pad] = False
        mask = seen[None, None]
    session = EditSession([SequenceEdits(Plan(edits=(edit,)), LENGTH, pad)], SHAPE)
    session.begin(1, 0)
    query, key, value = (x.to(dtype) for x in parts)
    with torch.no_grad():
        out = session.attend(0, AttentionInputs(module, query, key, value, mask, {}))
    return out[:, pad:].double()


@pytest.mark.parametrize("few", [0, 1000], ids=["fused", "dense"])
@pytest.mark.parametrize("pad", [0, 5])
@pytest.mark.parametrize("sink", [0.0, 4.0])
@pytest.mark.parametrize("name", CASES)
def test_a_call_is_true_to_float64(
    name: str, sink: float, pad: int, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(path_choice, "FEW", few)
    edit, change = CASES[name]
    expected = formula(change, tensors(sink, 0))
    found = attend(edit, tensors(sink, pad), pad, torch.float32)
    assert (found - expected).abs().max() < 2e-5


@pytest.mark.parametrize("sink", [0.0, 4.0])
@pytest.mark.parametrize("name", CASES)
def test_half_precision_is_no_worse_than_the_dense_formula(
    name: str, sink: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit, change = CASES[name]
    rounded = tuple(x.bfloat16().double() for x in tensors(sink, 0))
    expected = formula(change, rounded)  # type: ignore[arg-type]
    errors = []
    for few in (0, 1000):
        monkeypatch.setattr(path_choice, "FEW", few)
        errors.append(attend(edit, tensors(sink, 0), 0, torch.bfloat16) - expected)
    fused, dense = (float(error.abs().max()) for error in errors)
    assert fused < max(2.5 * dense, 0.03)
