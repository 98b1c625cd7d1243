"""Arguments of tasks: what a run may set, for which task, of what kind, relative to where."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import headbench
from headbench.errors import ConfigError
from headbench.running.spec import make_spec, spec_from_result
from headbench.tasks.arguments import parse_task_args
from headbench.tasks.check import check_file
from headbench.tasks.data.source import AbsentDataError
from headbench.tasks.loader import load, load_file, resolve_names

FILE = """\
task: {name}
dataset_path: json
dataset_kwargs: {{data_files: rows.json, sample: null}}
arguments:
  rows: dataset_kwargs.data_files
  sample: dataset_kwargs.sample
  prompt: doc_to_text
  stops: generation_kwargs.until
  tokens: generation_kwargs.max_gen_toks
doc_to_text: "Question: {{{{ word }}}} are what? Answer:"
generation_kwargs: {{until: [stop], max_gen_toks: 4}}
scorer: niah
metric_list: [{{metric: niah.recall, main: true}}]
metadata: {{version: 1}}
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(FILE.format(name=name), encoding="utf-8")
    for name, word in (("rows.json", "cat"), ("mine.json", "dog")):
        row = {"id": "a", "cluster": "a", "word": word, "target": word}
        (tmp_path / name).write_text(json.dumps([row]), encoding="utf-8")
    return tmp_path


def test_a_value_takes_the_place_of_the_files_own_and_is_of_its_kind(files: Path) -> None:
    config = load_file(
        files / "one.yaml", {"prompt": "7", "stops": "a, b", "tokens": "9", "sample": "1"}
    ).config
    assert config.doc_to_text == "7"
    assert config.generation_kwargs.until == ("a", "b")
    assert config.generation_kwargs.max_gen_toks == 9
    assert config.dataset_kwargs["sample"] == 1
    plain = load_file(files / "one.yaml")
    assert plain.config.doc_to_text == "Question: {{ word }} are what? Answer:"


def test_a_path_counts_from_where_the_command_runs(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = files / "elsewhere"
    elsewhere.mkdir()
    (files / "mine.json").rename(elsewhere / "mine.json")
    monkeypatch.chdir(elsewhere)
    task = load(files / "one.yaml", args={"rows": "mine.json"})
    assert task.documents()[0].target == "dog"
    assert task.provenance["dataset_kwargs.data_files"] == "--task-args"
    assert load(files / "one.yaml").documents()[0].target == "cat"
    with pytest.raises(AbsentDataError, match="no such file") as caught:
        load(files / "one.yaml", args={"rows": "none.json"}).documents()
    assert caught.value.hint == "paths are relative to where the command runs"


def test_one_task_of_several_is_reached_by_its_name(files: Path) -> None:
    names = [str(files / "one.yaml"), str(files / "two.yaml")]
    one, two = resolve_names(names, args={"tokens": "5", "two.tokens": "6"})
    assert one.config.generation_kwargs.max_gen_toks == 5
    assert two.config.generation_kwargs.max_gen_toks == 6


@pytest.mark.parametrize(
    ("args", "told", "hint"),
    [
        ({"row": "x"}, "'row' is no argument of the task one", "did you mean 'rows'"),
        ({"two.rows": "x"}, "the run has no task 'two'", "one"),
        ({"one.row": "x"}, "'row' is no argument of the task one", "rows"),
        ({"tokens": "many"}, "'many' is no whole number", "the file has 4"),
        ({"tokens": "2.5"}, "'2.5' is no whole number", "the file has 4"),
    ],
)
def test_what_no_task_takes_is_refused(files: Path, args: dict, told: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        resolve_names([str(files / "one.yaml")], args=args)
    assert "--task-args" in caught.value.where
    assert hint in caught.value.hint


def test_two_arguments_for_one_key_are_refused_in_either_order(files: Path) -> None:
    """The digest of a spec, and the command that a run prints, do not keep an order."""
    path = files / "one.yaml"
    more = "arguments:\n  how: generation_kwargs\n  both: doc_to_text\n"
    text = path.read_text().replace("arguments:\n", more)
    path.write_text(text, encoding="utf-8")
    for args, told in (
        ({"both": "x", "prompt": "y"}, "'both' and 'prompt' both set doc_to_text"),
        ({"how": "{}", "tokens": "5"}, "'how' and 'tokens' both set generation_kwargs"),
    ):
        for given in (args, dict(reversed(args.items()))):
            with pytest.raises(ConfigError, match=told):
                load_file(path, given)


def test_no_layers_are_refused() -> None:
    with pytest.raises(ConfigError, match="layers: Tuple should have at least 1 item"):
        load("encoding_table", args={"layers": ""})


def test_tasks_without_arguments_take_none() -> None:
    with pytest.raises(ConfigError, match="'rows' is no argument of the task niah") as caught:
        load("niah", args={"rows": "x"})
    assert caught.value.hint == "these tasks take no arguments"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("  bad: dataset_kwargs.nothing", "sets dataset_kwargs.nothing, which the file does not"),
        ("  bad: task", "'bad' cannot set 'task'"),
        ("  bad: 3", "'bad' cannot set 3"),
    ],
)
def test_a_file_that_declares_what_is_not_there_is_refused(
    files: Path, line: str, told: str
) -> None:
    path = files / "one.yaml"
    path.write_text(path.read_text().replace("arguments:\n", f"arguments:\n{line}\n"))
    with pytest.raises(ConfigError, match=told):
        load_file(path)
    assert any("bad" in str(problem) for problem in check_file(path).problems)


