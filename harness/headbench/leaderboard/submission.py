"""Is a result fit for the board? What CI asks of a pull request, asked before there is one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from headbench._reading import is_file, resolved
from headbench.errors import HeadbenchError
from headbench.leaderboard.licences import may_show_texts
from headbench.results.check import Checked, read_checked
from headbench.results.files import read_result, result_path
from headbench.results.schema import Result
from headbench.tasks.loader import load
from headbench.tasks.task import Task

_DIGEST = re.compile(r"[0-9a-f]{64}")
_WITHHELD = re.compile(r"sha256:[0-9a-f]{64}")
MOST_BYTES = 5_000_000
"""Largest file of a submission: the folder of committed results holds 25 MB in all."""


@dataclass(frozen=True)
class Submitted:
    """One file that was checked.

    Attributes:
        path: The file.
        checked: The result, where it could be read.
        faults: What to correct; none: it is fit for the board.
    """

    path: Path
    checked: Checked | None
    faults: tuple[str, ...]


def submit(paths: Sequence[Path]) -> list[Submitted]:
    """Check result files, each with the files beside it; nothing is written or sent.

    Args:
        paths: Result files.
    """
    found = [_one(path) for path in paths]
    ids: dict[str, Path] = {}
    done = []
    for one in found:
        again = one.checked and ids.setdefault(one.checked.result.id, one.path)
        if again and again != one.path:
            fault = f"the same result as {again}: give each once"
            one = Submitted(one.path, one.checked, (*one.faults, fault))
        done.append(one)
    return done


def _one(path: Path) -> Submitted:
    try:
        checked = read_checked(path)  # schema, hashes, every figure from its records
    except HeadbenchError as error:
        return Submitted(path, None, (str(error),))
    return Submitted(path, checked, tuple(_faults(path, checked)))


def _faults(path: Path, checked: Checked) -> Iterator[str]:
    result = checked.result
    yield from checked.unchecked
    if result.kind != "measured":
        yield (
            f"it is {result.kind}: rescored outputs come through 'headbench rescore', published "
            "cells through a file of results/published"
        )
        return
    yield from _coverage(result)
    yield from _place(path, result)
    yield from _provenance(result)
    yield from _relatives(path, result)
    asked = _task(result)
    if isinstance(asked, str):
        yield asked
    yield from _texts(checked, None if isinstance(asked, str) else asked)


def _coverage(result: Result) -> Iterator[str]:
    answered, expected = result.coverage.answered, result.coverage.expected
    if answered < expected:
        yield f"{answered:,} of {expected:,} documents are answered: run it to its end"


def _place(path: Path, result: Result) -> Iterator[str]:
    if not _DIGEST.fullmatch(result.id):
        yield "its id is no SHA-256 digest"
    wanted = result_path(Path(), result)
    if resolved(path).parts[-len(wanted.parts) :] != wanted.parts:
        yield f"it lies in another place than a run writes it to: {wanted}"
    beside = [path, *(path.parent / one.name for one in (result.records, result.arrays) if one)]
    for one in beside:
        if is_file(one) and one.stat().st_size > MOST_BYTES:
            yield f"{one.name} has more than {MOST_BYTES // 1_000_000} MB"


def _provenance(result: Result) -> Iterator[str]:
    run = result.run
    if not run.spec or not run.digest:
        yield "it does not say how it was run: there is no spec to run again"
    for name in ("headbench", "numpy"):
        if name not in run.versions:
            yield f"it does not say which version of {name} made it"
    if run.commit and run.commit.endswith("-dirty"):
        yield "it was made with changed files of headbench: commit them, and run again"
    if not result.model.identity.get("weights"):
        yield "it does not say which weights answered"
    for code in run.code:
        if not code.digest:
            yield f"it does not say which code {code.kind} {code.name} is"


def _relatives(path: Path, result: Result) -> Iterator[str]:
    """The baseline and the control draws, which the board needs to show a difference."""
    arm = result.arm
    if arm.role == "baseline":
        return
    others = [one for other in sorted(path.parent.glob("*.json")) if (one := _read(other))]
    if arm.baseline is None:
        yield "it names no baseline"
    elif not any(other.id == arm.baseline for other in others):
        yield f"its baseline {arm.baseline[:8]} does not lie beside it: submit it, too"
    if arm.role == "control" and not any(other.arm.name == arm.of for other in others):
        yield f"it is a control of {arm.of}, which does not lie beside it"
    drawn = arm.controls.drawn if arm.controls else 0
    here = sum((one.arm.of, one.arm.baseline) == (arm.name, arm.baseline) for one in others)
    if arm.role == "toggle" and here < drawn:
        yield f"{drawn} controls were drawn, and {here} lie beside it: submit all of them"


def _read(path: Path) -> Result | None:
    try:
        return read_result(path)
    except HeadbenchError:
        return None  # a broken neighbour is reported where it is submitted itself


def _task(result: Result) -> Task | str:
    """The packaged task, or why the result is not one of its."""
    told = result.task
    try:
        task = load(told.name)
    except HeadbenchError:
        return f"no packaged task is called {told.name!r}: submit its YAML file first"
    if task.version != told.version:
        return f"it is of version {told.version} of {told.name}, which is at {task.version}"
    if task.prompt_hash != told.prompt_hash:
        return f"it was not asked what {told.name} asks: the hash of the prompt differs"
    return task


def _texts(checked: Checked, task: Task | None) -> Iterator[str]:
    """Whether the records hold texts that must not be made public."""
    if checked.result.withheld or may_show_texts(task):
        return
    shown = sum(
        any(output and not _WITHHELD.fullmatch(output) for output in entry.record.outputs)
        for entry in checked.entries
    )
    if shown:
        licence = "unknown" if task is None else task.config.metadata.licence or "not stated"
        yield (
            f"{shown:,} records hold outputs, which may repeat texts of data whose licence is "
            f"{licence}: submit the results of this task without them (sensitive: true)"
        )
