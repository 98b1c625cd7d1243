"""``headbench run`` as a user types it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from headbench.cli import app
from headbench.cli.run import split_names
from headbench.errors import ConfigError, HeadbenchError
from headbench.heads.headmap import HeadMap
from headbench.models import adapter_catalogue
from headbench.running.model_roles import parse_model_args
from headbench.running.spec import RunSpec, make_spec, spec_from_result
from headbench.tasks.arguments import parse_task_args
from helpers_fake_task import write_tasks

TESTS = Path(__file__).parents[1]
MAIN = "import helpers_fake_model as f; f.install(); from headbench.cli import main; main()"


def headbench(*words: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line with the fake model known, from a folder."""
    return subprocess.run(
        [sys.executable, "-c", MAIN, *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(TESTS), "COLUMNS": "300"},
    )


@pytest.fixture(autouse=True)
def _fake_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(adapter_catalogue.SHIPPED, "fake", ("helpers_fake_model:create", ""))  # type: ignore[misc]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A finished run: its folder and what it printed."""
    folder = tmp_path_factory.mktemp("run")
    write_tasks(folder / "mine")
    ran = headbench(
        "run",
        "--tasks",
        "colours, twice",
        "--intervention",
        "mask_heads(heads=[[0,1]])",
        "--model",
        "fake",
        "--include",
        "mine",
        "--controls",
        "2",
        "--limit",
        "8",
        folder=folder,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""  # no bar where there is no terminal
    return folder, ran.stdout


def test_the_blocks_have_their_columns_and_the_files_are_counted(done: tuple[Path, str]) -> None:
    folder, printed = done
    heading, columns = printed.splitlines()[:2]
    assert heading.startswith("colours  recall (higher is better)")
    assert "fake-1   n 8 in 4 clusters" in heading
    for column in ("value", "diff", "p adj", "control"):
        assert column in columns
    assert "mask_heads(heads=[[0,1]])" in printed
    assert "p adj: Holm over 2 tests" in printed
    (files,) = (line for line in printed.splitlines() if line.startswith("files: "))
    assert files.endswith("results/measured/fake-1")
    assert len(list((folder / "results/measured/fake-1").glob("*/*.json"))) == 8
    assert files.startswith("files: 4 results and 4 of controls under ")
    assert "\x1b[" not in printed


def test_the_line_again_repeats_the_run_where_it_was(tmp_path: Path) -> None:
    write_tasks(tmp_path / "mine")
    out = tmp_path / "my results"
    words = ["run", "--tasks", "colours", "--intervention", "mask_heads(heads=[[0, 1]])"]
    words += ["--model", "fake", "--include", "mine", "--controls", "1", "--limit", "4"]
    ran = headbench(*words, "--seed", "3", "--out", str(out), folder=tmp_path)
    assert ran.returncode == 0, ran.stderr
    first = {path: path.read_bytes() for path in sorted((out / "measured").rglob("*.json"))}
    shutil.rmtree(out)
    # The last line of what is printed; a long one goes on behind a backslash, as a shell reads it.
    _, _, line = ran.stdout.partition("\nagain: ")
    program, *typed = shlex.split(line.replace("\\\n", " "))
    assert program == "headbench"
    elsewhere = tmp_path / "elsewhere"  # extensions and folder are named in full
    elsewhere.mkdir()
    again = headbench(*typed, folder=elsewhere)
    assert again.returncode == 0, again.stderr
    assert not list(elsewhere.iterdir())
    timing = "timing.json"
    second = {path: path.read_bytes() for path in sorted((out / "measured").rglob("*.json"))}
    assert first.keys() == second.keys()
    assert all(second[path] == text for path, text in first.items() if path.name != timing)
    assert len(first) > 3


@pytest.mark.bits
def test_a_result_replays_to_the_same_files(done: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = done
    first = next((folder / "results/measured/fake-1/colours").glob("mask*.json"))
    ran = headbench("run", "--from", str(first), "--out", str(tmp_path / "again"))
    assert ran.returncode == 0, ran.stderr
    again = tmp_path / "again/measured/fake-1/colours" / first.name
    assert again.read_bytes() == first.read_bytes()


def test_from_takes_the_whole_run(done: tuple[Path, str]) -> None:
    folder, _ = done
    first = next((folder / "results/measured/fake-1/colours").glob("*.json"))
    ran = headbench("run", "--from", str(first), "--seed", "3")
    assert ran.returncode == 2
    assert "--seed" in ran.stderr and "Traceback" not in ran.stderr


def test_a_dry_run_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tasks(tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    words = ["run", "--tasks", "colours", "--model", "fake", "--include", "mine", "--dry-run"]
    ran = CliRunner().invoke(app, words)
    assert ran.exit_code == 0, ran.exception
    assert "12 documents" in ran.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--tasks", "no_such_task"), "no_such_task"),
        ((), "no task was named"),
        (("--tasks", "niah", "--model", "fake", "--model-args", "weights"), "name=value"),
        (("--tasks", "niah", "--model", "fake", "--batch-size", "none"), "batch_size"),
        (("--tasks", "niah", "--model", "fake", "--intervention", "vhr("), "vhr("),
        (("--from", "nothing.json"), "nothing.json"),
    ],
)
def test_mistakes_are_errors_a_user_can_correct(
    tmp_path: Path, words: tuple[str, ...], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = CliRunner().invoke(app, ["run", *words])
    assert isinstance(ran.exception, HeadbenchError), ran.exception
    assert told in str(ran.exception)
    assert not list(tmp_path.iterdir())


def test_help_names_every_option() -> None:
    printed = CliRunner().invoke(app, ["run", "--help"], env={"COLUMNS": "200"}).output
    for option in (
        "--tasks",
        "--intervention",
        "--model",
        "--model-args",
        "--controls",
        "--control-heads",
        "--control-below",
        "--control-match",
        "--all",
        "--limit",
        "--batch-size",
        "--seed",
        "--out",
        "--dry-run",
        "--include",
        "--from",
    ):
        assert option in printed


def test_model_args_keep_commas_inside_a_value() -> None:
    assert parse_model_args("pretrained=./a,b,dtype=bfloat16") == {
        "pretrained": "./a,b",
        "dtype": "bfloat16",
    }
    assert parse_model_args(" ") == {}
    for text, said in (
        ("dtype", "'dtype' is not name=value"),
        ("=x", "'=x' is not name=value"),
        ("a=1,a=2", "'a' is given twice"),
    ):
        with pytest.raises(ConfigError, match=said):
            parse_model_args(text)


@pytest.mark.parametrize(
    "path", ["heads.json", "runs/2024-05-01/a_b-2.jsonl", "../x.npz", "/data/7b-v1.5", "~/9", "2-5"]
)
def test_paths_parse_bare_in_the_arguments_of_models_and_tasks(path: str) -> None:
    assert parse_model_args(f"path={path},id=question_id") == {"path": path, "id": "question_id"}
    assert parse_task_args(f"table={path},layers=0,1") == {"table": path, "layers": "0,1"}


def test_a_head_map_is_named_without_quotes(tmp_path: Path) -> None:
    (tmp_path / "my-maps").mkdir()
    scores = ((0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0))
    found = HeadMap(detector="mine", model="fake-1", layers=2, heads=4, scores=scores)
    found.save(tmp_path / "my-maps/heads-2.json")
    write_tasks(tmp_path / "mine")
    ran = headbench(
        *("run", "--tasks", "colours", "--model", "fake", "--include", "mine", "--limit", "2"),
        *("--intervention", "mask_heads(map=my-maps/heads-2.json,top=1)", "--controls", "0"),
        folder=tmp_path,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    (masked,) = (tmp_path / "results").rglob("mask_heads-*.json")
    arm = json.loads(masked.read_text())["arm"]
    assert arm["name"] == "mask_heads(map='my-maps/heads-2.json',top=1)"


def test_names_are_split_at_commas() -> None:
    assert split_names(" niah, pope,,") == ("niah", "pope")


def test_a_spec_hashes_prints_and_comes_back(done: tuple[Path, str]) -> None:
    folder, printed = done
    spec = make_spec(tasks=("a", "b"), interventions=("vhr(alpha=2)",), model_args={"x": "1"})
    assert spec == RunSpec.model_validate_json(spec.model_dump_json())
    assert hash(spec) == hash(RunSpec.model_validate(spec.document()))
    assert spec.digest != make_spec(tasks=("a", "b"), seed=1).digest
    assert spec.command() == (
        "headbench run --tasks a,b --intervention 'vhr(alpha=2)' --model-args x=1"
    )
    result = next((folder / "results/measured/fake-1/twice").glob("*.json"))
    assert spec_from_result(result).command() in printed


@pytest.mark.parametrize(
    "values", [{"tasks": ()}, {"limit": 0}, {"controls": -1}, {"level": 2}, {"color": 1}]
)
def test_a_spec_out_of_range_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=str(next(iter(values)))):
        make_spec(**{"tasks": ("niah",), **values})


def test_an_overrun_is_asked_for_by_a_flag_and_printed_in_the_command(tmp_path: Path) -> None:
    words = ["run", "--tasks", "colours", "--model", "fake", "--dry-run"]
    words += ["--include", str(write_tasks(tmp_path / "mine"))]
    plain, asked = (CliRunner().invoke(app, [*words, *more]) for more in ([], ["--allow-overrun"]))
    assert "--allow-overrun" not in plain.stdout.splitlines()[0]
    assert asked.stdout.splitlines()[0].endswith("--allow-overrun")
