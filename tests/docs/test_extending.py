"""The files of the extension pages, typed in and run as the pages say."""

from __future__ import annotations

import importlib
import json
import re
import shlex
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

import headbench
from headbench import _moved, extend
from headbench.errors import ConfigError
from training.pages.typed.session import Session
from training.pages.typed.typing import type_page

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "extending"
FILE = re.compile(
    r"^`([\w.]+)`[^\n]*\n(?:[^\n]+\n)*\n```(?:python|yaml|json)\n(.*?)^```", re.M | re.S
)
COMMANDS = re.compile(r"^```bash\n(.*?)^```", re.M | re.S)
LONGEST = 30
"""Lines of a page's complete file."""
FIGURES = {"task": ("colors", {"recall": 1.0}), "family": ("rhymes", {"rate": 0.5})}
"""Page -> its task, and what the answers that the page shows give."""


@pytest.mark.parametrize("name", sorted(path.stem for path in PAGES.glob("[a-z]*.md")))
def test_every_page_shows_short_files_and_includes_them(name: str) -> None:
    """``test_typed.py`` types them."""
    page = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    files = dict(FILE.findall(page))
    assert files, "the page shows a file"
    lines = [line for block in COMMANDS.findall(page) for line in block.splitlines()]
    assert any(shlex.split(line)[1] in ("run", "heads") for line in lines)
    for file, text in files.items():
        assert len(text.splitlines()) < LONGEST, file
        assert not file.endswith(".py") or any(f"--include {file}" in line for line in lines), file


@pytest.mark.parametrize("name", FIGURES)
def test_the_answers_of_a_page_give_its_figures(
    name: str, typed_session: Session, tmp_path: Path
) -> None:
    type_page(PAGES / f"{name}.md", tmp_path, typed_session)
    task, figures = FIGURES[name]
    (path,) = (tmp_path / f"results/measured/said/{task}").glob("baseline-*.json")
    result = json.loads(path.read_text())
    assert {key: result["metrics"][key]["value"] for key in figures} == figures


def test_the_pages_results_hold_what_they_promise(tmp_path: Path) -> None:
    """The crop of the page on interventions: another image, a declared control, records of both."""
    page = (PAGES / "intervention.md").read_text(encoding="utf-8")
    (tmp_path / "crop.py").write_text(dict(FILE.findall(page))["crop.py"])
    found = headbench.run(
        "pope", "crop", include=(str(tmp_path / "crop.py"),), out=tmp_path, limit=2, controls=1
    )
    base, crop, control = found.results
    assert (base.status, crop.status, control.status) == ("ok", "ok", "ok")
    assert crop.diagnostics is not None and crop.diagnostics.rewritten == 2
    assert crop.arm.controls is not None
    assert crop.arm.controls.unit == "boxes of the same size at a random place"
    assert len(list((tmp_path / ".store/images").rglob("*.png"))) > 60  # the neutral captions', too


# ------------------------------------------------------------------ one public module


