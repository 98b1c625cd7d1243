from __future__ import annotations

from pathlib import Path

import pytest

from headbench.errors import ConfigError
from headbench.tasks.check import check, check_file
from helpers_tasks import write_task


def test_a_good_file_is_rendered_and_scored(tmp_path: Path) -> None:
    report = check_file(write_task(tmp_path), limit=2)
    assert (report.name, report.documents, report.requests, report.problems) == ("toy", 2, 2, ())


def test_everything_wrong_is_listed_with_line_key_and_nearest_name(tmp_path: Path) -> None:
    more = """
metrics: 1
scorer: nih
parser: verbatin
metric_list: [{metric: niah.recal, main: true}]
description: "{{ a | spam }}"
steps: [{name: one, doc_to_text: "{{ oops "}]
"""
    path = write_task(tmp_path, more, drop=["scorer", "metric_list"])
    report = check_file(path)
    found = {(p.what, p.where.rsplit("key ")[-1], p.hint) for p in report.problems}
    assert {key for _, key, _ in found} >= {
        "metrics",
        "scorer",
        "parser",
        "metric_list[0].metric",
    }
    assert len(found) == 6
    hints = " ".join(hint for *_, hint in found)
    for name in ("'niah'", "'verbatim'", "'niah.recall'", "'span'"):
        assert name in hints
    assert all(str(path) in problem.where for problem in report.problems)


@pytest.mark.parametrize(
    ("more", "drop", "what"),
    [
        ("doc_to_text: '{{ qestion }}'\n", ["doc_to_text"], "'qestion' is undefined"),
        ("breakdown: lenght\n", [], "breakdown names 'lenght'"),
        ("scorer: pope\n", ["scorer"], "label must be yes or no"),
        ("doc_to_target: answer\n", [], "no field 'answer'"),
    ],
)
def test_documents_are_really_rendered_and_scored(
    tmp_path: Path, more: str, drop: list[str], what: str
) -> None:
    (problem,) = check_file(write_task(tmp_path, more, drop=drop)).problems
    assert what in problem.what


def test_steps_read_stand_ins_for_earlier_answers(tmp_path: Path) -> None:
    more = """
steps:
  - name: one
  - name: two
    history: one
    doc_to_text: "{{ earlier.one[0] }}, sure?"
"""
    assert check_file(write_task(tmp_path, more), limit=1).requests == 2


def test_a_task_without_documents_is_wrong(tmp_path: Path) -> None:
    (problem,) = check_file(write_task(tmp_path, rows=[])).problems
    assert "no documents" in problem.what


def test_absent_data_is_told_apart_from_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HEADBENCH_TOY", raising=False)
    more = "dataset_kwargs: {data_files: '${HEADBENCH_TOY}/x.json'}\n"
    report = check_file(write_task(tmp_path, more, drop=["dataset_kwargs"]))
    assert report.problems == ()
    assert "HEADBENCH_TOY" in report.absent


def test_groups_and_folders(tmp_path: Path) -> None:
    write_task(tmp_path, name="fine")
    (tmp_path / "g.yaml").write_text("group: mine\ntask: [fine, nothing]\n")
    (tmp_path / "bad.yaml").write_text("task: [\n")
    reports = {report.path.name: report for report in check([str(tmp_path)])}
    assert reports["fine.yaml"].problems == ()
    assert "'nothing'" in str(reports["g.yaml"].problems[0])
    assert "not valid YAML" in str(reports["bad.yaml"].problems[0])


def test_an_unknown_target(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'niha'"):
        check(["niha"])


def test_every_packaged_task_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {report.name: report.problems for report in check([], limit=2) if report.problems}
    assert wrong == {}
