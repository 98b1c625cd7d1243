"""Which cells a run made, in a file beside them: its table can then be made from files alone.

A later run that shares cells with an earlier one writes the same files again, with its own spec in
them. The list of the earlier run still names those cells by id, so its family of tests, and with it
every adjusted p, stays what it was. ``<out>/measured/<model>/run-<digest12>.json``::

    {"format": "headbench-run", "version": 1, "digest": ..., "model": ..., "spec": {...},
     "cells": [{"task": ..., "arm": ..., "id": ..., "controls": {...}}, ...]}

The cells stand in the order in which the run's table shows them. ``controls`` says what this run
drew: another run of the same intervention may have drawn others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from headbench._json import strict_json
from headbench.errors import StoreError
from headbench.results.bounds import controls_out_of_bounds
from headbench.results.disk import read_bytes, write_atomic
from headbench.results.schema import ControlFacts, Frozen, Result

FILE_NAME = re.compile(r"run-[0-9a-f]{12}\.json")
"""Result files end in eight digits of their id, so none of them has this name."""


class ListedCell(Frozen):
    """A cell, by the id that its result file states."""

    task: str
    arm: str
    id: str
    controls: ControlFacts | None = None
    """For an intervention: its controls in this run."""


class RunList(Frozen):
    """The cells of one run."""

    format: Literal["headbench-run"] = "headbench-run"
    version: Literal[1] = 1
    digest: str
    """Digest of the spec."""
    model: str
    """Display name of the model."""
    spec: dict[str, object]
    """The ``RunSpec``, with the model that was taken."""
    cells: tuple[ListedCell, ...]
    """In the order of the run's table."""


def write_run_list(
    folder: Path, digest: str, model: str, spec: Mapping[str, object], results: Sequence[Result]
) -> Path:
    """Write the list of a run's cells; the same run gives the same bytes.

    Args:
        folder: ``<out>/measured/<model>``.
        digest: Digest of the spec; a list of the same run is replaced.
        model: Display name of the model.
        spec: The spec as JSON values.
        results: Every cell's result, in the order of the run's table.

    Raises:
        StoreError: the file cannot be written.
    """
    listed = RunList(
        digest=digest,
        model=model,
        spec=dict(spec),
        cells=tuple(
            ListedCell(task=r.task.name, arm=r.arm.name, id=r.id, controls=r.arm.controls)
            for r in results
        ),
    )
    path = folder / f"run-{digest[:12]}.json"
    text = json.dumps(listed.model_dump(mode="json"), sort_keys=True, indent=1, ensure_ascii=False)
    write_atomic(path, f"{text}\n".encode())
    return path


def read_run_list(path: Path) -> RunList:
    """Read the list of a run's cells.

    Raises:
        StoreError: the file is missing or damaged, or of another version.
    """
    raw = read_bytes(path, "the list of a run")
    try:
        found = RunList.model_validate(strict_json(raw.decode()))
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(str(part) for part in fault["loc"])
        raise StoreError(
            f"not the list of a run: {place}: {fault['msg']}", where=str(path)
        ) from error
    except ValueError as error:
        raise StoreError(f"not a JSON file: {error}", where=str(path)) from error
    for cell in found.cells:
        if cell.controls and (wrong := [*controls_out_of_bounds(cell.controls)]):
            raise StoreError(f"not the list of a run: {cell.id[:12]}: {wrong[0]}", where=str(path))
    return found
