"""Golden measurements: what named runs gave, kept in the repository, and made again to compare.

``<results>/measured/runs.yaml`` names the runs; ``<results>/measured/golden/`` holds their cells. A
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

from headbench.errors import ConfigError, StoreError
from headbench.guard.pins import Pins
from headbench.guard.stored_results import Fault
from headbench.guard.yaml_forms import Frozen, read_form
from headbench.nouns import Record
from headbench.reference.shipped import LATEST
from headbench.results.cell import Cell
from headbench.results.collection import Collection
from headbench.results.disk import told, write_atomic
from headbench.results.run_list import FILE_NAME
from headbench.results.schema import Result
from headbench.results.stated_facts import SLACK
from headbench.results.timing import FILE as TIMING
from headbench.running.spec import RunSpec

RUNS = "runs.yaml"
FOLDER = "golden"
OLD_FOLDER = "held"
"""What the folder was called before; it is read where the new one is absent."""
ARRAY_SLACK = (2e-3, 1e-5)
"""Relative and absolute difference of stored arrays: two steps of half precision."""
AGAIN = "headbench guard --golden makes it again"

Key = tuple[str, str, str]
"""Model, task and condition of a cell."""
Golden = Mapping[Key, Cell]
"""The golden cells."""


class Runs(Frozen):
    """``runs.yaml``."""

    flips: float = Field(default=0.05, ge=0, lt=1)
    """Share of a cell's documents that may answer otherwise; one document always may."""
    runs: tuple[RunSpec, ...] = Field(min_length=1)
    """What to run, with the keys of a run's spec."""


def read_runs(results: Path) -> Runs:
    """The runs whose cells are golden.

    Raises:
        DataError: There is no such file, or it is not of this form.
    """
    hint = "docs/rescoring.md says how to keep golden measurements"
    return read_form(results / "measured" / RUNS, Runs, "a list of golden runs", hint)


def make_golden(results: Path) -> tuple[Path, ...]:
    """Run everything, and put the cells in the place of the golden ones of before.

    Args:
        results: Holds ``measured``.

    Returns:
        The result files written.

    Raises:
        HeadbenchError: A run failed, or two runs give one cell; what was there is then untouched.
    """
    runs = read_runs(results).runs
    folder = results / "measured" / FOLDER
    with tempfile.TemporaryDirectory(prefix="headbench-golden-") as scratch:
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
    kept = {folder / name for name in made}
    for old in (folder, results / "measured" / OLD_FOLDER):
        for path in sorted(old.rglob("*")):
            if path.is_file() and path not in kept:
                with told("cannot remove what is no longer golden", path):
                    path.unlink()
    written = (path for path in kept if path.suffix == ".json")
    return tuple(sorted(path for path in written if not FILE_NAME.fullmatch(path.name)))


def remeasure(results: Path) -> tuple[int, list[Fault]]:
    """Make every golden cell again, and compare.

    Args:
        results: Holds ``measured``.

    Returns:
        How many cells were made again, and what does not hold.

    Raises:
        HeadbenchError: A run failed.
    """
    runs, golden = read_runs(results), read_golden(results)
    faults: list[Fault] = []
    made: set[Key] = set()
    for spec in runs.runs:
        again, found = check_run(spec, golden, runs.flips)
        made |= again
        faults += found
    faults += [
        Fault(_path(cell), f"none of the runs gives this cell any more: {AGAIN}")
        for key, cell in golden.items()
        if key not in made
    ]
    return len(made), faults


def golden_folder(results: Path) -> Path:
    """The folder of golden cells; the one of its earlier name where only that is there."""
    folder, earlier = results / "measured" / FOLDER, results / "measured" / OLD_FOLDER
    return earlier if earlier.is_dir() and not folder.is_dir() else folder


def read_golden(results: Path) -> Golden:
    """Every golden cell.

    Raises:
        StoreError: A file is damaged, two files hold one cell, or there is none.
    """
    folder = golden_folder(results)
    golden: dict[Key, Cell] = {}
    found = Collection([folder], check=False) if folder.is_dir() else None
    for broken in found.not_shown if found else ():
        raise StoreError(broken.reason, where=str(broken.path), hint=AGAIN)
    for cell in found.cells if found else ():
        key = _key(cell.result)
        if key in golden:
            raise StoreError(
                f"two files hold one cell: {' / '.join(key)}",
                where=f"{golden[key].path} and {cell.path}",
                hint="remove the one that is no longer golden",
            )
        golden[key] = cell
    if not golden:
        raise StoreError("there are no golden measurements", where=str(folder), hint=AGAIN)
    return golden


