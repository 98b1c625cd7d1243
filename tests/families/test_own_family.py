"""A family of one's own: a folder with YAML and Python, through --include and as a package.

``toy/rhymes`` has everything that a family may bring: rows of its own data file, a parser, a scorer
and a metric, a loader and a join of its own log format, options of ``rescore``, a recipe of the
guard. Nothing outside the folder knows it; every verb is called as a user types it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

import headbench
from headbench import _extensions, _plugins
from headbench.errors import ConfigError, RefusedError
from headbench.extend import auroc, register
from headbench.results.code_facts import scored_by
from headbench.scoring import Family, family, lookup

TOY = Path(__file__).parent / "toy"
PACKAGE = Path(headbench.__file__).parent
MAIN = "from headbench.cli import main; main()"


@dataclass(frozen=True)
class Place:
    """A copy of the toy family, and how the command line is told of it."""

    folder: Path
    include: tuple[str, ...]

    def headbench(self, *words: str, code: int = 0) -> str:
        """What a command prints; its exit status is checked."""
        found = {"PYTHONPATH": str(self.folder.parent), "HEADBENCH_DATA": str(self.folder)}
        done = subprocess.run(
            [sys.executable, "-c", MAIN, *words, *self.include],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder.parent,
            env={**os.environ, **(found if not self.include else {}), "COLUMNS": "300"},
        )
        assert done.returncode == code, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout + done.stderr

    def run(self, out: str) -> dict[str, object]:
        """The result of ``headbench run`` on recorded answers."""
        file = f"path={self.folder / 'answers.jsonl'},join=id"
        asked = ("--tasks", "rhymes", "--model", "recorded", "--model-args", file)
        self.headbench("run", *asked, "--out", out)
        (path,) = (self.folder.parent / out / "measured").rglob("rhymes/*.json")
        found = json.loads(path.read_text())
        assert isinstance(found, dict)
        return found

    def rescore(self) -> dict[str, object]:
        """The result of ``headbench rescore`` on a log of the family's own format."""
        log, words = str(self.folder / "answers.txt"), str(self.folder / "words.txt")
        files = ("--predictions", log, "--rhyme-list", words)
        found = json.loads(self.headbench("rescore", "--task", "rhymes", *files, "--json"))
        assert isinstance(found, dict)
        return found

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text()
        assert text.count(old) == 1
        path.write_text(text.replace(old, new))


@pytest.fixture(params=["include", "package"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    folder = tmp_path / "rhymes"
    shutil.copytree(TOY / "rhymes", folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(TOY / "results", tmp_path / "results")
    if request.param == "include":
        return Place(folder, ("--include", str(folder)))
    info = tmp_path / "rhymes-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rhymes\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[headbench.families]\nrhymes = rhymes:FAMILY\n[headbench.tasks]\nrhymes = rhymes:TASKS\n"
    )
    return Place(folder, ())


def test_run_uses_its_rows_parser_scorer_and_metric(place: Place) -> None:
    found = place.run("out")
    assert found["metrics"]["rate"]["value"] == 0.75  # type: ignore[index]
    assert found["metrics"]["rate"]["metric"] == "rhymes.rate"  # type: ignore[index]
    assert found["task"]["scorer"] == "rhymes@1"  # type: ignore[index]
    assert found["task"]["parser"] == "last_word@1"  # type: ignore[index]


def test_rescore_reads_its_log_with_its_join_and_options(place: Place) -> None:
    found = place.rescore()
    assert found["metrics"]["rate"]["value"] == 0.75  # type: ignore[index]
    assert found["source"]["joined by"] == "word"  # type: ignore[index]
    files = ("--predictions", str(place.folder / "answers.txt"))
    words = ("--rhyme-list", str(place.folder / "words.txt"))
    asked = ("rescore", "--task", "rhymes")
    table = place.headbench(*asked, *files, *words, "--ignore", "moon", "--ignore", "cat")
    assert "words: 2" in table and "1.0000" in table
    assert "--task rhymes needs --rhyme-list" in place.headbench(*asked, *files, code=2)
    other = place.headbench(*asked, *files, *words, "--questions", "q.json", code=2)
    assert "--task rhymes does not read --questions" in other
    twice = place.headbench(*asked, *files, *words, *words, code=2)
    assert "--rhyme-list is given twice" in twice
    wanted = place.headbench("rescore", "--help")
    assert "--rhyme-list" in wanted and "rhymes: The words and their endings." in wanted


def test_guard_recomputes_its_published_cells(place: Place) -> None:
    asked = (
        "guard",
        "--results",
        str(place.folder.parent / "results"),
        "--data",
        str(place.folder),
        "--all",
    )
    place.headbench(*asked, "--pin", code=1)  # one of the published figures is wrong
    said = place.headbench(*asked, "--at-least", "3", code=1)
    assert "some model / rate" in said and said.count("holds") >= 2
    assert "another model / rate" in said and "drifts" in said
    place.edit("../results/published/rhymes.yaml", '"50.0"', '"75.0"')
    assert "3 published cells: 3 holds" in place.headbench(*asked, "--at-least", "3")
    place.edit("../results/published/rhymes.yaml", '{rate: "75.0", n: "4"}', '{rate: "175.0"}')
    assert "rate = 175.0 is outside 0..100" in place.headbench(*asked, code=1)


def test_lists_and_checks_know_it(place: Place) -> None:
    assert "words and what rhymes with them" in place.headbench("ls", "families")
    assert "rhymes.rate" in place.headbench("ls", "metrics", "rhymes")
    place.headbench("validate", "rhymes")


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("rhyme_scorer.py", " != document.id and", ' != "?" and'),
        ("rhyme_list.py", '"""A document per word."""', '"""One document per word."""'),
        ("rhyme_log.py", 'split(" => ")', 'split(" => ", 1)'),
    ],
)
def test_its_code_is_part_of_what_a_result_is(place: Place, file: str, old: str, new: str) -> None:
    before = place.run("before"), place.rescore()
    again = place.run("again"), place.rescore()
    assert [one["id"] for one in again] == [one["id"] for one in before]
    place.edit(file, old, new)
    after = place.run("after"), place.rescore()
    for was, now, reads in zip(before, after, ({"source"}, set()), strict=True):
        assert now["id"] != was["id"]
        kinds = {one["kind"]: one for one in now["run"]["code"]}  # type: ignore[index]
        assert set(kinds) == {"scorer", "parser", "metric"} | reads
        assert any(name.endswith(file) for name in kinds["scorer"]["files"])


