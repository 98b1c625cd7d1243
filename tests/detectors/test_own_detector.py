"""A detector from another package: found by name, and its code stands in the head map."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import cast

import pytest

from headbench.detectors import detector_catalogue
from headbench.detectors.detector import Trial, Trials
from headbench.detectors.head_detection import detect
from headbench.heads.headmap import HeadMap
from helpers_models import llama, request
from helpers_own_code import EDITS, edit, restart, write_package


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    restart()
    yield
    restart()


@pytest.fixture
def kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    kit = write_package(tmp_path / "site-packages")
    monkeypatch.syspath_prepend(tmp_path / "site-packages")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    restart()
    return kit


def measured(name: str = "own_look") -> HeadMap:
    trials = Trials((Trial(request("who", spans={"evidence": ((0, 0, 3),)}), "cat"),), {})
    return detect(name, llama(attn="headbench"), trials)


def test_it_is_listed_and_its_code_stands_in_the_map(kit: Path) -> None:
    assert "own_look" in detector_catalogue.names()
    assert {"name": "own_look", "summary": "", "source": "from own_kit.detector:DETECTOR"} in (
        detector_catalogue.rows()
    )
    code = cast("dict[str, object]", measured().data["code"])
    assert code["packages"] == {"own-kit": "1.0", "torch": version("torch")}
    assert set(cast("dict[str, str]", code["files"])) == {
        f"own_kit/{name}.py" for name in ("__init__", "detector", "detector_near", "detector_far")
    }


@pytest.mark.parametrize("what", EDITS)
def test_edited_code_changes_the_maps_digest(kit: Path, what: str) -> None:
    before = measured().sha256
    assert measured().sha256 == before
    edit(kit, "detector", what)
    restart()
    assert measured().sha256 != before


def test_unrelated_edits_and_shipped_detectors_leave_a_map_alone(kit: Path) -> None:
    before = measured().sha256
    (kit / "unrelated.py").write_text("VALUE = 2\n")
    restart()
    assert measured().sha256 == before
    assert "code" not in measured("attribution").data
