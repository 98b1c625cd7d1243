"""Which reference models ship, and whether their files are what was shipped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from headbench._paths import checkpoints_root
from headbench.errors import ConfigError, DataError, nearest

PINS = "pins.json"
LATEST: Mapping[str, str] = {"ref-lm": "ref-lm-v1", "ref-vlm": "ref-vlm-v2"}
"""Short name -> the version it stands for. A model is never changed in place."""


class Retired(NamedTuple):
    """A model that shipped once.

    Attributes:
        successor: What took its place.
        since: First release without it.
    """

    successor: str
    since: str


RETIRED: Mapping[str, Retired] = {"ref-vlm-v1": Retired("ref-vlm-v2", "0.1.0")}


def checkpoint(name: str, root: Path | None = None) -> Path:
    """The folder of a reference model, after checking every file against its pin.

    Args:
        name: ``ref-lm``, ``ref-vlm``, or a full version such as ``ref-lm-v1``.
        root: Folder of all checkpoints; the package's own by default.

    Raises:
        ConfigError: no such reference model, or one that no longer ships.
        DataError: the checkpoint is absent, or not the pinned one.
    """
    root = root or checkpoints_root()
    folder = root / LATEST.get(name, name)
    pins = read_pins(root)
    if folder.name not in pins:
        raise _unknown(name, root, pins)
    wrong = changed_files(folder, pins[folder.name])
    if wrong:
        raise DataError(
            f"the reference model {folder.name} is not the one that was shipped",
            where=f"{folder}: {', '.join(wrong[:4])}",
            hint="reinstall headbench; for an own checkpoint use --model hf --model-args "
            f"pretrained={folder}",
        )
    return folder


def _unknown(name: str, root: Path, pins: Mapping[str, Mapping[str, str]]) -> ConfigError:
    """Why there is no model of this name: retired, or never heard of."""
    if name in RETIRED:
        successor, since = RETIRED[name]
        return ConfigError(
            f"the reference model {name} no longer ships",
            where=f"name={name}",
            hint=f"{successor} took its place in headbench {since}: use name={successor}",
        )
    known = {*pins, *(short for short, full in LATEST.items() if full in pins)}
    return ConfigError(
        f"no reference model is called {name!r}", where=str(root), hint=nearest(name, known)
    )


def read_pins(root: Path) -> Mapping[str, Mapping[str, str]]:
    """Model -> file name -> SHA-256.

    Raises:
        DataError: the pins are missing or unreadable.
    """
    path = root / PINS
    try:
        pins: Mapping[str, Mapping[str, str]] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            "the pins of the reference models cannot be read",
            where=str(path),
            hint="reinstall headbench",
        ) from error
    return pins


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a folder, by name; of an absent folder nothing."""
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.is_file()
    }


def changed_files(folder: Path, pinned: Mapping[str, str]) -> list[str]:
    """Names of files that are missing, new, or differ from their pin."""
    present = digests(folder)
    names = pinned.keys() | present.keys()
    return sorted(name for name in names if pinned.get(name) != present.get(name))
