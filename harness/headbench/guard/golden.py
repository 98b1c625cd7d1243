"""Held measurements: what named runs gave, kept in the repository, and made again to compare.

``<results>/measured/runs.yaml`` names the runs; ``<results>/measured/held/`` holds their cells. A
cell is made again on whatever machine the guard runs on. Another processor sums in another order,
so a token whose runner-up lies within rounding may flip: a share of a cell's documents may answer
otherwise. What answered the same must be scored the same, to the last digit.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from headbench.errors import ConfigError, HeadbenchError, StoreError
from headbench.guard.pins import Pins
from headbench.guard.stored_results import Fault
from headbench.guard.yaml_forms import Frozen, read_form
from headbench.nouns import Record
from headbench.reference.shipped import LATEST
from headbench.results.cell import Cell
from headbench.results.check import SLACK
from headbench.results.disk import told, write_atomic
from headbench.results.files import read_entries, read_result
from headbench.results.schema import Result
from headbench.results.timing import FILE as TIMING
from headbench.running.spec import RunSpec

RUNS = "runs.yaml"
FOLDER = "held"
ARRAY_SLACK = (2e-3, 1e-5)
"""Relative and absolute difference of stored arrays: two steps of half precision."""
AGAIN = "headbench guard --hold makes them anew"

Key = tuple[str, str, str]
"""Model, task and condition of a cell."""


class Runs(Frozen):
    """``runs.yaml``."""

    flips: float = Field(default=0.05, ge=0, lt=1)
    """Share of a cell's documents that may answer otherwise; one document always may."""
    runs: tuple[RunSpec, ...] = Field(min_length=1)
    """What to run, with the keys of a run's spec."""


def read_runs(results: Path) -> Runs:
    """The runs whose cells are held.

    Raises:
        DataError: There is no such file, or it is not of this form.
    """
    hint = "docs/rescoring.md says how to hold measurements"
    return read_form(results / "measured" / RUNS, Runs, "a list of held runs", hint)


def hold_runs(results: Path) -> tuple[Path, ...]:
    """Run everything, and put the cells in the place of those held before.

    Args:
        results: Holds ``measured``.

    Returns:
        The result files written.

    Raises:
        HeadbenchError: A run failed, or two runs give one cell; what was held is then untouched.
    """
    runs = read_runs(results).runs
    folder = results / "measured" / FOLDER
    with tempfile.TemporaryDirectory(prefix="headbench-hold-") as scratch:
        made: dict[Path, bytes] = {}
        keys: set[Key] = set()
        for number, spec in enumerate(runs):
            out = Path(scratch) / str(number)
            cells = _run(spec, out)
            _refuse_twice(keys & set(cells), results)
            keys |= set(cells)
            made |= _files(out / "measured")
        for name, content in made.items():
            write_atomic(folder / name, content)
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.relative_to(folder) not in made:
            with told("cannot remove what is no longer held", path):
                path.unlink()
    return tuple(sorted(folder / name for name in made if name.suffix == ".json"))


def remeasure(results: Path) -> tuple[int, list[Fault]]:
    """Make every held cell again, and compare.

    Args:
        results: Holds ``measured``.

    Returns:
        How many cells were made again, and what does not hold.

    Raises:
        HeadbenchError: A run failed.
    """
    runs, held = read_runs(results), read_held(results)
    faults: list[Fault] = []
    made: set[Key] = set()
    for spec in runs.runs:
        again, found = check_run(spec, held, runs.flips)
        made |= again
        faults += found
    faults += [
        Fault(path, f"none of the runs gives this cell any more: {AGAIN}")
        for key, (path, _) in held.items()
        if key not in made
    ]
    return len(made), faults


Held = Mapping[Key, tuple[Path, Cell]]
"""The held cells with their files."""


def read_held(results: Path) -> Held:
    """Every held cell.

    Raises:
        StoreError: A file is damaged, or none is held.
    """
    folder = results / "measured" / FOLDER
    held: dict[Key, tuple[Path, Cell]] = {}
    for path in sorted(folder.rglob("*.json")):
        result = read_result(path)
        key = _key(result)
        if key in held:
            raise StoreError(
                f"two files hold one cell: {' / '.join(key)}",
                where=f"{held[key][0]} and {path}",
                hint="remove the one that is no longer held",
            )
        held[key] = (path, Cell(result, read_entries(path, result)))
    if not held:
        raise StoreError("no measurements are held", where=str(folder), hint=AGAIN)
    return held


