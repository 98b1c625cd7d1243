"""Heads are turned up in the rows and by the factors that were drawn, and only while training."""

from __future__ import annotations

import pytest
import torch

from headbench.reference.lm_model import HEADS, LAYERS, build_model
from headbench.reference.vlm_model import build_vlm
from headbench.reference.vlm_shake import (
    FEWEST_ROWS,
    MOST,
    SHARE,
    Shaking,
    shaken,
)

LOOKING = [(0, 5), (1, 6), (1, 7), (2, 0)]


def test_factors_are_a_function_of_seed_and_step():
    once, again = Shaking(LOOKING, 0, 7).factors(32), Shaking(LOOKING, 0, 7).factors(32)
    assert torch.equal(once, again)
    assert not torch.equal(once, Shaking(LOOKING, 0, 8).factors(32))
    assert not torch.equal(once, Shaking(LOOKING, 1, 7).factors(32))


def test_only_heads_that_do_not_look_are_turned_up_and_only_in_some_rows():
    looking = torch.zeros(LAYERS, HEADS, dtype=torch.bool)
    for layer, head in LOOKING:
        looking[layer, head] = True
    factors = Shaking(LOOKING, 0, 0).factors(400).transpose(0, 1)
    louder = [row for row in factors if (row != 1).any()]
    for row in louder:
        assert (row[looking] == 1).all()
        assert 0 < (row[~looking] > 1).float().mean() < 1
        assert row.min() == 1
        assert row.max() <= 1 + MOST
    assert len(louder) / 400 == pytest.approx(SHARE, abs=0.07)


def test_factors_reach_the_outputs_and_leave_with_the_context():
    model = build_vlm(build_model(0).state_dict(), 0).eval()
    tokens = torch.arange(5, 15).repeat(16, 1)
    shaking = Shaking(LOOKING, 0, 3)
    factors = Shaking(LOOKING, 0, 3).factors(16)
    with torch.no_grad():
        before = model(input_ids=tokens).logits
        with shaken(model, shaking):
            during = model(input_ids=tokens).logits
        after = model(input_ids=tokens).logits
    still = (factors == 1).all(-1).all(0)
    assert still.any()
    assert not still.all()
    torch.testing.assert_close(during[still], before[still])
    for row in torch.nonzero(~still).flatten():
        assert not torch.allclose(during[row], before[row], atol=1e-4)
    assert torch.equal(before, after)


def test_needle_batches_are_left_as_they_are():
    assert (Shaking(LOOKING, 0, 0).factors(FEWEST_ROWS - 1) == 1).all()