def test_an_argument_of_an_included_file_goes_with_the_key_that_it_sets(files: Path) -> None:
    path = files / "mine.yaml"
    base = (files / "one.yaml").read_text().replace("metric_list", "breakdown: [x]\nmetric_list")
    base = base.replace("arguments:\n", "arguments:\n  split: breakdown.0\n")
    (files / "one.yaml").write_text(base, encoding="utf-8")
    path.write_text("include: one.yaml\ntask: mine\nbreakdown: []\n", encoding="utf-8")
    assert load_file(path).config.breakdown == ()
    with pytest.raises(ConfigError, match="'split' is no argument of the task mine"):
        load(path, args={"split": "y"})
    assert load_file(files / "one.yaml", {"split": "y"}).config.breakdown == ("y",)


def test_the_option_keeps_commas_inside_a_value() -> None:
    assert parse_task_args("table=a.npz,layers=0,1,2, two.kind=cosine") == {
        "table": "a.npz",
        "layers": "0,1,2",
        "two.kind": "cosine",
    }
    assert parse_task_args("") == {}
    with pytest.raises(ConfigError, match="'table' is given twice"):
        parse_task_args("table=a,table=b")
    with pytest.raises(ConfigError, match=r"'betas.npz' is not name=value"):
        parse_task_args("betas.npz")


def test_a_run_stores_its_arguments_and_replays_them(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files)
    done = headbench.run(
        "one.yaml",
        model="ref-lm-v2",
        task_args={"rows": "mine.json", "stops": ["x", "y"], "sample": None},
        out=tmp_path / "out",
    )
    assert done.spec.task_args == {"rows": "mine.json", "stops": "x,y", "sample": "null"}
    assert "--task-args rows=mine.json,sample=null,stops=x,y" in done.spec.command()
    assert spec_from_result(done.files[0]) == done.spec
    # Specs without arguments say nothing of them, so that the digests of old results hold.
    assert "task_args" not in make_spec(tasks=("niah",)).document()


@pytest.mark.parametrize("value", ["Rate it: ", "Rate it, scale=1 to 7"])
def test_what_the_printed_command_would_read_otherwise_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match="cannot be written on the command line"):
        headbench.run("norms_table", task_args={"prompt": value})
