"""Labels of data sets: no gold by default, released layouts, repeats, texts with two golds."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from headbench.cli import app
from headbench.errors import DataError, HeadbenchError
from headbench.tasks.check import check_file
from headbench.tasks.index import build_index
from headbench.tasks.loader import load
from headbench.tasks.task import Task

WORDS = ("quiet", "loud", "early", "late", "near", "far", "old", "new", "dry", "wet")


def texts(count: int) -> list[str]:
    return [f"an invented line about {WORDS[at % 10]} things, {at}" for at in range(count)]


def csv_file(path: Path, header: str, rows: list[tuple[str, ...]]) -> Path:
    path.write_text("\n".join([header, *(",".join(f'"{cell}"' for cell in row) for row in rows)]))
    return path


def golds(task: Task) -> dict[str, str]:
    return {str(one.fields["text"]): str(one.target) for one in task.documents()}


OWN = """
task: mine
dataset_path: csv
dataset_kwargs: {data_files: rows.csv}
doc_to_text: '{{ text | span("question") }} Yes or no?'
doc_to_target: label
target_classes: {"yes": ["1", hate], "no": ["0"]}
target_left_out: [skip]
scorer: pope
parser: pope_robust
metric_list: [{metric: pope.accuracy, main: true}]
metadata: {version: 1}
"""


def own(folder: Path, rows: list[tuple[str, ...]], yaml: str = OWN) -> Path:
    csv_file(folder / "rows.csv", "id,text,label", rows)
    (folder / "mine.yaml").write_text(yaml)
    return folder / "mine.yaml"


@pytest.mark.parametrize("label", ["", "2", "Hate", " 1", "1.0", "noHate"])
def test_an_unknown_label_names_row_and_value(tmp_path: Path, label: str) -> None:
    rows = [("a", "one", "1"), ("b", "two", "skip"), ("c", "three", label)]
    report = check_file(own(tmp_path, rows))
    assert len(report.problems) == 1
    told = str(report.problems[0])
    assert f"the label {label!r} is none of the task's" in told
    assert "rows.csv, row 3" in told and "'hate'" in told


def test_a_long_label_is_not_shown(tmp_path: Path) -> None:
    text = "a text that slipped into the column of labels, and is long"
    told = str(check_file(own(tmp_path, [("a", "one", text)])).problems[0])
    assert "slipped" not in told and f"of {len(text)} characters" in told


def test_classes_left_out_rows_repeats_and_two_golds_are_counted(tmp_path: Path) -> None:
    rows = [
        ("a", "one", "1"),
        ("b", "two", "0"),
        ("c", "one", "0"),
        ("d", "three", "skip"),
        ("e", "two", "0"),
        ("f", "four", "hate"),
    ]
    path = own(tmp_path, rows)
    found = check_file(path).survey
    assert found is not None
    assert (found.documents, found.classes, found.left_out) == (
        5, {"no": 3, "yes": 2}, {"skip": 1},
    )  # fmt: skip
    assert (found.repeated, found.apart, found.contradictory) == (2, 0, 1)
    assert found.examples == ("a",)
    documents = load(str(path)).documents()
    assert [(one.id, one.cluster, one.target) for one in documents] == [
        ("a", "a", "yes"),
        ("b", "b", "no"),
        ("c", "a", "no"),
        ("e", "b", "no"),
        ("f", "f", "yes"),
    ]
    told = CliRunner().invoke(app, ["validate", str(path)]).stdout
    assert "classes: no 3, yes 2" in told
    assert "left out by label: skip 1" in told
    assert "2 of 5 ask what an earlier one asks, in the cluster of that one" in told
    assert "texts that carry two golds: 1, e.g. document a" in told
    data = json.loads(CliRunner().invoke(app, ["validate", str(path), "--json"]).stdout)[0]["data"]
    assert (data["repeated"], data["contradictory"]) == (2, 1)


def test_clusters_that_a_task_names_are_kept_and_repeats_across_them_are_told(
    tmp_path: Path,
) -> None:
    yaml = OWN + "doc_to_cluster: label\n"
    path = own(tmp_path, [("a", "one", "1"), ("b", "one", "0"), ("c", "one", "1")], yaml)
    assert [one.cluster for one in load(str(path)).documents()] == ["1", "0", "1"]
    found = check_file(path).survey
    assert found is not None and (found.repeated, found.apart) == (2, 1)


def test_a_question_without_text_is_refused(tmp_path: Path) -> None:
    report = check_file(own(tmp_path, [("a", "one", "1"), ("b", "  ", "0")]))
    assert "the question of this document has no text" in str(report.problems[0])


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('target_classes: {"yes": ["1"], "no": ["1"]}', "stands twice"),
        ('target_classes: {"yes": ["1"], "no": ["skip"]}', "stands twice"),
        ("target_classes: {}", "needs target_classes"),
    ],
)
def test_a_label_has_one_meaning(tmp_path: Path, line: str, problem: str) -> None:
    yaml = OWN.replace('target_classes: {"yes": ["1", hate], "no": ["0"]}', line)
    report = check_file(own(tmp_path, [("a", "one", "1")], yaml))
    assert problem in str(report.problems[0])


# ------------------------------------------------------------------ released layouts


def vicomtech(folder: Path, labels: list[str]) -> Path:
    (folder / "all_files").mkdir()
    rows = []
    for at, (text, label) in enumerate(zip(texts(len(labels)), labels, strict=True)):
        (folder / f"all_files/1{at}_1.txt").write_text(f"{text}\n")
        rows.append((f"1{at}_1", "7", "9", "0", label))
    header = "file_id,user_id,subforum_id,num_contexts,label"
    return csv_file(folder / "annotations_metadata.csv", header, rows)


@pytest.mark.parametrize("named", ["folder", "file"])
def test_vicomtech_as_released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    labels = ["hate", "noHate", "relation", "idk/skip"] * 5
    path = vicomtech(tmp_path, labels)
    monkeypatch.setenv("HEADBENCH_VICOMTECH", str(tmp_path if named == "folder" else path))
    task = load("stickiness_vicomtech")
    found = task.survey()
    assert (found.classes, found.left_out) == (
        {"no": 5, "yes": 5}, {"idk/skip": 5, "relation": 5},
    )  # fmt: skip
    read = golds(task)
    assert len(read) == 6  # four are examples
    for text, gold in read.items():
        assert gold == ("yes" if labels[texts(20).index(text)] == "hate" else "no")
    (tmp_path / "all_files/13_1.txt").unlink()
    with pytest.raises(DataError, match="text of item '13_1' is not there"):
        load("stickiness_vicomtech").survey()


def olid(folder: Path, training: bool) -> None:
    labels = ["OFF", "NOT", "NOT"] * 4
    lines = ["id\ttweet", *(f'{at}\t#Tag "open {text}' for at, text in enumerate(texts(12)))]
    (folder / "testset-levela.tsv").write_text("\n".join(lines) + "\n")
    (folder / "labels-levela.csv").write_text(
        "".join(f"{at},{label}\n" for at, label in enumerate(labels))
    )
    if training:
        header = "id\ttweet\tsubtask_a\tsubtask_b\tsubtask_c"
        rows = [f"9{at}\ttrain {at}\t{label}\tNULL\tNULL" for at, label in enumerate(labels)]
        (folder / "olid-training-v1.0.tsv").write_text("\n".join([header, *rows]) + "\n")


@pytest.mark.parametrize(("training", "asked"), [(True, 12), (False, 8)])
def test_the_test_split_of_olid_as_released(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, training: bool, asked: int
) -> None:
    olid(tmp_path, training)
    monkeypatch.setenv("HEADBENCH_OLID", str(tmp_path))
    task = load("stickiness_olid")
    assert task.survey().classes == {"no": 8, "yes": 4}
    read = golds(task)
    assert len(read) == asked
    assert all(text.startswith('#Tag "open ') for text in read)
    (request,) = task.requests(task.documents()[0], "few_shot", {}, 0)
    assert ("Message: train" in request.messages[0]["content"]) is training
    if training:
        monkeypatch.setenv("HEADBENCH_OLID", str(tmp_path / "olid-training-v1.0.tsv"))
        assert load("stickiness_olid").survey().classes == {"no": 8, "yes": 4}
    (tmp_path / "labels-levela.csv").write_text("0,OFF\n1,NOT\n")
    monkeypatch.setenv("HEADBENCH_OLID", str(tmp_path / "testset-levela.tsv"))
    with pytest.raises(DataError, match="12 texts and 2 labels"):
        load("stickiness_olid").survey()


def test_gametox_as_released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = [f"{at % 6}.0" for at in range(24)]
    rows = [*zip(texts(24), labels, strict=True), ("gg", "0.0"), ("gg", "1.0"), ("empty", "")]
    path = csv_file(tmp_path / "gametox.csv", "message,label", rows)
    monkeypatch.setenv("HEADBENCH_GAMETOX", str(path))
    task = load("stickiness_gametox")
    found = task.survey()
    assert (found.classes, found.left_out) == ({"no": 5, "yes": 21}, {"": 1})
    assert (found.repeated, found.contradictory, found.apart) == (1, 1, 0)
    for text, gold in golds(task).items():
        if text != "gg":
            assert gold == ("no" if labels[texts(24).index(text)] == "0.0" else "yes")
    same = [one.cluster for one in task.documents() if one.fields["text"] == "gg"]
    assert len(same) < 2 or len(set(same)) == 1
    csv_file(tmp_path / "gametox.csv", "message,label", [*rows, ("x", "6.0")])
    with pytest.raises(DataError, match=r"the label '6\.0' is none of the task's") as caught:
        load("stickiness_gametox").survey()
    assert "gametox.csv, row 28" in str(caught.value)


@pytest.mark.parametrize("name", ["vicomtech", "gametox", "olid"])
def test_plain_tables_are_read_for_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    pair = ("OFF", "NOT") if name == "olid" else ("1", "0")
    rows = [(str(at), text, pair[at % 2]) for at, text in enumerate(texts(12))]
    path = csv_file(tmp_path / "own.csv", "id,text,label", rows)
    monkeypatch.setenv(f"HEADBENCH_{name.upper()}", str(path))
    assert Counter(golds(load(f"stickiness_{name}")).values()) == {"yes": 4, "no": 4}
    csv_file(path, "id,text,gold", rows)
    with pytest.raises(DataError, match="no columns text and label"):
        load(f"stickiness_{name}").survey()
    csv_file(path, "id,text,label", [*rows, rows[0]])
    with pytest.raises(DataError, match="two items have the id '0'"):
        load(f"stickiness_{name}").survey()
    csv_file(path, "id,text,label", [*rows, ("99", "", pair[0])])
    with pytest.raises(DataError, match="an item has no text"):
        load(f"stickiness_{name}").survey()


def test_no_task_file_decides_a_gold_by_exclusion() -> None:
    """A template with an ``else`` gives every strange label a class."""
    for name, entry in build_index().entries.items():
        if entry.kind == "task" and name.startswith("stickiness_"):
            config = load(name).config
            assert set(config.target_classes) == {"yes", "no"}, name
            assert not any("else" in made for made in config.doc_fields.values()), name


def test_a_folder_without_the_files_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("vicomtech", "olid", "gametox"):
        monkeypatch.setenv(f"HEADBENCH_{name.upper()}", str(tmp_path))
        with pytest.raises(HeadbenchError, match=r"cannot read the file|0 files fit"):
            load(f"stickiness_{name}").survey()
