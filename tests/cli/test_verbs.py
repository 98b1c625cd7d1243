from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from headbench.cli import VERBS, main
from helpers_tasks import write_task


def call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str, str]:
    """Exit status, standard output, standard error of one command line."""
    monkeypatch.setattr("sys.argv", ["headbench", *arguments])
    status: object = 0
    try:
        main()
    except SystemExit as end:
        status = end.code
    read = capsys.readouterr()
    return int(str(status or 0)), read.out, read.err


Verb = Callable[..., tuple[int, str, str]]


@pytest.fixture
def headbench(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Verb:
    return lambda *arguments: call(monkeypatch, capsys, *arguments)


def test_help_names_every_verb(headbench: Verb) -> None:
    status, out, _ = headbench("--help")
    assert status == 0
    for verb in VERBS:
        assert f"  {verb} " in out
        assert VERBS[verb] in out, "the line is cut in the help"


@pytest.mark.parametrize("verb", list(VERBS))
def test_every_verb_has_help(headbench: Verb, verb: str) -> None:
    status, out, _ = headbench(verb, "--help")
    assert status == 0
    assert "Usage" in out


def test_an_unknown_verb_names_the_nearest(headbench: Verb) -> None:
    status, _, err = headbench("validat")
    assert status == 2
    assert "'validate'" in err


def test_the_version(headbench: Verb) -> None:
    from headbench import __version__

    assert headbench("--version") == (0, f"{__version__}\n", "")


@pytest.mark.parametrize("kind", ["tasks", "interventions", "models", "metrics", "detectors"])
def test_ls_lists_as_a_table_and_as_json(headbench: Verb, kind: str) -> None:
    status, out, _ = headbench("ls", kind)
    assert status == 0
    status, text, _ = headbench("ls", kind, "--json")
    names = [row["name"] for row in json.loads(text)]
    assert names
    assert all(name in out for name in names)


def test_ls_takes_a_pattern(headbench: Verb) -> None:
    names = [row["name"] for row in json.loads(headbench("ls", "tasks", "niah_s", "--json")[1])]
    assert names
    assert all("niah_s" in name for name in names)
    names = [row["name"] for row in json.loads(headbench("ls", "tasks", "p?pe", "--json")[1])]
    assert names == ["pope"]
    status, _, err = headbench("ls", "tasks", "nothing_like_this")
    assert status == 0
    assert "nothing_like_this" in err


@pytest.mark.parametrize("kind", ["tasks", "interventions", "detectors", "families", "models"])
@pytest.mark.parametrize("width", ["80", "120"])
def test_a_list_fits_the_terminal_and_elides_nothing(
    headbench: Verb, kind: str, width: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    _, out, _ = headbench("ls", kind)
    rows = json.loads(headbench("ls", kind, "--json")[1])
    printed = out.splitlines()
    assert max(map(len, printed)) <= int(width)
    names = {line.split()[0] for line in printed if not line.startswith(" ")}
    assert names == {row["name"] for row in rows}
    text = " ".join(out.split())
    for row in rows:
        assert row["summary"] in text


def test_ls_marks_the_tasks_that_need_the_users_files(
    headbench: Verb, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exactly those whose documents cannot be had where no variable is set."""
    from headbench.tasks.data.source import AbsentDataError
    from headbench.tasks.loader import load

    for variable in [name for name in os.environ if name.startswith("HEADBENCH_")]:
        monkeypatch.delenv(variable)
    rows = json.loads(headbench("ls", "tasks", "--json")[1])
    marked = {row["name"]: row["files"] for row in rows if row["files"]}
    absent = set()
    for row in rows:
        if row["kind"] == "task":
            try:
                load(row["name"], []).documents(limit=1)
            except AbsentDataError as error:
                absent.add(row["name"])
                named = [one for one in marked[row["name"]].split(", ") if one in str(error)]
                assert named, f"{row['name']}: {error} names none of {marked[row['name']]}"
    assert absent == set(marked) and "niah" not in absent and "pope_files" in absent
    text = " ".join(headbench("ls", "tasks", "pope_coco")[1].split())
    assert text.endswith("Your files: HEADBENCH_DATA.")


def test_ls_finds_the_users_tasks(headbench: Verb, tmp_path: Path) -> None:
    write_task(tmp_path, name="mine")
    assert "mine" in headbench("ls", "tasks", "--include", str(tmp_path))[1]


def test_show_says_where_each_value_came_from_and_shows_a_prompt(headbench: Verb) -> None:
    _, out, _ = headbench("show", "task", "pope")
    line = next(line for line in out.splitlines() if line.startswith("  parser "))
    assert "pope/_base.yaml:" in line
    assert "Is there a knife in the image?" in out
    data = json.loads(headbench("show", "task", "pope", "--json")[1])
    assert data["config"]["parser"] == "pope_robust"
    assert data["provenance"]["dataset_kwargs.n"].rsplit(":")[-1].isdigit()


def test_show_prints_every_step_as_it_is_in_force(headbench: Verb, tmp_path: Path) -> None:
    """A step takes the rest from the top level, an argument from the command line."""
    lines: dict[str, str] = {}
    for line in headbench("show", "task", "aut_brain_late_dmn")[1].splitlines():
        if line.startswith("      "):  # what does not fit beside a name goes below it
            lines[list(lines)[-1]] += line
        elif line.startswith("  ") and line.strip():
            lines[line.split()[0]] = line
    for step in (0, 1):
        assert "Think of creative uses" in lines[f"steps[{step}].doc_to_text"]
        assert "_aut_brain_late.yaml:13" in lines[f"steps[{step}].doc_to_text"]
    assert "doc_to_text" not in lines and "output_type" not in lines
    assert lines["dataset_path"].endswith("brain/_aut_brain.yaml:4")
    assert "verbatim@1" in lines["parser"] and "of the scorer table_rsa" in lines["parser"]
    out = headbench("show", "task", "rsa_table", "--task-args", "layers=3,kind=cosine")[1]
    line = next(line for line in out.splitlines() if "captures[0].layers" in line)
    assert "[3]" in line and line.endswith("# --task-args")


def test_show_intervention(headbench: Verb) -> None:
    _, out, _ = headbench("show", "intervention", "vhr")
    assert "  alpha=1.5 on ref-vlm-v2: chosen on calibration scenes\n" in out
    assert "  alpha=2 on llava, llava_next, instructblip: arXiv 2412.13949" in out
    assert "2412.13949" in out
    status, _, err = headbench("show", "intervention", "vrh")
    assert status == 2
    assert "'vhr'" in err


def test_mistakes_are_messages_without_a_traceback(headbench: Verb, tmp_path: Path) -> None:
    status, _, err = headbench("show", "task", "niha")
    assert status == 2
    assert err.startswith("error: ")
    assert "did you mean 'niah'?" in err
    assert "Traceback" not in err
    status, _, err = headbench("show", "result", str(tmp_path / "none.json"))
    assert status == 2
    assert "none.json" in err


def test_validate_exits_1_and_lists_every_error(headbench: Verb, tmp_path: Path) -> None:
    path = write_task(tmp_path, "colour: red\ntaag: x\n")
    status, out, err = headbench("validate", str(path))
    assert status == 1
    assert "2 errors" in err
    assert f"{path}:9" in out
    assert "'colour'" in out
    assert "did you mean 'tag'?" in out
    status, text, _ = headbench("validate", str(path), "--json")
    assert len(json.loads(text)[0]["problems"]) == 2


def test_validate_a_good_task(headbench: Verb) -> None:
    status, out, _ = headbench("validate", "niah_single", "--limit", "2")
    assert (status, out) == (0, "ok      niah_single: 2 documents, 2 requests rendered\n")
