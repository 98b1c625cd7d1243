"""A model that repeats what it is asked, on a task whose texts nobody may see."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

import headbench
from headbench.cli import app
from headbench.errors import DataError
from headbench.guard.stored_results import check_stored
from headbench.models import adapter_catalogue
from headbench.models.base_model import BaseModel
from headbench.models.recorded import RecordedModel
from headbench.results.check import read_checked
from headbench.running.execute import RunOutcome

SECRET = "SECRETTEXT"
TASK = "stickiness_gametox"
ROWS = 40
STEPS = 8


class Echo(BaseModel):
    """Repeats the prompt; now and then its last line is a label, or a few words of the text."""

    def __init__(self) -> None:
        super().__init__("echo")

    def generate(self, request: object) -> str:
        prompt = request.messages[-1]["content"]  # type: ignore[attr-defined]
        number = len(prompt) % 3
        if number == 0:
            return f"I read: {prompt}\nPREDICTION: [toxic]\nCONFIDENCE: [80]"
        return f"I read: {prompt}" if number == 1 else f"{SECRET} of yours"


def create(args: Mapping[str, str]) -> Echo:
    """What the catalogue finds under the name ``echo``."""
    return Echo()


@pytest.fixture(autouse=True)
def _data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mine.csv"
    rows = [f"r{at},{SECRET} number {at} {'x' * (at % 3)},{at % 2}" for at in range(ROWS)]
    file.write_text("id,text,label\n" + "\n".join(rows) + "\n")
    monkeypatch.setenv("HEADBENCH_GAMETOX", str(file))
    monkeypatch.setitem(adapter_catalogue.SHIPPED, "echo", (f"{__name__}:create", ""))  # type: ignore[misc]
    monkeypatch.setattr(adapter_catalogue, "create", lambda name, args: Echo())
    monkeypatch.setattr("headbench.running.respondents.create", lambda name, args: Echo())


def run(out: Path) -> RunOutcome:
    return headbench.run(TASK, model="echo", out=out, limit=12, draws=50)


def said(*words: str) -> str:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 0, done.output
    return done.output


def test_nothing_that_is_written_or_printed_holds_a_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    outcome = run(out)
    (path,) = outcome.files
    packed = path.with_name(path.stem + ".records.jsonl.gz")
    records = gzip.decompress(packed.read_bytes()).decode()
    written = [file.read_text() for file in out.rglob("*.json")]
    printed = [
        said("show", "result", str(path)),
        said("show", "result", str(path), "--json"),
        said("compare", str(path), str(path)),
        said("compare", str(path), str(path), "--json"),
        said("show", "task", TASK),
        said("show", "task", TASK, "--json"),
        said("validate", TASK),
        said("run", "--tasks", TASK, "--model", "echo", "--limit", "4", "--out", str(out)),
        said("run", "--tasks", TASK, "--model", "echo", "--limit", "4", "--dry-run"),
    ]
    seen = "\n".join((records, *written, *printed, repr(outcome), *capsys.readouterr()))
    assert SECRET.lower() not in seen.lower()
    assert read_checked(path).result.withheld
    assert check_stored(out) == (2, []), "of 12 documents, and of 4"
    lines = [json.loads(line) for line in records.splitlines()]
    assert len(lines) == 12 and all("tokens" not in line for line in lines)
    for line in lines:
        assert [text[:7] for text in line["outputs"]] == ["sha256:"] * STEPS
    readings = [reading for line in lines for reading in line["parsed"] if reading]
    labels = {label for label, _ in readings if not label.startswith("sha256:")}
    assert labels == {"toxic"}, "a label is no text, and must stay"
    assert any(label.startswith("sha256:") for label, _ in readings)


def test_the_store_keeps_the_outputs_and_says_so(tmp_path: Path) -> None:
    outcome = run(tmp_path / "out")
    store = tmp_path / "out" / ".store"
    assert SECRET in (store / "responses.jsonl").read_text()
    assert "marked\nsensitive" in (store / "README.txt").read_text()
    (note,) = (note for note in outcome.notes if "sensitive" in note)
    assert TASK in note and str(store / "responses.jsonl") in note


def test_withheld_outputs_are_not_scored_as_if_they_were_answers(tmp_path: Path) -> None:
    (path,) = run(tmp_path / "out").files
    with pytest.raises(DataError, match="digests: they were withheld"):
        RecordedModel(path.with_name(path.stem + ".records.jsonl.gz"), {})


def test_a_repeated_run_gives_the_same_bytes(tmp_path: Path) -> None:
    (path,) = run(tmp_path / "out").files
    before = path.read_bytes()
    assert run(tmp_path / "out").files[0].read_bytes() == before
