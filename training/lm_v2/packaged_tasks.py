"""Runs of the packaged tasks on a checkpoint through the command line, as a user starts them.

A recipe imports neither tasks nor runs: it calls ``headbench run`` and reads the result files,
whose format is public (``docs/results-format.md``).
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headbench.errors import StoreError

_COMMAND = (sys.executable, "-c", "from headbench.cli import main; main()", "run")


@dataclass(frozen=True)
class Cell:
    """One result: a task under one condition.

    Attributes:
        task: Name of the task.
        condition: The intervention, or ``baseline``.
        role: ``baseline``, ``toggle`` or ``control``.
        status: ``ok`` or ``inert``.
        metrics: Name -> ``value``, ``low``, ``high``, ``n``.
        records: One dictionary a document, see the format of results.
    """

    task: str
    condition: str
    role: str
    status: str
    metrics: dict[str, dict[str, Any]]
    records: list[dict[str, Any]]


def run_tasks(
    folder: Path,
    tasks: Sequence[str],
    interventions: Sequence[str] = (),
    *,
    limit: int | None = None,
    controls: int = 0,
) -> list[Cell]:
    """Run tasks on a model folder through the command line, with results in a temporary folder.

    Args:
        folder: A checkpoint with its tokenizer and, for interventions by map, its head map.
        tasks: Names of packaged tasks.
        interventions: Interventions, one condition each.
        limit: Only this many documents of each task.
        controls: Random-head draws per intervention.

    Raises:
        StoreError: The run failed; its message is passed on.
    """
    options = ["--tasks", ",".join(tasks), "--model", "hf", "--controls", str(controls)]
    options += ["--model-args", f"pretrained={folder.resolve()},dtype=float32,name={folder.name}"]
    for intervention in interventions:
        options += ["--intervention", intervention]
    if limit is not None:
        options += ["--limit", str(limit)]
    with tempfile.TemporaryDirectory() as out:
        done = subprocess.run(  # noqa: S603 - our own command line
            [*_COMMAND, *options, "--out", out], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise StoreError("a packaged task failed", where=str(folder), hint=done.stderr[-800:])
        return [_cell(path) for path in sorted((Path(out) / "measured").rglob("*/*/*.json"))]


def _cell(path: Path) -> Cell:
    stored: dict[str, Any] = json.loads(path.read_text())
    with gzip.open(path.with_name(stored["records"]["name"]), "rt") as lines:
        records = [json.loads(line) for line in lines]
    condition = stored["arm"]
    return Cell(
        stored["task"]["name"],
        condition["name"],
        condition["role"],
        stored["status"],
        stored["metrics"],
        records,
    )
