"""The adapter `features`: vectors from a file as a model's states."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from headbench.errors import ConfigError, DataError, RefusedError
from headbench.jobs import Job
from headbench.models.adapter_catalogue import create
from headbench.nouns import Capture
from helpers_models import BASELINE, request

VECTORS = np.arange(12, dtype=float).reshape(2, 2, 3)  # [document, layer, unit]


def save(folder: Path, **arrays: object) -> str:
    given = {"document": ["a", "b"], "features": VECTORS, **arrays}
    path = folder / "net.npz"
    np.savez(path, **{name: value for name, value in given.items() if value is not None})
    return str(path)


def asked(document: str, *layers: int, site: str = "residual") -> Job:
    captures = (Capture(site, layers, rows="all", pool="mean"),)  # type: ignore[arg-type]
    return Job(
        request(document, "represent", ask={"captures": captures}, document=document), BASELINE
    )


def test_vectors_are_found_by_document_and_layer(tmp_path: Path) -> None:
    model = create("features", {"path": save(tmp_path)})
    ((_, answer),) = model.answer([asked("b", -1, 0)])
    (array,) = answer.arrays.values()
    assert array.tolist() == [[[9, 10, 11]], [[6, 7, 8]]]  # [layer, row, unit]
    single = create("features", {"path": save(tmp_path, features=VECTORS[:, 0]), "name": "net2"})
    ((_, answer),) = single.answer([asked("a", -1)])
    assert next(iter(answer.arrays.values())).tolist() == [[[0, 1, 2]]]
    assert single.identity["name"] == "net2"
    assert single.identity["file"] != model.identity["file"]


def test_what_the_file_does_not_have_is_refused(tmp_path: Path) -> None:
    model = create("features", {"path": save(tmp_path)})
    with pytest.raises(DataError, match="no features of document 'c'"):
        model.plan([asked("c", 0)])
    with pytest.raises(RefusedError, match="the file has no layer 2"):
        model.plan([asked("a", 2)])
    with pytest.raises(RefusedError, match="a file of features has no 'z'"):
        model.plan([asked("a", 0, site="z")])


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"document": None}, "lacks document"),
        ({"document": ["a"]}, "documents and features do not fit"),
        ({"document": ["a", "a"]}, "document 'a' is there twice"),
        ({"features": np.full((2, 3), np.nan)}, "a feature is not finite"),
        ({"features": np.array([{}, {}])}, "cannot be read"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path: Path, arrays: dict, told: str) -> None:
    with pytest.raises(DataError, match=told):
        create("features", {"path": save(tmp_path, **arrays)})


def test_without_a_file_it_says_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs a file"):
        create("features", {})
    with pytest.raises(DataError, match="cannot read the file of features: No such file"):
        create("features", {"path": str(tmp_path / "none.npz")})
