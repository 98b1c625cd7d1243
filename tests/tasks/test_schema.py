from __future__ import annotations

import re
from pathlib import Path

import pytest

from headbench._paths import tasks_root
from headbench.tasks import schema
from headbench.tasks.loader import load_file
from headbench.tasks.problems import TaskFileError
from helpers_tasks import write_task


def test_the_exported_json_schema_is_current() -> None:
    stored = (tasks_root() / "schema.json").read_text(encoding="utf-8")
    assert stored == schema.json_schema(), "run: python -m headbench.tasks.schema"


@pytest.mark.parametrize(
    "model",
    [
        schema.TaskConfig,
        schema.GroupConfig,
        schema.StepConfig,
        schema.Generation,
        schema.FewshotConfig,
        schema.CaptureConfig,
        schema.MetricConfig,
        schema.Metadata,
    ],
)
def test_every_key_is_documented(model: type[schema.Strict]) -> None:
    bare = [name for name, field in model.model_fields.items() if not field.description]
    assert bare == []


@pytest.mark.parametrize(
    ("more", "drop", "what", "hint"),
    [
        ("doc_to_txt: hi\n", ["doc_to_text"], "unknown key 'doc_to_txt'", "'doc_to_text'"),
        ("generation_kwargs: {max_gen_tok: 3}\n", [], "unknown key 'max_gen_tok'", "max_gen_toks"),
        ("output_type: multiple_choise\n", [], "cannot be 'multiple_choise'", "multiple_choice"),
        ("doc_to_choice: [yes, maybe]\n", [], "must be text, not True", "quotes"),
        ("", ["scorer"], "'scorer' is missing", "add `scorer"),
        ("", ["metadata"], "'metadata' is missing", "add"),
        ("num_fewshot: -1\n", [], "num_fewshot", ""),
        ("metric_list: [{metric: niah.recall}]\n", ["metric_list"], "main: true", ""),
        ("steps: [{name: a}, {name: a}]\n", [], "same name", ""),
        ("steps: [{name: a, history: b}]\n", [], "no step before", ""),
        ("fewshot_split: test\n", [], "must differ", ""),
    ],
)
def test_wrong_keys_name_line_value_and_hint(
    tmp_path: Path, more: str, drop: list[str], what: str, hint: str
) -> None:
    path = write_task(tmp_path, more, drop=drop)
    with pytest.raises(TaskFileError, match=re.escape(what)) as caught:
        load_file(path)
    assert hint in caught.value.hint
    assert str(path) in caught.value.where


def test_all_errors_of_a_file_are_listed_at_once(tmp_path: Path) -> None:
    path = write_task(tmp_path, "colour: red\nneeds_images: maybe\nnum_fewshot: x\n")
    with pytest.raises(TaskFileError, match="the task file has 3 errors") as caught:
        load_file(path)
    assert len(caught.value.problems) == 3
    assert all(str(path) in problem.where for problem in caught.value.problems)


def test_steps_take_what_they_leave_out_from_the_top(tmp_path: Path) -> None:
    more = """
generation_kwargs: {max_gen_toks: 7}
steps:
  - name: first
  - name: second
    doc_to_text: "again {{ earlier.first[0] }}"
    generation_kwargs: {max_gen_toks: 3}
"""
    task = load_file(write_task(tmp_path, more))
    first, second = task.config.all_steps
    assert first.doc_to_text == "Q: {{ question }} A:"
    assert first.generation_kwargs.max_gen_toks == 7
    assert second.generation_kwargs.max_gen_toks == 3


def test_a_config_is_frozen(tmp_path: Path) -> None:
    config = load_file(write_task(tmp_path)).config
    with pytest.raises(ValueError, match="frozen"):
        config.task = "other"  # type: ignore[misc]
