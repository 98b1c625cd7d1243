"""The command's form: what scripts rely on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from headbench.cli import app
from headbench.errors import ConfigError


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    captions = [{"image_id": 1, "text": "A dog and a cat."}]
    (tmp_path / "c.json").write_text(json.dumps(captions))
    (tmp_path / "t.json").write_text(json.dumps({"1": ["dog"]}))
    return str(tmp_path / "c.json"), str(tmp_path / "t.json")


def test_json_holds_values_under_metric_names(files: tuple[str, str]) -> None:
    captions, truth = files
    options = ["--task", "chair", "--predictions", captions, "--ground-truth", truth]
    done = CliRunner().invoke(app, ["rescore", *options, "--field", "caption=text", "--json"])
    assert done.exit_code == 0, done.output
    metrics = json.loads(done.stdout)["metrics"]
    assert metrics["chair_s"]["value"] == 1.0
    assert metrics["mentions"]["value"] == 2
    assert isinstance(metrics["mentions"]["value"], int)
    for name in ("chair_i", "recall", "len", "n", "hallucinated_mentions", "hallucinated_captions"):
        assert name in metrics
    plain = CliRunner().invoke(app, ["rescore", *options])
    assert "chair_s" in plain.stdout
    assert "chair-2018@2" in plain.stdout


def test_a_missing_option_is_named(files: tuple[str, str]) -> None:
    for task, option in (
        ("chair", "--ground-truth"),
        ("pope", "--questions"),
        ("walls", "--walls"),
    ):
        done = CliRunner().invoke(app, ["rescore", "--task", task, "--predictions", files[0]])
        assert isinstance(done.exception, ConfigError)
        assert option in str(done.exception)


def test_out_writes_what_it_prints(files: tuple[str, str], tmp_path: Path) -> None:
    options = ["--task", "chair", "--predictions", files[0], "--ground-truth", files[1]]
    named = ["--name", "A model", "--origin", "owner/repository @ 1"]
    done = CliRunner().invoke(app, ["rescore", *options, *named, "--out", str(tmp_path / "out")])
    written = Path(done.stdout.rsplit("wrote ", 1)[1].replace("\n", ""))
    document = json.loads(written.read_text())
    assert document["kind"] == "rescored"
    assert document["model"]["name"] == "A model"
    assert document["source"]["origin"] == "owner/repository @ 1"
    assert written.parent == tmp_path / "out/rescored/A-model/chair"


@pytest.mark.parametrize(
    ("task", "option", "value"),
    [
        ("niah", "--parser", "pope_ref"),
        ("niah", "--profile", "chair-clean"),
        ("chair", "--questions", "q.json"),
        ("pope", "--walls", "w.json"),
        ("walls", "--ground-truth", "t.json"),
        ("chair", "--join", "id"),
        ("pope", "--phrases", "4711"),
    ],
)
def test_an_option_that_a_family_does_not_read_is_refused(
    files: tuple[str, str], task: str, option: str, value: str
) -> None:
    done = CliRunner().invoke(
        app, ["rescore", "--task", task, "--predictions", files[0], option, value]
    )
    assert isinstance(done.exception, ConfigError)
    assert f"does not read {option}" in str(done.exception)
