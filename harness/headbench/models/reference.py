"""The shipped reference models: ``hf`` on checkpoints that are pinned by hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from headbench._paths import checkpoints_root
from headbench.errors import ConfigError, DataError, nearest

if TYPE_CHECKING:
    from headbench.models.hf.adapter import HFModel

PINS = "pins.json"
LATEST: Mapping[str, str] = {"ref-lm": "ref-lm-v1", "ref-vlm": "ref-vlm-v2"}
"""Short name -> the version it stands for. A model is never changed in place."""


def create(args: Mapping[str, str]) -> HFModel:
    """Build a reference model from ``--model-args``; ``name`` says which.

    Weights are stored in fp16 and run in fp32 unless ``dtype`` says otherwise. They answer with one
    thread unless ``threads`` says otherwise: on models this small a second one gains nothing, and
    one gives the same bits whatever the number of processors.

    Raises:
        ConfigError: no such reference model.
        DataError: the checkpoint is absent, or not the pinned one.
    """
    from headbench.models.hf.adapter import create as create_hf

    name = args.get("name", "ref-lm")
    folder = checkpoint(name)
    settled = {"pretrained": str(folder), "name": folder.name}
    return create_hf({"dtype": "float32", "threads": "1", **args, **settled})


def create_lm(args: Mapping[str, str]) -> HFModel:
    """The shipped language model."""
    return create({"name": "ref-lm", **args})


def create_lm_v2(args: Mapping[str, str]) -> HFModel:
    """The shipped language model that also groups walls and labels messages."""
    return create({"name": "ref-lm-v2", **args})


def create_vlm(args: Mapping[str, str]) -> HFModel:
    """The shipped vision-language model."""
    return create({"name": "ref-vlm", **args})


def checkpoint(name: str, root: Path | None = None) -> Path:
    """The folder of a reference model, after checking every file against its pin.

    Args:
        name: ``ref-lm``, ``ref-vlm``, or a full version such as ``ref-lm-v1``.
        root: Folder of all checkpoints; the package's own by default.
    """
    root = root or checkpoints_root()
    folder = root / LATEST.get(name, name)
    pins = read_pins(root)
    if folder.name not in pins:
        known = {*pins, *(short for short, full in LATEST.items() if full in pins)}
        raise ConfigError(
            f"no reference model is called {name!r}",
            where=str(root),
            hint=nearest(name, known),
        )
    wrong = changed_files(folder, pins[folder.name])
    if wrong:
        raise DataError(
            f"the reference model {folder.name} is not the one that was shipped",
            where=f"{folder}: {', '.join(wrong[:4])}",
            hint="reinstall headbench; for an own checkpoint use --model hf --model-args "
            f"pretrained={folder}",
        )
    return folder


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


def changed_files(folder: Path, pinned: Mapping[str, str]) -> list[str]:
    """Names of files that are missing, new, or differ from their pin."""
    present = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (folder.iterdir() if folder.is_dir() else ())
        if path.is_file()
    }
    names = pinned.keys() | present.keys()
    return sorted(name for name in names if pinned.get(name) != present.get(name))