def check_run(spec: RunSpec, golden: Golden, flips: float) -> tuple[set[Key], list[Fault]]:
    """Run one spec in a folder of its own, and compare its cells with the golden ones.

    Args:
        spec: A run; with a smaller ``limit`` than the golden one, fewer documents are compared.
        golden: As :func:`read_golden` gives them.
        flips: Share of documents that may answer otherwise.

    Returns:
        The cells that were made, and what does not hold.
    """
    with tempfile.TemporaryDirectory(prefix="headbench-again-") as scratch:
        made = _run(spec, Path(scratch))
    faults = []
    for key, cell in made.items():
        if key in golden:
            path = _path(golden[key])
            faults += [Fault(path, reason) for reason in deviations(golden[key], cell, flips)]
        else:
            faults.append(Fault(Path(*key), f"this cell is not among the golden ones: {AGAIN}"))
    return set(made), faults


def deviations(golden: Cell, again: Cell, flips: float) -> Iterator[str]:
    """In what a cell made again differs from the golden one.

    Args:
        golden: The cell in the repository.
        again: The cell made now, over the same documents or some of them.
        flips: Share of documents that may answer otherwise; one always may.
    """
    yield from _facts(golden.result, again.result)
    before = {record.document: record for record in golden.records}
    pairs = [(before.get(record.document), record) for record in again.records]
    unknown = [now.document for was, now in pairs if was is None]
    if unknown:
        yield f"{len(unknown)} documents are not among the golden ones, e.g. {unknown[0]}"
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


def check_golden(results: Path, pinned: Pins) -> list[Fault]:
    """Find golden cells of a task or a reference model that has moved on; nothing is run.

    Args:
        results: Holds ``measured``.
        pinned: Version and prompt hash of every task.
    """
    folder = golden_folder(results)
    # What is broken is a fault of the stored results, which are checked beside these.
    cells = Collection([folder], check=False).cells if folder.is_dir() else ()
    return [
        Fault(_path(cell), f"{reason}: {AGAIN}")
        for cell in cells
        for reason in _outdated(cell.result, pinned)
    ]


def _outdated(result: Result, pinned: Pins) -> Iterator[str]:
    pin = pinned.get(result.task.name)
    if pin and pin != {"version": result.task.version, "prompt": result.task.prompt_hash}:
        yield f"measured under version {result.task.version} of its task, now {pin['version']}"
    latest = LATEST.get(result.model.adapter)
    if latest not in (None, result.model.name):
        yield f"measured for {result.model.name}, but {result.model.adapter} is now {latest}"


def _run(spec: RunSpec, out: Path) -> dict[Key, Cell]:
    from headbench.running.execute import execute

    return {_key(cell.result): cell for cell in execute(spec, out).run.cells}


def _path(cell: Cell) -> Path:
    return cell.path or Path(*_key(cell.result))


def _key(result: Result) -> Key:
    return (result.model.name, result.task.name, result.arm.name)


def _refuse_twice(keys: set[Key], results: Path) -> None:
    if keys:
        raise ConfigError(
            f"two runs give one cell: {' / '.join(min(keys))}",
            where=str(results / "measured" / RUNS),
            hint="leave the task, the intervention or the model out of one of them",
        )


def _files(folder: Path) -> dict[Path, bytes]:
    """Every file of a run but its timing, by path below the folder."""
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != TIMING
    }


def _facts(golden: Result, again: Result) -> Iterator[str]:
    """Facts without which two cells are not the same measurement."""
    told = {
        "version": (golden.task.version, again.task.version),
        "prompt": (golden.task.prompt_hash, again.task.prompt_hash),
        "scorer": (golden.task.scorer, again.task.scorer),
        "parser": (golden.task.parser, again.task.parser),
        "weights": (golden.model.identity.get("weights"), again.model.identity.get("weights")),
        "arm": (golden.arm.canonical, again.arm.canonical),
        "status": (golden.status, again.status),
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
