"""The strength that a method takes where none is written, and where that strength comes from.

``calibrated_strengths.json`` holds what was chosen on calibration scenes, per model; ``python -m
training.strengths`` writes it. Every other model takes the value of the method's paper, and the run
says whether the paper names the model's family. The file knows a model by its shape, so that it has
one default however its weights are loaded.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from headbench.edits import Intervention
from headbench.interventions.grammar import print_value
from headbench.nouns import ModelInfo

CALIBRATED = Path(__file__).parent / "calibrated_strengths.json"


@dataclass(frozen=True)
class DefaultStrength:
    """A strength that nobody wrote.

    Attributes:
        parameter: Name of the strength, e.g. ``alpha``.
        value: The strength.
        origin: Where it comes from.
        reason: The same in words.
    """

    parameter: str
    value: float
    origin: Literal["calibrated", "paper", "carried over"]
    reason: str

    def __str__(self) -> str:
        return f"{self.parameter}={print_value(self.value)}, {self.reason}"


@dataclass(frozen=True)
class PaperStrength:
    """What the source of a method uses.

    Attributes:
        parameter: Name of the strength.
        families: Model family (``model_type``) -> strength in the source.
        other: Strength for families that the source does not name.
        source: Where the values stand.
    """

    parameter: str
    families: Mapping[str, float]
    other: float
    source: str


def strength(
    written: float | None,
    method: str,
    paper: PaperStrength,
    info: ModelInfo,
    *,
    calibrated: bool = True,
) -> tuple[float, DefaultStrength | None]:
    """The strength to use, and the default that it is where none was written.

    Args:
        written: What the intervention's text says.
        method: Name of the method.
        paper: What its source uses.
        info: The model.
        calibrated: See :func:`default_strength`.
    """
    if written is not None:
        return written, None
    found = default_strength(method, paper, info, calibrated=calibrated)
    return found.value, found


def default_strength(
    method: str, paper: PaperStrength, info: ModelInfo, *, calibrated: bool = True
) -> DefaultStrength:
    """The default of a method on a model.

    Args:
        method: Name of the method.
        paper: What its source uses.
        info: The model.
        calibrated: Whether strengths that were chosen here apply; they were chosen with the
            method's other parameters at their defaults.
    """
    found = _calibrated_for(method, info) if calibrated else None
    if found is not None:
        model, value = found
        reason = f"the default, chosen on calibration scenes of {model}"
        return DefaultStrength(paper.parameter, value, "calibrated", reason)
    if info.family in paper.families:
        value = paper.families[info.family]
        reason = f"the default: {paper.source} for {info.family}"
        return DefaultStrength(paper.parameter, value, "paper", reason)
    named = ", ".join(sorted(paper.families))
    reason = (
        f"carried over: {info.family or 'this family'} has no default of its own; "
        f"{paper.source} is for {named}"
    )
    return DefaultStrength(paper.parameter, paper.other, "carried over", reason)


def defaults_of(method: str, paper: PaperStrength) -> list[str]:
    """Every default of a method's strength, in words: chosen here, of the source, and elsewhere."""
    name = paper.parameter
    lines = [
        f"{name}={print_value(float(model['methods'][method]['chosen']))} on {model['name']}: "
        "chosen on calibration scenes"
        for model in calibrated_strengths()["models"]
        if method in model["methods"]
    ]
    values: dict[float, list[str]] = {}
    for family, value in paper.families.items():
        values.setdefault(value, []).append(family)
    lines += [
        f"{name}={print_value(value)} on {', '.join(families)}: {paper.source}"
        for value, families in values.items()
    ]
    return [*lines, f"{name}={print_value(paper.other)} elsewhere: carried over"]


def assumed_strengths(interventions: Iterable[Intervention]) -> dict[str, str]:
    """Method -> the default strength that it took, in words; written strengths are left out."""
    found = ((part, getattr(part, "assumed", None)) for part in interventions)
    return {part.name: str(assumed) for part, assumed in found if assumed and hasattr(part, "name")}


def _calibrated_for(method: str, info: ModelInfo) -> tuple[str, float] | None:
    """Name of the calibrated model of this shape, and the strength chosen on it."""
    shape = (info.family, info.layers, info.heads, info.head_dim)
    for model in calibrated_strengths()["models"]:
        known = tuple(model[key] for key in ("family", "layers", "heads", "head_dim"))
        if known == shape and method in model["methods"]:
            return model["name"], float(model["methods"][method]["chosen"])
    return None


@cache
def calibrated_strengths() -> Mapping[str, Any]:
    """The file of chosen strengths: per model its scenes, bounds and every candidate."""
    content: Mapping[str, Any] = json.loads(CALIBRATED.read_text(encoding="utf-8"))
    return content
