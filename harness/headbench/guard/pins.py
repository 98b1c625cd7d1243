"""Pinned prompts: a task that is edited must also get a new version.

A figure belongs to a prompt. ``results/pins/prompts.json`` holds version and prompt hash of every
task as they were when the figures of the repository were made; the same version with another hash
fails, a new version asks to be pinned.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from headbench._json import strict_json
from headbench._reading import read_file
from headbench.errors import DataError, HeadbenchError
from headbench.results.disk import write_atomic
from headbench.tasks.index import build_index
from headbench.tasks.loader import load

Pins = dict[str, dict[str, str]]
"""Task -> ``version`` and ``prompt``."""


@dataclass(frozen=True)
class Pin:
    """What became of one pinned task.

    Attributes:
        task: Its name.
        status: ``holds``; ``edited``: another prompt under the same version; ``new version``;
            ``unpinned``; ``gone``; ``unreadable``.
        reason: In words, for what does not hold.
    """

    task: str
    status: Literal["holds", "edited", "new version", "unpinned", "gone", "unreadable"]
    reason: str = ""

    @property
    def fails(self) -> bool:
        """An edited, a vanished and an unreadable task fail a build; the others are notes."""
        return self.status in ("edited", "gone", "unreadable")


def current(include: Sequence[Path] = ()) -> tuple[Pins, dict[str, str]]:
    """Version and prompt hash of every task there is.

    Args:
        include: Further folders of tasks.

    Returns:
        The pins, and the tasks that could not be loaded with the reason.
    """
    index = build_index(include)
    pins: Pins = {}
    broken: dict[str, str] = {}
    for name, entry in sorted(index.entries.items()):
        if entry.kind != "task":
            continue
        try:
            task = load(name, index=index)
        except HeadbenchError as error:
            broken[name] = str(error)
        else:
            pins[name] = {"version": task.version, "prompt": task.prompt_hash}
    return pins, broken


def check_pins(pinned: Mapping[str, Mapping[str, str]], include: Sequence[Path] = ()) -> list[Pin]:
    """Compare the tasks with their pins.

    Args:
        pinned: As :func:`read_pins` gives them.
        include: Further folders of tasks.
    """
    found, broken = current(include)
    pins = [Pin(name, "unreadable", reason) for name, reason in broken.items()]
    for name in sorted({*pinned, *found} - set(broken)):
        pins.append(_pin(name, pinned.get(name), found.get(name)))
    return pins


def _pin(name: str, old: Mapping[str, str] | None, new: Mapping[str, str] | None) -> Pin:
    if new is None:
        return Pin(name, "gone", "the task is pinned, and is no longer there")
    if old is None:
        return Pin(name, "unpinned", "headbench guard --pin writes it down")
    if old["version"] != new["version"]:
        change = f"version {old['version']} became {new['version']}"
        return Pin(name, "new version", f"{change}: headbench guard --pin writes it down")
    if old["prompt"] != new["prompt"]:
        return Pin(
            name,
            "edited",
            f"its prompts changed under version {new['version']}: raise metadata.version",
        )
    return Pin(name, "holds")


def read_pins(path: Path) -> Pins:
    """Read the pin file.

    Raises:
        DataError: It is missing, or not of this form.
    """
    try:
        content = read_file(path, "the pins", hint="headbench guard --pin writes the file")
        loaded = strict_json(content.decode())
    except ValueError as error:
        raise DataError(f"the pins are not JSON: {error}", where=str(path)) from error
    entries = loaded.items() if isinstance(loaded, dict) else ()
    good = all(isinstance(pin, dict) and set(pin) == {"version", "prompt"} for _, pin in entries)
    if not isinstance(loaded, dict) or not good:
        raise DataError("the pins must map tasks to version and prompt", where=str(path))
    return loaded


def write_pins(path: Path, pins: Pins) -> None:
    """Write the pin file, sorted, so that a change shows in a diff.

    Raises:
        StoreError: It cannot be written.
    """
    write_atomic(path, f"{json.dumps(pins, indent=1, sort_keys=True)}\n".encode())
