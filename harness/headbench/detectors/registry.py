"""The table of detectors: names first, modules only when a detector is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from headbench.errors import ConfigError, nearest

if TYPE_CHECKING:
    from headbench.detectors.base import Detector

SHIPPED: Mapping[str, tuple[str, str]] = {
    "retrieval": ("copies tokens of the needle while the answer is produced", "arXiv 2404.15574"),
    "evidence": ("looks from the question at the evidence, text or image", "arXiv 2605.27243"),
    "vhd": ("its output moves when the image is taken away", "arXiv 2412.13949"),
    "image_centric": ("looks at the image, and past its attention sinks", "arXiv 2503.03321"),
    "attribution": ("writes towards the answer's logit, directly", "own"),
    "masking_loss": ("the answer's loss rises when the head is masked", "arXiv 2505.07293"),
    "distance": ("how far back it looks, within a window", "arXiv 2510.13554"),
    "future_influence": ("later rows keep one token in view", "arXiv 2510.13554"),
    "gaze": ("looks where people looked, in a text or a picture", "own, after arXiv 2606.14703"),
}
"""Name -> (what a high score says of a head, source). The module has the detector's name."""


def names() -> tuple[str, ...]:
    """Every detector, sorted."""
    return tuple(sorted(SHIPPED))


def rows() -> list[dict[str, str]]:
    """Every detector with its summary and source, for listing."""
    return [
        {"name": name, "summary": SHIPPED[name][0], "source": SHIPPED[name][1]} for name in names()
    ]


def get(name: str) -> Detector:
    """Import a detector.

    Raises:
        ConfigError: There is none of that name.
    """
    if name not in SHIPPED:
        raise ConfigError(
            f"there is no detector {name!r}",
            where=f"--detector {name}",
            mend=nearest(name, SHIPPED),
        )
    found: Detector = importlib.import_module(f"headbench.detectors.{name}").DETECTOR
    return found
