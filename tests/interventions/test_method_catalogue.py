"""The catalogue lists the files of ``methods/``: adding an intervention is adding one file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import headbench
from headbench.interventions import method_catalogue

PACKAGE = Path(headbench.__file__).parent
HALVE = """\"\"\"Halving: ``z <- z / 2`` for chosen heads. Own.\"\"\"

from dataclasses import dataclass

from headbench.edits import Edit, Scale
from headbench.interventions.head_choice import HeadChoice
from headbench.interventions.method import HeadMethod
from headbench.interventions.method_catalogue import Method


@dataclass(frozen=True)
class Halve(HeadMethod):
    def edits(self, case, probed):
        return (Edit("z", Scale(0.5), self.table),)


METHOD = Method(
    name="halve",
    params_model=HeadChoice,
    build=lambda params, info: Halve.of("halve", params, info),
    summary="halve the output of chosen heads",
    source="own",
)
"""
LIST = """
import sys
from headbench.interventions import method_catalogue
print(*method_catalogue.names())
print("torch" in sys.modules)
"""
RESOLVE = """
from headbench.interventions.resolve import control_conditions, resolve
from headbench.nouns import ModelInfo
(condition,) = resolve("halve(heads=[[1,2]])", ModelInfo("tiny", "llama", 3, 4, 2, 12))
print(condition.name, len(control_conditions(condition, 2, 0)[0]))
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package without its checkpoints."""
    skip = shutil.ignore_patterns("__pycache__", "checkpoints")
    return Path(shutil.copytree(PACKAGE, tmp_path / "headbench", ignore=skip))


def ran(copy: Path, program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(copy.parent)},
        cwd=copy.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_file_in_the_methods_folder_is_a_method_with_controls(copy: Path) -> None:
    (copy / "interventions" / "methods" / "halve.py").write_text(HALVE)
    listed = ran(copy, LIST)
    names, torch_loaded = listed.stdout.splitlines()
    assert set(names.split()) == {*method_catalogue.built_in(), "halve"}
    assert torch_loaded == "False"
    assert ran(copy, RESOLVE).stdout.split() == ["halve(heads=[[1,2]])", "2"]


def test_a_file_that_is_not_named_after_its_method_is_an_error(copy: Path) -> None:
    (copy / "interventions" / "methods" / "half.py").write_text(HALVE)
    done = ran(copy, "from headbench.interventions.method_catalogue import get; get('half')")
    assert "methods/half.py defines the method 'halve'" in done.stderr


def test_private_files_of_the_folder_are_no_methods(copy: Path) -> None:
    (copy / "interventions" / "methods" / "_shared.py").write_text("VALUE = 1\n")
    names, _ = ran(copy, LIST).stdout.splitlines()
    assert set(names.split()) == set(method_catalogue.built_in())


def test_every_shipped_method_has_the_name_of_its_file() -> None:
    assert len(method_catalogue.built_in()) >= 13
    for name in method_catalogue.built_in():
        assert method_catalogue.get(name).name == name