def test_nothing_outside_its_folder_knows_it() -> None:
    files = [path for path in PACKAGE.rglob("*.py") if "rhyme" in path.read_text("utf-8")]
    assert files == []


SOURCE = """
from headbench.extend import DataRow, Family


def rows(spec, images):
    yield DataRow({"id": "first", "text": "WORD", "target": "WORD"})


FAMILY = Family("own_rows", sources={"own_rows": rows})
"""
OF_SOURCE = """
task: own_rows
dataset_path: own_rows
doc_to_text: 'What is hidden? {{ text | span("question") }}'
doc_to_target: target
scorer: niah
metric_list: [{metric: niah.recall, main: true}]
metadata: {version: 1}
"""


@pytest.mark.usefixtures("_forget")
def test_a_source_alone_is_part_of_what_a_result_is(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(OF_SOURCE)
    (tmp_path / "said.jsonl").write_text('{"id": "first", "response": "red cup"}\n')
    ids = []
    for number, text in enumerate((SOURCE, SOURCE, SOURCE + "\n\nUNUSED = 1\n")):
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}" / "own.py").write_text(text)
        done = headbench.run(
            str(tmp_path / "own.yaml"),
            model="recorded",
            model_args={"path": str(tmp_path / "said.jsonl"), "join": "id"},
            include=(str(tmp_path / f"{number}" / "own.py"),),
            out=tmp_path / f"out{number}",
        )
        (result,) = done.results
        ids.append(result.id)
        assert [(one.kind, one.name) for one in result.run.code] == [("source", "own_rows")]
    assert ids[0] == ids[1] != ids[2]


# ------------------------------------------------------------------ refusals


