"""`rsa_rdm92`: given features and given RDMs against people's RDMs of 92 images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import headbench
from headbench.errors import DataError
from headbench.families.brain.rdm import rdm, square
from headbench.families.brain.rdm_similarity import similarity
from headbench.families.brain.vendored_data import IMAGE_IDS, rdm92


def save(path: Path, features: np.ndarray) -> dict[str, str]:
    np.savez(path, document=IMAGE_IDS, features=features)
    return {"path": str(path)}


@pytest.mark.parametrize(("name", "expected"), [("animacy", 0.334), ("V1", 0.027)])
def test_a_model_rdm_of_the_set_has_its_figure(name: str, expected: float, tmp_path: Path) -> None:
    data = rdm92()
    rows = square(data.models[data.model_names.index(name)])
    done = headbench.run(
        "rsa_rdm92_given",
        model="features",
        model_args=save(tmp_path / "theory.npz", rows),
        draws=60,
        out=tmp_path / "out",
    )
    figures = done.results[0].metrics
    assert round(figures["rsa"].value, 3) == expected
    assert round(figures["ceiling_lower"].value, 3) == 0.372
    assert round(figures["ceiling_upper"].value, 3) == 0.666
    assert figures["subjects"].value == 4
    assert figures["normalised"].value == pytest.approx(expected / 0.372, abs=2e-3)
    assert figures["rsa"].low < figures["rsa"].value < figures["rsa"].high
    assert (figures["rsa"].null.p < 0.05) == (name == "animacy")


def test_features_become_an_rdm(tmp_path: Path) -> None:
    features = np.random.default_rng(0).standard_normal((92, 7)).astype(np.float32)
    done = headbench.run(
        "rsa_rdm92",
        model="features",
        model_args=save(tmp_path / "net.npz", features),
        task_args={"people": "rdm92_judges"},
        draws=1,
        out=tmp_path / "out",
    )
    expected = similarity(rdm(features), rdm92().judges, "rho_a").mean()
    assert done.results[0].metrics["rsa"].value == pytest.approx(expected, abs=1e-6)
    assert done.results[0].metrics["subjects"].value == 16
    part = headbench.run(
        "rsa_rdm92_given",
        model="features",
        model_args=save(tmp_path / "half.npz", square(rdm(features))),
        limit=30,
        draws=1,
        out=tmp_path / "out",
    )
    fewer = similarity(rdm(features[:30]), square(rdm92().subjects)[:, *np.triu_indices(30, 1)])
    assert part.results[0].metrics["rsa"].value == pytest.approx(fewer.mean(), abs=1e-6)


def test_what_is_no_rdm_is_refused(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for features, told in (
        (random.random((92, 92)), "the given RDM is not symmetric"),
        (random.random((92, 5)), "has 5 dissimilarities for 92 stimuli"),
    ):
        with pytest.raises(DataError, match=told):
            headbench.run(
                "rsa_rdm92_given",
                model="features",
                model_args=save(tmp_path / "wrong.npz", features),
                draws=1,
                out=tmp_path / "out",
            )
