"""Result files as a run writes them, and what a board made of them says."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headbench.leaderboard.board import COLUMNS
from headbench.nouns import Record
from headbench.results.canonical import digest
from headbench.results.figures import Sampling, figures
from headbench.results.files import Entry, write_result
from headbench.results.keys import seed_for
from headbench.results.schema import (
    ArmFacts,
    ControlFacts,
    Coverage,
    Diagnostics,
    ModelFacts,
    Result,
    RunFacts,
    TaskFacts,
)
from headbench.scoring import lookup

METRICS = {name: lookup.metric(name) for name in ("niah.recall", "niah.fraction")}
SPEC: dict[str, object] = {"draws": 200, "level": 0.95, "seed": 0}
RUN = RunFacts(spec=SPEC, digest=digest(SPEC), versions={"headbench": "0.1.0", "numpy": "2.0"})
HOSTILE = "</script><img src=x onerror=alert(1)>\u202e\x01=HYPERLINK(1)"


@dataclass(frozen=True)
class Arm:
    """A condition and which of its documents are right."""

    name: str
    right: str
    of: str | None = None
    draw: int | None = None
    status: str = "ok"


def write_cells(
    out: Path, arms: Sequence[Arm], task: str = "niah", model: str = "m", level: float = 0.95
) -> list[Path]:
    """Write a baseline and conditions as a run would; returns the result files."""
    paths, baseline = [], None
    spec = SPEC | {"level": level}
    run = RUN.model_copy(update={"spec": spec, "digest": digest(spec)})
    for arm in arms:
        role = "control" if arm.of else "baseline" if arm.name == "baseline" else "toggle"
        changed = 0 if role == "baseline" or arm.status == "inert" else 2
        entries = [
            Entry(
                Record(
                    f"d{n}", f"d{n}", (char,), char, "verbatim@1",
                    {"correct": int(char), "fraction": float(char)}, "x",
                ),
                {"visited": 1, "changed": changed} if role != "baseline" else {},
            )
            for n, char in enumerate(arm.right)
        ]  # fmt: skip
        drawn = sum(one.of == arm.name for one in arms)
        n = len(arm.right)
        sampling = Sampling(seed_for(0, "interval", task), 200, level)
        result = Result(
            kind="measured",
            id=digest([task, model, arm.name]),
            status=arm.status,  # type: ignore[arg-type]
            reason="it acts on images, and the task shows none" if arm.status == "inert" else "",
            task=TaskFacts(
                name=task, version="1", main_metric="recall", scorer="niah@2", parser="verbatim@1",
                prompt_hash="ab" * 32, data_hash="cd" * 32,
            ),
            model=ModelFacts(name=model, adapter="hf", identity={"weights": "ef" * 32}),
            arm=ArmFacts(
                name=arm.name, role=role, of=arm.of, draw=arm.draw, baseline=baseline,
                controls=ControlFacts(unit="heads", drawn=drawn, possible=50, excluded=False,
                                      test=True) if drawn else None,
            ),
            coverage=Coverage(answered=n, expected=n),
            headline="recall",
            metrics=figures(METRICS, [entry.record for entry in entries], sampling, task),
            diagnostics=Diagnostics(visited=n, changed=changed * n) if role != "baseline"
            else Diagnostics(),
            run=run,
        )  # fmt: skip
        paths.append(write_result(out, result, entries))
        baseline = baseline or result.id
    return paths


VHR = "vhr(alpha=2)"
ARMS = (
    Arm("baseline", "1" * 30 + "0" * 10),
    Arm(VHR, "1" * 12 + "0" * 28),
    *(Arm(f"{VHR}#control-{n}", "1" * (28 - n) + "0" * (12 + n), VHR, n) for n in range(4)),
    Arm("pai", "1" * 30 + "0" * 10, status="inert"),
)


def text(files: dict[str, bytes], path: str = "index.html") -> str:
    return files[path].decode("utf-8")


def rows(files: dict[str, bytes], path: str) -> list[dict[str, object]]:
    """The rows of a shard, read as a script would."""
    script = text(files, path)
    body = script[script.index(",[", script.index("]")) + 1 : script.rindex("]") + 1]
    return [dict(zip(COLUMNS, row, strict=True)) for row in json.loads(body)]


def cells_of(files: dict[str, bytes], name: str) -> list[dict[str, object]]:
    return [row for row in rows(files, "data/board-measured.js") if row["condition"] == name]


def edited(folder: Path, stem: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Change what the result files of a condition say, not those of its controls."""
    found = [one for one in folder.rglob(f"{stem}-*.json") if "control" not in one.name]
    assert found
    for path in found:
        said = json.loads(path.read_text(encoding="utf-8"))
        change(said)
        path.write_text(json.dumps(said), encoding="utf-8")
