"""Messages and records of a sensitive task hold no text; the whole way is in tests/running."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from headbench.errors import HeadbenchError
from headbench.nouns import Record
from headbench.scoring.withheld import text_digest
from headbench.tasks.loader import load
from headbench.tasks.sensitive import label_set, without_texts

SECRET = 'it\'s a secret "text" that nobody prints'
FILE = """
task: private
sensitive: true
dataset_path: jsonl
dataset_kwargs: {{data_files: rows.jsonl}}
doc_to_id: "{id}"
doc_to_cluster: "{cluster}"
doc_to_text: "{text}"
scorer: {scorer}
scorer_options: {{label: toxic, conditions: [answer], pooled: [answer]}}
metric_list:
  - {{metric: stickiness.zero_shot_accuracy, main: true}}
metadata: {{version: 1}}
"""


def write(folder: Path, rows: list[Mapping[str, object]], **changes: str) -> Path:
    said = {"id": "id", "cluster": "id", "text": "{{ text }}", "scorer": "stickiness", **changes}
    (folder / "private.yaml").write_text(FILE.format(**said))
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "private.yaml"


def row(**changes: object) -> dict[str, object]:
    return {"id": "r1", "text": SECRET, "target": "yes", **changes}


def test_a_record_keeps_labels_and_numbers_and_digests_of_the_rest() -> None:
    record = Record(
        "d1",
        "c1",
        (SECRET, "toxic"),
        [("Not toxic", 0.5), (SECRET, None)],
        "p@1",
        {"n": 2, "said": "toxic", "quoted": [SECRET], "by": {SECRET: 1.5}, "odd": b"secret text"},
        target="yes",
        tokens=((1, 2), (3,)),
    )
    kept = without_texts(record, label_set({"label": "toxic"}))
    assert "secret" not in repr(kept)
    assert kept.outputs == (text_digest(SECRET), text_digest("toxic"))
    assert kept.parsed == [["Not toxic", 0.5], [text_digest(SECRET), None]]
    assert kept.parts["n"] == 2 and kept.parts["said"] == "toxic"
    assert kept.parts["by"] == {text_digest(SECRET): 1.5}
    assert (kept.document, kept.cluster, kept.target, kept.tokens) == ("d1", "c1", "yes", ())


def test_a_text_taken_for_an_id_becomes_a_digest(tmp_path: Path) -> None:
    rows = [row(text=f"{SECRET} {number}") for number in range(2)]
    task = load(str(write(tmp_path, rows, id="text", cluster="text")), [])
    documents = task.documents()
    assert len({document.id for document in documents}) == 2
    assert all("secret" not in document.id + document.cluster for document in documents)


@pytest.mark.parametrize(
    ("rows", "changes", "words"),
    [
        # The template's own errors quote the key.
        ([row()], {"text": "{{ {}[text] }}"}, r"has no attribute .\[withheld\]"),
        ([row(known={"a": 1})], {"text": "{{ known[text] + 1 }}"}, r"attribute .\[withheld\]"),
        ([row(), row()], {"id": "text"}, r"two documents have the id \[withheld\]"),
        ([row(target=SECRET)], {}, "label"),
        ([row(target=SECRET)], {"scorer": "pope"}, r"must be yes or no, not .*\[withheld\]"),
    ],
)
def test_no_error_quotes_a_text(
    tmp_path: Path, rows: list[Mapping[str, object]], changes: Mapping[str, str], words: str
) -> None:
    path = write(tmp_path, rows, **changes)
    if "pope" in changes.values():
        text = path.read_text().replace("stickiness.zero_shot_accuracy", "pope.f1")
        path.write_text("\n".join(x for x in text.split("\n") if "scorer_options" not in x))
    with pytest.raises(HeadbenchError, match=words) as caught:
        task = load(str(path), [])
        (document, *_) = task.documents()
        task.requests(document, "answer", {}, 0)
        task.record(document, (f"you say: {SECRET}",))
    assert "secret" not in str(caught.value) and "nobody" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_errors_of_other_tasks_say_everything(tmp_path: Path) -> None:
    path = write(tmp_path, [row()], text="{{ {}[text] }}")
    path.write_text(path.read_text().replace("sensitive: true\n", ""))
    task = load(str(path), [])
    with pytest.raises(HeadbenchError, match="secret"):
        task.requests(task.documents()[0], "answer", {}, 0)
