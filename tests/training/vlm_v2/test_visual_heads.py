"""Head scores and head scaling, against arithmetic done by hand."""

from __future__ import annotations

import pytest
import torch

from training.vlm_v2.language_model import build_model
from training.vlm_v2.model import build_vlm, choose_visual_heads, rates
from training.vlm_v2.visual_heads import (
    Reinforcement,
    choose_half,
    divergence,
    halves,
    reinforced,
    watched,
)


@pytest.fixture(scope="module")
def model():
    return build_vlm(build_model(0).state_dict(), 0).eval()


def logits(model, rows=2):
    tokens = torch.arange(10, 10 + 6 * rows).view(rows, 6)
    with torch.no_grad():
        return model(input_ids=tokens).logits


def test_divergence_is_a_distance():
    text_only = torch.zeros(1, 8, 2)
    seen = torch.zeros(1, 8, 2)
    seen[0, 3] = torch.tensor([3.0, 4.0])
    assert divergence(seen, text_only)[0].tolist() == [0, 0, 0, 5, 0, 0, 0, 0]
    assert divergence(seen, seen).abs().max() == 0


def test_a_head_that_wakes_without_the_picture_is_zeroed():
    text_only = torch.ones(1, 8, 1)
    seen = text_only + 0.1
    text_only[0, 2] = 50.0  # far from seen, and loud without the image
    assert divergence(seen, text_only)[0, 2] == 0
    loud = seen.clone()
    loud[0, 2] = 50.0
    quiet = torch.ones(1, 8, 1)
    assert divergence(loud, quiet)[0, 2] > 40  # far, but quiet without the image: kept


def test_halves_are_matched_in_size_and_disjoint():
    scores = torch.rand(3, 8, generator=torch.Generator().manual_seed(1))
    top, low, random = (halves(scores, half, 4) for half in ("top", "low", "random"))
    for layer in range(3):
        assert len(top[layer]) == len(low[layer]) == len(random[layer]) == 4
        assert set(top[layer]) | set(low[layer]) == set(range(8))
        assert min(scores[layer, list(top[layer])]) > max(scores[layer, list(low[layer])])
    assert any(halves(scores, "random", d) != random for d in range(5))


def test_no_head_is_chosen_where_nothing_differs():
    generator = torch.Generator().manual_seed(0)
    for half in ("top", "low", "random"):
        assert not choose_half(torch.zeros(2, 8), half, generator).any()


@pytest.mark.bits
def test_factor_one_changes_nothing_and_two_does(model):
    before = logits(model)
    heads = {layer: (0, 5) for layer in range(3)}
    with reinforced(model, Reinforcement(1.0, heads=heads)):
        assert torch.equal(logits(model), before)
    with reinforced(model, Reinforcement(2.0, heads=heads)):
        assert not torch.allclose(logits(model), before)
    assert torch.equal(logits(model), before)


def test_scaling_equals_scaling_the_columns_of_o_proj(model):
    heads = {1: (2,)}
    with reinforced(model, Reinforcement(1.5, heads=heads)):
        hooked = logits(model)
    weight = model.model.language_model.layers[1].self_attn.o_proj.weight
    with torch.no_grad():
        weight[:, 64:96] *= 1.5
        folded = logits(model)
        weight[:, 64:96] /= 1.5
    assert torch.allclose(hooked, folded, atol=1e-5)


def test_rows_choose_for_themselves(model):
    with watched(model) as kept:
        logits(model)
        text_only = [z[:, -1].clone() for z in kept]
    text_only[1][0, :4] += 10.0
    text_only[1][1, 4:] += 10.0
    how = Reinforcement(2.0, layers=(1,), text_only=text_only)
    with reinforced(model, how):
        logits(model)
    chosen = how.chosen[1]
    assert chosen.shape == (2, 8)
    assert not torch.equal(chosen[0], chosen[1])
    assert set(how.chosen) == {1}


def test_choosing_without_the_blind_outputs_is_refused(model):
    with (
        reinforced(model, Reinforcement(2.0, layers=(0,))),
        pytest.raises(ValueError, match="text"),
    ):
        logits(model)


def test_visual_heads_leave_planted_and_kept_heads_alone():
    taken = {0: [0, 1, 2, 3], 1: [6, 7], 2: [0, 5]}
    chosen = choose_visual_heads(taken)
    assert len(chosen) == 12
    assert not any(head in taken[layer] for layer, head in chosen)


def test_rates_are_full_only_for_visual_heads_and_projector(model):
    shares = rates(model, [(1, 6)], language=0.25, tower=0.2)
    q = shares["model.language_model.layers.1.self_attn.q_proj.weight"]
    o = shares["model.language_model.layers.1.self_attn.o_proj.weight"]
    assert q[192:224].unique().tolist() == [1.0]
    assert q[:192].unique().tolist() == [0.25]
    assert o[:, 192:224].unique().tolist() == [1.0]
    assert o[:, 224:].unique().tolist() == [0.25]
    for name, share in shares.items():
        if "projector" in name:
            assert share.unique().tolist() == [1.0]
        if "vision_tower" in name:
            assert torch.allclose(share, torch.tensor(0.2))