def check_run(spec: RunSpec, held: Held, flips: float) -> tuple[set[Key], list[Fault]]:
    """Run one spec in a folder of its own, and compare its cells with the held ones.

    Args:
        spec: A run; with a smaller ``limit`` than the held one, fewer documents are compared.
        held: As :func:`read_held` gives them.
        flips: Share of documents that may answer otherwise.

    Returns:
        The cells that were made, and what does not hold.
    """
    with tempfile.TemporaryDirectory(prefix="headbench-again-") as scratch:
        made = _run(spec, Path(scratch))
    faults = []
    for key, cell in made.items():
        if key in held:
            path, before = held[key]
            faults += [Fault(path, reason) for reason in deviations(before, cell, flips)]
        else:
            faults.append(Fault(Path(*key), f"this cell is not held: {AGAIN}"))
    return set(made), faults


def deviations(held: Cell, again: Cell, flips: float) -> Iterator[str]:
    """In what a cell made again does not say what is held.

    Args:
        held: The cell in the repository.
        again: The cell made now, over the same documents or some of them.
        flips: Share of documents that may answer otherwise; one always may.
    """
    yield from _facts(held.result, again.result)
    before = {record.document: record for record in held.records}
    pairs = [(before.get(record.document), record) for record in again.records]
    unknown = [now.document for was, now in pairs if was is None]
    if unknown:
        yield f"{len(unknown)} documents are not among the held ones, e.g. {unknown[0]}"
    shared = [(was, now) for was, now in pairs if was is not None]
    other = sum(was.outputs != now.outputs for was, now in shared)
    allowed = max(1, int(flips * len(shared)))
    if other > allowed:
        yield f"{other} of {len(shared)} documents answer otherwise; {allowed} may"
    scored = [
        now.document for was, now in shared if was.outputs == now.outputs and _scored(was, now)
    ]
    if scored:
        yield f"{len(scored)} documents answer the same and are scored otherwise, e.g. {scored[0]}"


def check_held(results: Path, pinned: Pins) -> list[Fault]:
    """Find held cells of a task or a reference model that has moved on; nothing is run.

    Args:
        results: Holds ``measured``.
        pinned: Version and prompt hash of every task.
    """
    faults = []
    for path in sorted((results / "measured" / FOLDER).rglob("*.json")):
        try:
            result = read_result(path)
        except HeadbenchError as error:
            faults.append(Fault(path, str(error)))
            continue
        faults += [Fault(path, f"{reason}: {AGAIN}") for reason in _outdated(result, pinned)]
    return faults


def _outdated(result: Result, pinned: Pins) -> Iterator[str]:
    pin = pinned.get(result.task.name)
    if pin and pin != {"version": result.task.version, "prompt": result.task.prompt_hash}:
        yield f"held under version {result.task.version} of its task, now {pin['version']}"
    latest = LATEST.get(result.model.adapter)
    if latest not in (None, result.model.name):
        yield f"held for {result.model.name}, but {result.model.adapter} is now {latest}"


def _run(spec: RunSpec, out: Path) -> dict[Key, Cell]:
    from headbench.running.execute import execute

    outcome = execute(spec, out)
    return {
        _key(result): Cell(result, read_entries(path, result))
        for path, result in zip(outcome.files, outcome.results, strict=True)
    }


def _key(result: Result) -> Key:
    return (result.model.name, result.task.name, result.arm.name)


def _refuse_twice(keys: set[Key], results: Path) -> None:
    if keys:
        raise ConfigError(
            f"two runs give one cell: {' / '.join(min(keys))}",
            where=str(results / "measured" / RUNS),
            hint="leave the task, the toggle or the model out of one of them",
        )


def _files(folder: Path) -> dict[Path, bytes]:
    """Every file of a run but its timing, by path below the folder."""
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != TIMING
    }


def _facts(held: Result, again: Result) -> Iterator[str]:
    """Facts without which two cells are not the same measurement."""
    told = {
        "version": (held.task.version, again.task.version),
        "prompt": (held.task.prompt_hash, again.task.prompt_hash),
        "scorer": (held.task.scorer, again.task.scorer),
        "parser": (held.task.parser, again.task.parser),
        "weights": (held.model.identity.get("weights"), again.model.identity.get("weights")),
        "arm": (held.arm.canonical, again.arm.canonical),
        "status": (held.status, again.status),
    }
    for name, (was, now) in told.items():
        if was != now:
            yield f"{name} was {was}, and is now {now}"


def _scored(was: Record, now: Record) -> bool:
    """Whether two records of one output differ in what was read or counted."""
    return was.target != now.target or not _near(was.parts, now.parts)


def _near(was: Any, now: Any) -> bool:
    """Equal, numbers up to what another library's last bit changes."""
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        return was.keys() == now.keys() and all(_near(was[key], now[key]) for key in was)
    if isinstance(was, list) and isinstance(now, list):
        return len(was) == len(now) and all(map(_near, was, now))
    if isinstance(was, float) and isinstance(now, float):
        return math.isclose(was, now, rel_tol=SLACK, abs_tol=SLACK)
    if hasattr(was, "shape") and hasattr(now, "shape"):
        return bool(was.shape == now.shape and np.allclose(was, now, *ARRAY_SLACK))
    return bool(was == now)
