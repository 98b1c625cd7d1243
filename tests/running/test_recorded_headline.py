"""A run over recorded outputs says how they were joined, and quotes no figure on ids alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headbench.running.execute import RunOutcome, execute
from headbench.running.spec import RunSpec

TASK = """
task: dogs
dataset_path: jsonl
dataset_kwargs: {data_files: rows.jsonl}
doc_to_text: '{{ question | span("question") }}'
doc_to_target: label
scorer: pope
parser: pope_robust
metric_list: [{metric: pope.accuracy, main: true}]
metadata: {version: 1}
"""
ROWS = [
    {"id": f"d{at}", "question": f"Is there a dog in place {at}?", "label": label}
    for at, label in enumerate(["yes", "no", "yes"])
]


@pytest.mark.parametrize(
    ("kept", "join", "headline", "how"),
    [
        (("id",), None, None, "id only"),
        (("id",), "id", "accuracy", "id only"),
        (("id", "question"), None, "accuracy", "id and question"),
    ],
)
def test_headlines_of_recorded_runs(
    tmp_path: Path, kept: tuple[str, ...], join: str | None, headline: str | None, how: str
) -> None:
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    (tmp_path / "dogs.yaml").write_text(TASK)
    said = [{**{key: row[key] for key in kept}, "answer": row["label"]} for row in ROWS]
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, said)))
    args = {"path": str(tmp_path / "log.jsonl"), **({"join": join} if join else {})}
    spec = RunSpec(tasks=(str(tmp_path / "dogs.yaml"),), model="recorded", model_args=args)
    done: RunOutcome = execute(spec, tmp_path / "out")
    (result,) = done.results
    assert (result.headline, result.source["joined by"]) == (headline, how)
    assert result.metrics["accuracy"].value == 1.0
    assert any(f"joined by {how}" in note for note in done.notes)
    assert ("no_headline" in result.source) is (headline is None)
