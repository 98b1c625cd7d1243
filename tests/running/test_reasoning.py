"""Thoughts in runs and in recorded outputs: cut, counted, printed, and part of a result's id."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from headbench.cli import app
from headbench.errors import ConfigError
from headbench.families.chair.rescore_chair import rescore_chair
from headbench.families.needles.rescore_needles import rescore_niah
from headbench.families.pope.rescore_pope import rescore_pope
from headbench.families.walls.rescore_walls import rescore_walls
from headbench.results.rescored import Rescored
from headbench.results.schema import ReasoningFacts, Result
from headbench.running.execute import RunOutcome, execute
from headbench.running.outcome_table import footer
from headbench.running.spec import make_spec
from headbench.scoring.thoughts import DEFAULT
from headbench.tasks.loader import load
from headbench.tasks.task import Task

LIMIT = 4


def think(answer: str, at: int) -> str:
    """Three closed thoughts that say the opposite, and one that never ends."""
    other = {"yes": "no", "no": "yes"}[answer]
    return f"<think>{other}, {answer}</think>\n{answer}" if at < LIMIT - 1 else f"<think>{answer}"


def run(folder: Path, **values: object) -> RunOutcome:
    documents = load("pope").documents(limit=LIMIT)
    rows = [
        {"document": one.id, "outputs": [think(str(one.target), at)]}
        for at, one in enumerate(documents)
    ]
    path = folder / "answers.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    spec = make_spec(
        tasks=("pope",),
        model="recorded",
        model_args={"path": str(path)},
        limit=LIMIT,
        draws=10,
        **values,
    )
    return execute(spec, folder / "results", progress=False)


def test_a_run_cuts_thoughts_and_says_how_many(tmp_path: Path) -> None:
    outcome = run(tmp_path)
    result = outcome.results[0]
    assert result.metrics["accuracy"].value == (LIMIT - 1) / LIMIT
    assert result.metrics["unparsed_rate"].value == 1 / LIMIT
    assert result.reasoning == ReasoningFacts(marks=DEFAULT, closed=0.75, unclosed=0.25)
    said = [line for line in footer(outcome) if line.startswith("thoughts")]
    assert said == [
        "thoughts in pope, baseline: 75.0% of outputs closed (cut before reading), 25.0% not "
        "closed (unparsed)"
    ]


def test_the_marks_are_part_of_a_run_and_of_its_result(tmp_path: Path) -> None:
    first, second = run(tmp_path), run(tmp_path, reasoning_marks=("none",))
    assert second.results[0].metrics["accuracy"].value != first.results[0].metrics["accuracy"].value
    assert second.results[0].reasoning == ReasoningFacts(marks=(), closed=0.0, unclosed=0.0)
    assert first.results[0].id != second.results[0].id
    assert first.spec.digest != second.spec.digest
    assert "--reasoning-marks none" in second.spec.command()
    assert "--reasoning-marks" not in first.spec.command()
    assert not [line for line in footer(second) if line.startswith("thoughts")]
    with pytest.raises(ConfigError, match="no reasoning marks called 'thnk'"):
        make_spec(tasks=("pope",), reasoning_marks=("thnk",))


def test_the_command_line_takes_marks() -> None:
    words = ["run", "--tasks", "niah", "--limit", "1", "--dry-run", "--reasoning-marks"]
    done = CliRunner().invoke(app, [*words, "think,[T]...[/T]"])
    assert done.exit_code == 0, done.output
    assert "--reasoning-marks 'think,[T]...[/T]'" in done.stdout
    wrong = CliRunner().invoke(app, [*words, "thinks"])
    assert wrong.exit_code != 0


def test_outputs_that_become_one_are_freed_of_their_thoughts_first() -> None:
    task = load("walls")
    assert any(step.config.combine == "lines" for step in task.steps)
    document = task.documents(limit=1)[0]
    assert isinstance(document.target, dict)
    groups, names = document.target["groups"], document.target["connections"]
    answers = ["\n".join(", ".join(group) for group in groups), *names]
    thinking = [f"in the prompt, a, b\n</think>\n{text}" for text in answers]
    record = task.record(document, (*thinking[:-1], f"<think>{answers[-1]}"))
    assert (record.parts["solved"], record.parts["connections_exact"]) == (1, len(names) - 1)
    assert record.parts["closed_thoughts"] == len(names)
    assert record.parts["unclosed_thoughts"] == 1


def save(path: Path, value: object) -> Path:
    path.write_text(json.dumps(value))
    return path


WALL = [[f"{letter}{at}" for at in range(4)] for letter in "abcd"]


def rescored(family: str, folder: Path, **more: object) -> Rescored:
    """Two outputs of a family: the right one behind a thought, and one whose thought never ends."""
    right = {
        "chair": "A dog.",
        "pope": "Yes",
        "niah": "a sandwich, Dolores Park, a sunny day",
        "walls": "\n".join(", ".join(group) for group in WALL),
    }[family]
    texts = [f"<think>No, a cat.\n</think>{right}", f"<think>{right}"]
    log = save(
        folder / f"{family}.json",
        [
            {"id": at, "image": f"{at}", "question": "q?", "answer": text, "length": at, "depth": 0}
            for at, text in enumerate(texts)
        ],
    )
    if family == "chair":
        truth = save(folder / "truth.json", {"0": ["dog"], "1": ["dog"]})
        return rescore_chair(log, [truth], **more)  # type: ignore[arg-type]
    if family == "pope":
        asked = [{"id": at, "image": f"{at}", "question": "q?", "label": "yes"} for at in range(2)]
        return rescore_pope(log, save(folder / "q.json", asked), **more)  # type: ignore[arg-type]
    if family == "niah":
        return rescore_niah(log, **more)  # type: ignore[arg-type]
    walls = save(folder / "w.json", [{"id": at, "groups": WALL} for at in range(2)])
    return rescore_walls(log, walls, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("family", "metric", "value"),
    [("chair", "mentions", 1), ("pope", "tp", 1), ("niah", "keyphrase3", 0.5),
     ("walls", "solved_walls", 1)],
)  # fmt: skip
def test_recorded_outputs_are_freed_of_thoughts_in_every_family(
    family: str, metric: str, value: float, tmp_path: Path
) -> None:
    found = rescored(family, tmp_path)
    assert found.value(metric) == value
    assert found.result.reasoning == ReasoningFacts(marks=DEFAULT, closed=0.5, unclosed=0.5)
    whole = rescored(family, tmp_path, marks=())
    assert whole.result.reasoning == ReasoningFacts(marks=(), closed=0.0, unclosed=0.0)
    assert whole.result.id != found.result.id


def test_rescore_prints_the_shares_and_takes_the_marks(tmp_path: Path) -> None:
    rescored("niah", tmp_path)
    words = ["rescore", "--task", "niah", "--predictions", str(tmp_path / "niah.json")]
    shown = CliRunner().invoke(app, words).stdout
    assert "50.0% of outputs closed" in shown and "50.0% not closed (unparsed)" in shown
    told = CliRunner().invoke(app, [*words, "--reasoning-marks", "none", "--json"])
    result = Result.model_validate_json(told.stdout)
    assert result.reasoning == ReasoningFacts(marks=(), closed=0.0, unclosed=0.0)


def test_a_task_takes_the_default_marks() -> None:
    task = load("niah")
    assert isinstance(task, Task)
    document = task.documents(limit=1)[0]
    record = task.record(document, (f"<think>no</think>{document.target}",))
    assert record.parts["correct"] == 1
    assert record.parts["closed_thoughts"] == 1


def test_every_option_of_a_spec_is_in_its_command() -> None:
    spec = make_spec(tasks=("niah",), draws=2000, level=0.9, reasoning_marks=(), seed=3)
    words = spec.command()
    assert "--draws 2000 --level 0.9 --reasoning-marks none" in words
    assert "--seed 3" in words
    assert spec == make_spec(
        tasks=("niah",), draws=2000, level=0.9, reasoning_marks=("none",), seed=3
    )
