"""The catalogue of detectors: names first, modules only when a detector is used."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING

from headbench._code import Code, of_entry_point, of_things
from headbench._extensions import wrong_type
from headbench._include import Loaded
from headbench._plugins import entry_points
from headbench.errors import ConfigError, nearest

if TYPE_CHECKING:
    from headbench.detectors.detector import Detector

SHIPPED: Mapping[str, tuple[str, str]] = {
    "retrieval": ("copies tokens of the needle while the answer is produced", "arXiv 2404.15574"),
    "evidence": ("looks from the question at the evidence, text or image", "arXiv 2605.27243"),
    "vhd": ("its output changes when the image is removed", "arXiv 2412.13949"),
    "image_centric": ("attends to the image, outside its attention sinks", "arXiv 2503.03321"),
    "attribution": ("writes towards the answer's logit, directly", "own"),
    "masking_loss": ("the answer's loss rises when the head is masked", "arXiv 2505.07293"),
    "distance": ("how far back it looks, within a window", "arXiv 2510.13554"),
    "future_influence": ("later rows keep attending to one token", "arXiv 2510.13554"),
    "rsa": ("arranges concepts, or your stimuli, as a target does", "Kriegeskorte et al. 2008"),
    "mknn": ("has a target's nearest neighbours", "arXiv 2405.07987, 2606.23885"),
    "localiser": ("responds more to one list of texts than to another", "arXiv 2406.15109"),
    "gaze": ("looks where people looked, in a text or a picture", "own, after arXiv 2606.14703"),
}
"""Name -> (what a high score says of a head, source). The module has the detector's name."""


_added: dict[str, tuple[Detector, Code]] = {}
"""Detectors of user's files and of :func:`register`, with their code."""


def names() -> tuple[str, ...]:
    """Every detector, sorted."""
    return tuple(sorted({*SHIPPED, *_installed(), *_added}))


def rows() -> list[dict[str, str]]:
    """Every detector with its summary and source, for listing."""
    others = {name: ("", f"from {point.value}") for name, point in _installed().items()}
    added = {name: (one.summary, "") for name, (one, _) in _added.items()}
    every = others | added | dict(SHIPPED)
    return [{"name": name, "summary": every[name][0], "source": every[name][1]} for name in names()]


def get(name: str) -> Detector:
    """Import a detector.

    Raises:
        ConfigError: There is none of that name.
    """
    if name in SHIPPED:
        found: Detector = importlib.import_module(f"headbench.detectors.{name}").DETECTOR
        return found
    if name in _added:
        return _added[name][0]
    if name not in _installed():
        raise ConfigError(
            f"there is no detector {name!r}",
            where=f"--detector {name}",
            hint=nearest(name, names()),
        )
    installed: Detector = _installed()[name].load()
    return installed


def code_of(name: str) -> Code:
    """The code of a detector that is not headbench's own; nothing of a shipped one."""
    get(name)
    if name in SHIPPED:
        return Code()
    return _added[name][1] if name in _added else of_entry_point(_installed()[name])


def register(detector: Detector, code: Code | None = None) -> Detector:
    """Add a detector from Python; a later one of the same name takes the place of an earlier one.

    Args:
        detector: What to add.
        code: Its code; by default that of the modules which define its function and parameters.

    Raises:
        ConfigError: headbench has a detector of that name.
    """
    if detector.name in SHIPPED:
        raise ConfigError(
            f"headbench has a detector {detector.name!r} already",
            hint="give it a name of its own, so that head maps do not confuse the two",
        )
    _added[detector.name] = (detector, code or of_things(detector.run, detector.params_model))
    return detector


def accept(thing: object, loaded: Loaded, path: Path) -> str:
    """Register the detector of a user's file; see :func:`headbench._extensions.include`.

    Raises:
        ConfigError: It is no detector, or headbench has one of its name.
    """
    from headbench.detectors.detector import Detector

    if not isinstance(thing, Detector):
        raise wrong_type(thing, "DETECTOR", "Detector", path)
    register(thing, loaded.code)
    return f"the detector {thing.name!r}"


def _installed() -> Mapping[str, EntryPoint]:
    """Entry points of the group ``headbench.detectors``; shipped names cannot be taken over."""
    return {point.name: point for point in entry_points(group="headbench.detectors")}
