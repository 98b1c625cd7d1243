"""The list of planted faults fits the tree: each can be planted, and its tests are there."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]


def script() -> ModuleType:
    """``.ci/mutants.py``, which is no part of the package."""
    spec = importlib.util.spec_from_file_location("mutants", ROOT / ".ci" / "mutants.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


MUTANTS = script()
FAULTS = MUTANTS.faults()


def test_there_are_ten_faults_in_each_of_four_areas() -> None:
    areas = Counter(fault.area for fault in FAULTS)
    assert areas == dict.fromkeys(("scoring", "results", "running", "interventions"), 10)
    assert len({(fault.file, fault.old) for fault in FAULTS}) == 40


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.what)
def test_a_fault_can_be_planted_and_its_tests_are_there(fault: object) -> None:
    before = (ROOT / MUTANTS.PACKAGE / fault.file).read_text(encoding="utf-8")  # type: ignore[attr-defined]
    after = fault.planted(before)  # type: ignore[attr-defined]
    assert after != before
    compile(after, fault.file, "exec")  # type: ignore[attr-defined]
    for test in fault.tests:  # type: ignore[attr-defined]
        assert (ROOT / test.partition("::")[0]).is_file(), test


def test_text_that_is_not_there_once_is_refused() -> None:
    fault = MUTANTS.Fault("scoring", "w", "a.py", "x = 1", "x = 2", ())
    assert fault.planted("x = 1\n") == "x = 2\n"
    for text in ("", "x = 1\nx = 1\n"):
        with pytest.raises(ValueError, match=r"times: correct mutants\.yaml"):
            fault.planted(text)