@pytest.fixture
def _forget(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Families that a test adds are gone after it."""
    monkeypatch.setattr(family.FAMILIES, "_added", {})
    family.forget()
    yield
    family.FAMILIES.restore({})
    family.forget()


@pytest.mark.usefixtures("_forget")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("FAMILY = 3", "a family is expected here, not 3 "),
        (
            "from headbench.scoring import Family\nFAMILY = Family('pope')",
            "headbench has a family 'pope' already",
        ),
        (
            "from headbench.scoring import Family\nFAMILY = Family('a', scorers={'pope': 'a:B'})",
            "two families bring 'pope' among their scorers",
        ),
        (
            "from headbench.scoring import Family\nFAMILY = Family('a', sources={'csv': 'a:B'})",
            "two families bring 'csv' among their sources",
        ),
        ("FAMILY = nowhere", "the file does not load: NameError"),
    ],
)
def test_a_wrong_family_is_refused_and_leaves_nothing_behind(
    tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "a.py").write_text(text)
    with pytest.raises(ConfigError, match=message):
        _extensions.include([tmp_path])
    assert "a" not in family.known()
    assert lookup.scorer("pope").name == "pope"


@pytest.mark.usefixtures("_forget")
def test_two_files_of_one_family_are_refused(tmp_path: Path) -> None:
    for name in ("a.py", "b.py"):
        text = "from headbench.scoring import Family\nFAMILY = Family('own')"
        (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match="two files define the family 'own'"):
        _extensions.include([tmp_path])


@pytest.mark.usefixtures("_forget")
def test_one_relative_name_in_two_folders_is_two_things(tmp_path: Path) -> None:
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "near.py").write_text("THING = 1")
        (folder / "__init__.py").write_text(
            "from headbench.scoring import Family\nfrom . import near\n"
            f"FAMILY = Family('{name}', parsers={{'p': '.near:THING'}})"
        )
    with pytest.raises(ConfigError, match="two families bring 'p' among their parsers"):
        _extensions.include([tmp_path / "one", tmp_path / "two"])


@pytest.mark.usefixtures("_forget")
def test_a_module_that_the_file_does_not_import_is_named(tmp_path: Path) -> None:
    (tmp_path / "near.py").write_text("THING = 1")
    (tmp_path / "a.py").write_text(
        "from headbench.scoring import Family\nFAMILY = Family('own', parsers={'p': '.near:THING'})"
    )
    _extensions.include([tmp_path])
    with pytest.raises(ConfigError, match=r"the family 'own' names '\.near:THING' for 'p'"):
        lookup.parser("p")


@pytest.mark.usefixtures("_forget")
def test_an_installed_family_that_does_not_load_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("mine", "no_such_package.family:FAMILY", "headbench.families")
    monkeypatch.setattr(_plugins, "_every", lambda: (point,))
    family.forget()
    assert "pope" in family.known() and "mine" not in family.known()
    with pytest.raises(ConfigError, match="there is no parser 'own'") as caught:
        lookup.parser("own")
    assert "the installed family 'mine' does not load: ModuleNotFoundError" in caught.value.hint


@pytest.mark.usefixtures("_forget")
def test_a_family_from_python_counts_its_code_by_its_modules() -> None:
    own = Family("here", parsers={"here": lookup.parser("verbatim")})
    assert family.register(own) is own
    assert lookup.parser("here") is lookup.parser("verbatim")
    assert {Path(name).name for name in lookup.code_of("parser", "here").files} >= {
        "test_own_family.py"
    }, "what a value was made with stands in the module that registers it"
    named = Family("here", parsers={"here": "headbench.scoring.parser:VERBATIM"})
    family.register(named)
    assert lookup.code_of("parser", "here").files == {}


@pytest.mark.usefixtures("_forget")
def test_the_parameters_of_a_packaged_metric_are_in_ids(tmp_path: Path) -> None:
    """A metric of headbench's own making has no code; the file that chose its parameters has."""
    digests = []
    for number, part in enumerate(("score", "other")):
        home = tmp_path / str(number)
        home.mkdir()
        (home / f"my_metric_{number}.py").write_text(
            "from headbench.extend import Family, auroc, register\n"
            f'METRICS = {{"mine.auc": auroc("{part}", "positive", "auc")}}\n'
            'register(Family("mine", metrics=METRICS))\n'
        )
        spec = spec_from_file_location("my_metric", home / f"my_metric_{number}.py")
        assert spec is not None and spec.loader is not None
        module = module_from_spec(spec)
        sys.modules["my_metric"] = module
        spec.loader.exec_module(module)
        (facts,) = scored_by("verbatim", "verbatim", ["mine.auc"])
        assert facts.name == "mine.auc" and set(facts.files) == {"my_metric.py"}
        digests.append(facts.digest)
        del sys.modules["my_metric"]
    assert digests[0] != digests[1]


@pytest.mark.usefixtures("_forget")
def test_a_metric_that_a_prompt_made_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
    made = 'register(Family("mine", metrics={"mine.auc": auroc("score", "positive", "auc")}))'
    prompt = {"__name__": "__main__", "register": register, "Family": Family, "auroc": auroc}
    exec(made, prompt)  # noqa: S102
    with pytest.raises(RefusedError, match="this code has no file"):
        scored_by("verbatim", "verbatim", ["mine.auc"])