def test_every_name_of_extend_is_documented_and_real() -> None:
    page = (PAGES / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+)`", page))
    assert sorted(set(extend.__all__) - named) == []
    for name in extend.__all__:
        assert getattr(extend, name) is not None
        if isinstance(thing := getattr(extend, name), type):
            assert thing.__doc__, name
    assert set(extend._HOMES) | {"register"} == set(extend.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Methd'"):
        _ = extend.Methd


def test_extend_and_what_describes_an_extension_load_no_torch() -> None:
    light = [name for name in extend.__all__ if name not in ("answers", "represent", "wrap")]
    code = f"import sys; from headbench.extend import {', '.join(light)}; "
    code += "assert not {'torch', 'transformers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_docs_import_from_the_public_modules_only() -> None:
    pages = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", *(ROOT / "tasks").rglob("*.md")]
    history = {"decisions.md", "decisions-training.md"}
    inner = re.compile(r"^\s*(?:from|import) (headbench\.[\w.]+)", re.M)
    worlds = re.compile(r"headbench\.worlds\.\w+|headbench\.families\.[\w.]+")
    found = {
        f"{page.name}: {module}"
        for page in pages
        if page.name not in history
        for module in inner.findall(page.read_text(encoding="utf-8"))
        if module != "headbench.extend" and not worlds.fullmatch(module)
    }
    assert found == set()


TAUGHT = {
    "headbench.interventions.base": {"HeadMethod": "HeadMethod", "Method": "BoundMethod"},
    "headbench.interventions.choice": {"HeadChoice": "HeadChoice", "AnyHeads": "AnyHeads"},
    "headbench.interventions.registry": {"Method": "Method", "Params": "MethodParams"},
    "headbench.interventions.vectors": {"VectorMethod": "VectorMethod", "locate": "locate"},
    "headbench.detectors.base": {
        "Detector": "Detector",
        "Trial": "Trial",
        "Trials": "Trials",
        "Marks": "Marks",
        "Params": "DetectorParams",
        "Found": "Measurement",
    },
    "headbench.models.base": {"BaseModel": "BaseModel"},
    "headbench.types": {
        name: name for name in ("Answer", "Capture", "Edit", "Request", "Scale", "View")
    },
}
"""Module -> name that the docs taught -> its name in ``headbench.extend``."""
MOVED = {
    "headbench.detectors.api": {"detect": "headbench:detect"},
    "headbench.models.registry": {"create": "headbench.models.adapter_catalogue:create"},
    "headbench.running.familiarity": {
        "familiarity": "headbench.families.stickiness.familiarity:familiarity"
    },
    "headbench.scoring.stickiness_familiarity": {
        "partial_correlation": "headbench.families.stickiness.concept_familiarity:"
        "partial_correlation"
    },
}
"""The same for names that are offered elsewhere."""


@pytest.mark.parametrize(
    ("module", "name", "new"),
    [
        *((module, old, f"headbench.extend:{new}") for module in TAUGHT for old, new in
          TAUGHT[module].items()),
        *((module, old, new) for module in MOVED for old, new in MOVED[module].items()),
    ],
)  # fmt: skip
def test_a_path_that_the_docs_taught_warns_and_gives_the_same(
    module: str, name: str, new: str
) -> None:
    old = importlib.import_module(module)
    with pytest.warns(DeprecationWarning, match=rf"{re.escape(module)}\.{name} is "):
        found = getattr(old, name)
    place, _, renamed = new.partition(":")
    assert found is getattr(importlib.import_module(place), renamed)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = old.nothing


def test_every_module_that_only_points_elsewhere_is_listed() -> None:
    package = Path(str(headbench.__file__)).parent
    pointing = {
        ".".join(("headbench", *path.relative_to(package).with_suffix("").parts))
        for path in package.rglob("*.py")
        if re.search(r"^__getattr__ = moved\(", path.read_text(encoding="utf-8"), re.M)
    }
    assert pointing - {"headbench.types"} == {*TAUGHT, *MOVED} - {"headbench.types"}
    assert _moved.REMOVED_IN == "0.3"


# ------------------------------------------------------------------ include and register


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("VALUE = 1\n", "adds nothing to headbench"),
        ("METHOD = 1\n", "an intervention is expected here, not 1 "),
        ("ADAPTER = 1\n", "a model adapter is expected here, not 1 "),
        ("DETECTOR = 1\n", "a detector is expected here, not 1 "),
        ("FAMILY = 1\n", "a family is expected here, not 1 "),
        ("METHOD = (\n", "does not load: SyntaxError"),
        ("METHOD = {}['x']\n", "does not load: KeyError: 'x'"),
        ("METHOD = 1 / 0\n", "does not load: ZeroDivisionError"),
        ("METHOD = open('gone.txt')\n", "does not load: FileNotFoundError"),
        (
            "from headbench.extend import Adapter\nADAPTER = Adapter('hf', dict)\n",
            "has a model adapter 'hf' already",
        ),
    ],
)
def test_a_file_that_cannot_be_taken_is_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(ConfigError, match=told):
        headbench.run("niah_single", include=(str(path),), out=tmp_path)


def test_two_files_that_define_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("one", "two"):
        path = tmp_path / f"{name}.py"
        path.write_text("from headbench.extend import Adapter\nADAPTER = Adapter('mine', dict)\n")
    with pytest.raises(ConfigError, match="two files define the model adapter 'mine'"):
        headbench.run("niah_single", include=(str(tmp_path),), out=tmp_path)


def test_a_place_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder, Python file or task file"):
        headbench.run("niah_single", include=(str(tmp_path / "none.txt"),), out=tmp_path)


def test_register_takes_each_kind_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    from headbench.models import adapter_catalogue

    monkeypatch.setattr(adapter_catalogue.ADAPTERS, "_added", {})

    def create(args: Any) -> Any:
        return args

    extend.register(extend.Adapter("registered", create))
    assert "registered" in adapter_catalogue.model_names()
    with pytest.raises(ConfigError, match="a dict is no extension"):
        extend.register({})  # type: ignore[arg-type]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert extend.HeadMethod is not None
