"""The catalogue of detectors: names first, modules only when a detector is used."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from headbench._catalogue import Catalogue, Found
from headbench._code import Code, of_things

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


def _load(name: str) -> Found[Detector]:
    module = f"{__package__}.{name}"
    return Found(importlib.import_module(module).DETECTOR, module, module)


def _wanted() -> type[Detector]:
    from headbench.detectors.detector import Detector  # imports torch

    return Detector


DETECTORS = Catalogue(
    "detector",
    "headbench.detectors",
    wanted=_wanted,
    shipped=lambda: SHIPPED,
    load=_load,
    option="--detector",
)
accept = DETECTORS.accept
names = DETECTORS.names


def rows() -> list[dict[str, str]]:
    """Every detector with its summary and source, for listing; nothing is imported."""
    every = {name: ("", f"from {place}") for name, place in DETECTORS.offered.items()}
    every |= {name: (one.thing.summary, "") for name, one in DETECTORS.added.items()}
    every |= SHIPPED
    return [{"name": name, "summary": every[name][0], "source": every[name][1]} for name in names()]


def get(name: str) -> Detector:
    """Import a detector.

    Raises:
        ConfigError: There is none of that name, two packages claim it, or its package is broken.
    """
    return DETECTORS.get(name).thing


def code_of(name: str) -> Code:
    """The code of a detector that is not headbench's own; nothing of a shipped one."""
    return DETECTORS.get(name).code


def register(detector: Detector, code: Code | None = None) -> Detector:
    """Add a detector from Python; a later one of the same name takes the place of an earlier one.

    Args:
        detector: What to add.
        code: Its code; by default that of the modules which define its function and parameters.

    Raises:
        ConfigError: headbench or an installed package has a detector of that name.
    """
    code = code or of_things(detector.run, detector.params_model)
    DETECTORS.register(detector, detector.name, code)
    return detector
