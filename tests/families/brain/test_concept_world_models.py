"""The shipped model knows the packaged concepts: below their own features, above random weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from headbench.families.brain.concept_world import concept_world, simulated_subjects
from headbench.families.brain.held_out_selection import halves, over_stimuli, select
from headbench.families.brain.noise_ceiling import noise_ceiling
from headbench.families.brain.rdm import Floats, rdm
from headbench.families.brain.rdm_similarity import similarity
from headbench.reference.shipped import checkpoint

WORLD = concept_world()
PEOPLE = simulated_subjects(WORLD.truth, 8, 0.3, seed=0)
BARE, NAMING = "{}", "Question: {} are what? Answer:"


def load(name: str, trained: bool) -> tuple[Any, Any]:
    folder = str(checkpoint(name))
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    if not trained:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = AutoModelForCausalLM.from_config(model.config).float()
    return model.eval(), AutoTokenizer.from_pretrained(folder)


def states(model: Any, tokenizer: Any, template: str) -> tuple[Floats, Floats]:
    """States of the last token: layers ``[layer, word, unit]``, heads ``[head, word, unit]``."""
    heads: list[torch.Tensor] = []
    hooks = [
        layer.self_attn.o_proj.register_forward_pre_hook(
            lambda _, given: heads.append(given[0][:, -1])  # [word, head * unit]
        )
        for layer in model.model.layers
    ]
    texts = [template.format(word) for word in WORLD.words]
    with torch.no_grad():
        found = model(**tokenizer(texts, return_tensors="pt"), output_hidden_states=True)
    for hook in hooks:
        hook.remove()
    layers = np.array([one[:, -1].numpy() for one in found.hidden_states])
    width = model.config.head_dim
    split = [one.reshape(len(texts), -1, width).transpose(0, 1) for one in heads]
    return layers, torch.cat(split).numpy()


def scores(features: Floats) -> Floats:
    """Mean Pearson r with the simulated people, NaN for a layer that does not vary: ``[layer]``."""
    rdms = np.array([rdm(one) for one in features])
    return similarity(rdms, PEOPLE, "pearson", constant="nan").mean(axis=1)


@pytest.fixture(scope="module")
def trained() -> tuple[Any, Any]:
    return load("ref-lm-v2", trained=True)


def test_scores_lie_between_random_weights_and_the_own_features(trained: tuple) -> None:
    own = scores(WORLD.features[None])[0]
    assert own > noise_ceiling(PEOPLE, "pearson").lower
    known = scores(states(*trained, BARE)[0])
    assert known[0] == pytest.approx(0.382, abs=0.005)
    assert known[-1] == pytest.approx(0.076, abs=0.005)
    named = scores(states(*trained, NAMING)[0])
    assert np.isnan(named[0])  # the last token's embedding is the same for all words
    assert named[-1] == pytest.approx(0.167, abs=0.005)
    assert max(*known, *named[1:]) < own
    for name, ready in (("ref-lm-v2", False), ("ref-lm-v1", True)):
        model = load(name, ready)
        for template in (BARE, NAMING):
            assert np.nanmax(scores(states(*model, template)[0])) < (0.04 if ready else 0.02)


def test_the_best_head_is_the_same_on_held_out_concepts(trained: tuple) -> None:
    heads = np.array([rdm(one) for one in states(*trained, NAMING)[1][8:]])  # layers 1 to 3
    found = select(over_stimuli(heads, WORLD.truth, "pearson"), halves(193, seed=0, repeats=5), 193)
    assert found.best == 0  # layer 1, head 0
    assert found.agreement == 1
    assert found.score == pytest.approx(0.357, abs=0.01)
    assert found.optimism_gap < 0.02
