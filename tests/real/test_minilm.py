"""A pretrained sentence encoder: layers and heads against people, and what a mask changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import pytest

import headbench
from headbench.detectors.alignment import load
from headbench.detectors.head_detection import detect
from headbench.detectors.prompt_captures import represent
from headbench.detectors.rsa import RsaParams
from headbench.families.brain.rdm import rdm
from headbench.families.brain.rdm_similarity import similarity
from headbench.families.brain.vendored_data import things_concepts
from headbench.models.adapter_catalogue import create
from headbench.models.encoder import EncoderModel
from headbench.nouns import Capture

pytestmark = pytest.mark.real_model

CURVE = (0.070, 0.080, 0.088, 0.094, 0.080, 0.080, 0.077)
"""Spearman with the eleven rated properties: embeddings and six layers, content tokens averaged."""
ASKED = {"target": "things", "pool": "content", "distance": "euclidean", "method": "spearman"}


@pytest.fixture(scope="module")
def encoder(minilm: str) -> EncoderModel:
    return cast("EncoderModel", create("encoder", {"pretrained": minilm}))


def test_the_curve_over_layers(encoder: EncoderModel) -> None:
    trials = load(RsaParams.model_validate(ASKED), None, 0).trials
    first = Capture("residual_in", (0,), rows="content", pool="mean")
    later = Capture("residual", tuple(range(6)), rows="content", pool="mean")
    found = represent(encoder, [trial.request for trial in trials], (first, later))
    states = np.stack([np.concatenate([one[first], one[later]])[:, 0] for one in found], axis=1)
    concepts = things_concepts()
    scores = (concepts.means - concepts.means.mean(axis=0)) / concepts.means.std(axis=0)
    people = rdm(scores, "euclidean")
    curve = [float(similarity(rdm(layer), people, "spearman")[0, 0]) for layer in states]
    np.testing.assert_allclose(curve, CURVE, atol=0.01)


@pytest.mark.slow
def test_the_head_map_and_its_best_head(encoder: EncoderModel) -> None:
    found = detect("rsa", encoder, parameters=ASKED)
    assert found.model == "minilm-l6" and found.trials == 1854
    assert found.top(1) == ((5, 0),)
    assert found.score(5, 0) == pytest.approx(0.134, abs=0.01)
    assert float(np.median([score for row in found.scores for score in row or ()])) == (
        pytest.approx(-0.002, abs=0.01)
    )
    stability = cast("Mapping[str, Any]", found.data["split_half"])
    assert stability["rank_correlation"] > 0.8
    # The head that one half of the concepts chooses is better on the other than any layer.
    assert stability["chosen_share"] >= 0.5 and stability["held_out_score"] > max(CURVE)
    assert found.data["noise_ceiling"] is None and "averages over raters" in str(
        found.data["no_ceiling"]
    )


def test_a_mask_of_heads_changes_the_alignment_next_to_its_controls(minilm: str, tmp_path) -> None:
    edit = "mask_heads(heads=[[5, 0], [3, 1]])"
    done = headbench.run(
        "rsa_things",
        edit,
        model="encoder",
        model_args={"pretrained": minilm},
        limit=120,
        controls=3,
        draws=200,
        out=tmp_path,
    )
    plain, masked = (one.metrics["rsa"].value for one in done.results if one.arm.role != "control")
    controls = [one for one in done.results if one.arm.role == "control"]
    assert len(controls) == 3
    assert plain != masked
    assert all(one.metrics["rsa"].value != masked for one in controls)
