"""The engine on every promised family: exact without edits, true to the formula with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from headbench.edits import Bias, Columns, Edit, Mix, Plan, Scale, View, Visible, ZeroDims
from headbench.errors import RefusedError
from headbench.interventions.edits import SequenceEdits, path_choice
from headbench.models.hf.engine import Engine
from headbench.models.hf.identity_check import short_input
from helpers_families import DECODERS, ENCODERS, REFUSED, make
from helpers_formula import Formula, by_formula

if TYPE_CHECKING:
    from transformers import PreTrainedModel

LENGTH, PROMPT = 30, 20
KEYS = (1, 2, 11)


def soften(view: View, columns: torch.Tensor) -> torch.Tensor:
    return columns * 0.25


EDITS = (
    Edit("scores", Bias(KEYS, 1.5), {0: (0,), 1: (2,)}),
    Edit("pattern", Columns(KEYS, soften, renormalise=False), {0: (1,)}),
    Edit("pattern", Columns(KEYS, soften, renormalise=True), {1: (1,)}),
    Edit("scores", Visible(2, 6), {0: (2,)}),
    Edit("q", ZeroDims(None), {0: (3,)}),
    Edit("z", Scale(-0.5), {1: (0,)}),
    Edit("z", Mix("self", 0.5), {1: (3,)}),
)


def formula(causal: bool) -> Formula:
    """The same edits on whole matrices."""

    def q(layer: int, q: torch.Tensor) -> torch.Tensor:
        q = q.clone()
        if layer == 0:
            q[:, 3] = 0
        return q

    def scores(layer: int, s: torch.Tensor) -> torch.Tensor:
        s, head = s.clone(), (0, 2)[layer]
        s[:, head][..., list(KEYS)] += 1.5
        if layer == 0:
            t, j = torch.arange(s.shape[2])[:, None], torch.arange(s.shape[3])
            s[:, 2] = s[:, 2].masked_fill((j >= 2) & (j <= t - 6), float("-inf"))
        return s

    def pattern(layer: int, p: torch.Tensor) -> torch.Tensor:
        p = p.clone()
        before = p[:, 1].sum(-1, keepdim=True)
        p[:, 1][..., list(KEYS)] *= 0.25
        if layer == 1:
            # What a learned sink holds of the row stays in the denominator.
            p[:, 1] = p[:, 1] / (p[:, 1].sum(-1, keepdim=True) + 1 - before)
        return p

    def z(layer: int, z: torch.Tensor, v: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
        z = z.clone()
        if layer == 1:
            z[:, 0] *= -0.5
            z[:, 3] = 0.5 * z[:, 3] + 0.5 * v[:, 3]
        return z

    return Formula(q=q, scores=scores, pattern=pattern, z=z)


def outputs(model: PreTrainedModel, **inputs: torch.Tensor) -> torch.Tensor:
    out = model(**inputs)
    found: torch.Tensor = out.logits if hasattr(out, "logits") else out.last_hidden_state
    return found


def tokens(length: int = LENGTH, seed: int = 0) -> torch.Tensor:
    ids = torch.randint(10, 60, (1, length), generator=torch.Generator().manual_seed(seed))
    ids[0, 0] = 1
    return ids


@pytest.mark.bits
@pytest.mark.parametrize("few", [0, 1000], ids=["fused", "dense"])
@pytest.mark.parametrize("name", [*DECODERS, *ENCODERS])
def test_edits_are_true_to_the_formula(
    name: str, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(path_choice, "FEW", few)
    model = make(name)
    image = name == "CLIP vision"
    inputs = short_input(model) if image else {"input_ids": tokens()}
    length = 17 if image else LENGTH
    with torch.no_grad():
        plain = outputs(model, **inputs)
        with by_formula(model, formula(name in DECODERS)):
            expected = outputs(model, **inputs)
        with Engine(model) as engine:
            if engine.own == "sdpa":
                assert torch.equal(outputs(model, **inputs), plain)
            with engine.attach([SequenceEdits(Plan(edits=EDITS), length)]) as report:
                found = outputs(model, **inputs)
            assert report.visited(0) == 2
        assert torch.equal(outputs(model, **inputs), plain)
    scale = float(expected.abs().max().clamp(min=1.0))
    assert (found - expected).abs().max() < 3e-4 * scale
    assert (found - plain).abs().max() > 1e-3 * scale


@pytest.mark.parametrize("name", DECODERS)
def test_padded_generation_equals_single_runs_and_forced_scores(name: str) -> None:
    model = make(name)
    lengths, plans = (
        (PROMPT, PROMPT - 6, PROMPT - 3),
        (Plan(edits=EDITS), Plan(edits=EDITS), Plan()),
    )
    ids = torch.zeros(3, PROMPT, dtype=torch.long)
    for row, length in enumerate(lengths):
        ids[row, PROMPT - length :] = tokens(length, row)[0]
    mask = (ids != 0).long()
    settings = dict(
        max_new_tokens=6, do_sample=False, eos_token_id=None, pad_token_id=0,
        output_logits=True, return_dict_in_generate=True,
    )  # fmt: skip
    with torch.no_grad(), Engine(model) as engine:
        rows = [SequenceEdits(p, n, PROMPT - n) for p, n in zip(plans, lengths, strict=True)]
        with engine.attach(rows):
            together = model.generate(input_ids=ids, attention_mask=mask, **settings)
        for row, (plan, length) in enumerate(zip(plans, lengths, strict=True)):
            one = tokens(length, row)
            with engine.attach([SequenceEdits(plan, length)]):
                alone = model.generate(
                    input_ids=one, attention_mask=torch.ones_like(one), **settings
                )
            assert torch.equal(alone.sequences[0, length:], together.sequences[row, PROMPT:])
            steps = torch.cat(alone.logits)
            with engine.attach([SequenceEdits(plan, length)]):
                forced = model(input_ids=alone.sequences).logits[0, length - 1 : -1]
            scale = float(steps.abs().max().clamp(min=1.0))
            assert (steps - forced).abs().max() < 5e-4 * scale


@pytest.mark.parametrize("name", REFUSED)
def test_other_families_are_refused_by_name(name: str) -> None:
    model = make(name)
    with pytest.raises(RefusedError, match=type(model).__name__):
        Engine(model)
    assert model.config._attn_implementation != "headbench"
