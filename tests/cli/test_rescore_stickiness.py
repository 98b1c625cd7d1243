"""``rescore --task stickiness``: rescue of recorded labels, and macro F1 beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from headbench.cli import app
from headbench.errors import ConfigError, DataError
from headbench.guard.stored_results import check_stored

ITEMS = 60
"""Even items are toxic. Zero-shot says "not toxic" always, aligned "toxic" always."""


def row(item: int, condition: str, answer: str) -> dict[str, object]:
    label = "not toxic" if item % 2 else "toxic"
    return {"id": item, "condition": condition, "label": label, "answer": answer}


def rows() -> list[dict[str, object]]:
    never = [row(n, "zero_shot", "PREDICTION: [not toxic]") for n in range(ITEMS)]
    always = [row(n, "aligned", "PREDICTION: [toxic]") for n in range(ITEMS)]
    # misaligned: right on 15 of 30 toxic items, one unparsed, right on all others.
    mixed = [
        row(n, "misaligned", "not toxic" if n % 2 or n >= 30 else "toxic") for n in range(ITEMS - 1)
    ]
    return [*never, *always, *mixed, row(ITEMS - 1, "misaligned", "I would rather not say that.")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    save(tmp_path, rows())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def save(folder: Path, log: list[dict[str, object]]) -> None:
    (folder / "a.jsonl").write_text("\n".join(map(json.dumps, log)))


def rescore(*more: str, label: str = "toxic") -> Result:
    command = ["rescore", "--task", "stickiness", "--predictions", "a.jsonl", "--label", label]
    return CliRunner().invoke(app, [*command, *more])


def document(*more: str) -> dict[str, Any]:
    done = rescore(*more, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_macro_f1_stands_beside_rescue(folder: Path) -> None:
    found = document()
    values = {name: one["value"] for name, one in found["metrics"].items()}
    assert (values["z"], values["c"], values["n"], values["coverage"]) == (30, 30, 60, 1.0)
    # All that zero-shot got wrong is rescued by saying one class for everything.
    assert (values["rescue"], values["damage"]) == (1.0, 1.0)
    assert values["macro_f1_zero_shot"] == pytest.approx((0 + 2 / 3) / 2)
    assert values["macro_f1_aligned"] == pytest.approx((2 / 3 + 0) / 2)
    # toxic: 15 right of 30, 15 said; not toxic: 29 right of 30, 44 said, one unparsed.
    assert values["macro_f1_misaligned"] == pytest.approx((30 / 45 + 58 / 74) / 2)
    assert "macro_f1_few_shot" not in values
    assert found["headline"] == "rescue"
    printed = rescore().stdout
    assert "macro_f1_aligned" in printed
    assert "conditions: zero_shot, aligned, misaligned" in printed
    assert "pooled over aligned;" in printed


def test_an_item_without_every_condition_lowers_coverage(folder: Path) -> None:
    save(folder, [one for one in rows() if (one["id"], one["condition"]) != (3, "aligned")])
    found = document()
    assert found["metrics"]["coverage"]["value"] == pytest.approx(59 / 60)
    assert (found["status"], found["headline"]) == ("partial", None)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ([row(0, "aligned", "not toxic")], "the item '0' has two different answers under aligned"),
        ([{**row(0, "few_shot", "toxic"), "label": "not toxic"}], "has two right labels"),
        ([row(0, "one_shot", "toxic")], "no condition is called 'one_shot'"),
        ([{"id": 0, "label": "toxic", "answer": "toxic"}], "a row has no condition"),
    ],
)
def test_rows_that_contradict_or_lack_something_are_refused(
    folder: Path, more: list[dict[str, object]], told: str
) -> None:
    save(folder, [*rows(), *more])
    done = rescore()
    assert isinstance(done.exception, DataError)
    assert told in str(done.exception)


def test_a_log_needs_zero_shot_and_something_that_should_help(folder: Path) -> None:
    for kept, told in (("aligned", "no zero_shot"), ("zero_shot", "no condition that should help")):
        save(folder, [one for one in rows() if one["condition"] == kept])
        done = rescore()
        assert isinstance(done.exception, DataError)
        assert told in str(done.exception)
    assert "a label names neither of two classes" in str(rescore(label="hateful").exception)
    command = ["rescore", "--task", "stickiness", "--predictions", "a.jsonl"]
    done = CliRunner().invoke(app, command)
    assert isinstance(done.exception, ConfigError)
    assert "--task stickiness needs --label" in str(done.exception)


def test_a_stored_macro_f1_is_recomputed_and_no_text_is_stored(folder: Path) -> None:
    assert rescore("--out", "results").exit_code == 0
    assert check_stored(folder / "results") == (1, [])
    (path,) = (folder / "results/rescored").rglob("*.json")
    stored = json.loads(path.read_text())
    assert "rather not" not in path.read_text()
    stored["metrics"]["macro_f1_aligned"]["value"] = 0.5
    path.write_text(json.dumps(stored))
    assert any("macro_f1_aligned" in one.reason for one in check_stored(folder / "results")[1])
