"""What you build extensions with: every public name that the pages below ``docs/extending`` use.

    from headbench.extend import Edit, HeadChoice, HeadMethod, Method, Scale

Import from here and from :mod:`headbench` only: the modules behind these names may move. A name is
imported when it is first used, so a file that imports from here loads neither torch nor
transformers.

A file adds what it sets at its top level: ``METHOD`` (an intervention), ``FAMILY``, ``ADAPTER`` or
``DETECTOR``. Give it to any verb with ``--include``; in a notebook, use :func:`register`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headbench.detectors.detector import (
        Detector,
        DetectorParams,
        Marks,
        Measurement,
        Trial,
        Trials,
        attending_layers,
        engine_of,
    )
    from headbench.detectors.prompt_captures import answers, represent
    from headbench.edits import (
        Bias,
        Branch,
        Case,
        Columns,
        Controls,
        Edit,
        Mix,
        Offset,
        Plan,
        Probe,
        Rewrite,
        Scale,
        View,
        Visible,
        ZeroDims,
    )
    from headbench.errors import ConfigError, DataError, RefusedError
    from headbench.interventions.head_choice import AnyHeads, HeadChoice
    from headbench.interventions.image_methods import ImageBoost, ImageMethod, image_keys
    from headbench.interventions.layer_ranges import all_heads
    from headbench.interventions.method import BoundMethod, HeadMethod, RedrawnMethod
    from headbench.interventions.method_catalogue import Method, MethodParams
    from headbench.interventions.rewriting import RewritingMethod, with_images
    from headbench.interventions.vector_files import GivenVectors, VectorMethod, locate
    from headbench.jobs import Job
    from headbench.models.adapter_catalogue import Adapter
    from headbench.models.base_model import BaseModel
    from headbench.models.hf.adapter import wrap
    from headbench.nouns import (
        Answer,
        Capture,
        CapturedArrays,
        Document,
        ModelInfo,
        Record,
        Request,
        ScoredText,
    )
    from headbench.results.fields import LogFormat
    from headbench.results.recipe import Recipe
    from headbench.results.rescorer import LogReading, RescoreOptions, Rescorer
    from headbench.scoring.family import Family
    from headbench.scoring.parser import Parser
    from headbench.scoring.rank_metrics import auroc, spearman
    from headbench.scoring.scorer import AskedStep, Scorer, refuse_unknown
    from headbench.statistics.metric import SampleStatistic, SumMetric, Weighted, ratio
    from headbench.tasks.data.source import DataRow, DataSpec

_NAMES: dict[str, tuple[str, ...]] = {
    # interventions
    "headbench.interventions.method_catalogue": ("Method", "MethodParams"),
    "headbench.interventions.method": ("BoundMethod", "HeadMethod", "RedrawnMethod"),
    "headbench.interventions.head_choice": ("AnyHeads", "HeadChoice"),
    "headbench.interventions.image_methods": ("ImageBoost", "ImageMethod", "image_keys"),
    "headbench.interventions.layer_ranges": ("all_heads",),
    "headbench.interventions.rewriting": ("RewritingMethod", "with_images"),
    "headbench.interventions.vector_files": ("GivenVectors", "VectorMethod", "locate"),
    "headbench.edits": (
        "Bias",
        "Branch",
        "Case",
        "Columns",
        "Controls",
        "Edit",
        "Mix",
        "Offset",
        "Plan",
        "Probe",
        "Rewrite",
        "Scale",
        "View",
        "Visible",
        "ZeroDims",
    ),
    # detectors
    "headbench.detectors.detector": (
        "Detector",
        "DetectorParams",
        "Marks",
        "Measurement",
        "Trial",
        "Trials",
        "attending_layers",
        "engine_of",
    ),
    "headbench.detectors.prompt_captures": ("answers", "represent"),
    # adapters
    "headbench.models.adapter_catalogue": ("Adapter",),
    "headbench.models.base_model": ("BaseModel",),
    "headbench.models.hf.adapter": ("wrap",),
    # families: parsers, scorers, metrics, data sources, recorded outputs
    "headbench.scoring.family": ("Family",),
    "headbench.scoring.parser": ("Parser",),
    "headbench.scoring.scorer": ("AskedStep", "Scorer", "refuse_unknown"),
    "headbench.statistics.metric": ("SampleStatistic", "SumMetric", "Weighted", "ratio"),
    "headbench.scoring.rank_metrics": ("auroc", "spearman"),
    "headbench.tasks.data.source": ("DataRow", "DataSpec"),
    "headbench.results.rescorer": ("LogReading", "RescoreOptions", "Rescorer"),
    "headbench.results.fields": ("LogFormat",),
    "headbench.results.recipe": ("Recipe",),
    # what all of them speak of
    "headbench.nouns": (
        "Answer",
        "Capture",
        "CapturedArrays",
        "Document",
        "ModelInfo",
        "Record",
        "Request",
        "ScoredText",
    ),
    "headbench.jobs": ("Job",),
    "headbench.errors": ("ConfigError", "DataError", "RefusedError"),
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names}


def register(extension: Method | Adapter | Detector | Family) -> None:
    """Add an extension from Python, for this process; a file is added with ``include=`` instead.

    A later extension of the same kind and name takes the place of an earlier one.

    Args:
        extension: What to add.

    Raises:
        ConfigError: It is of no such kind, or its name is headbench's own.
    """
    from headbench._extensions import CATALOGUES
    from headbench.errors import ConfigError

    kind = type(extension).__name__
    module = CATALOGUES.get(kind.upper())  # a file sets the name of the class in capitals
    if module is None:
        known = ", ".join(name.title() for name in CATALOGUES if name != "METHODS")
        raise ConfigError(f"a {kind} is no extension", hint=f"register one of {known}")
    importlib.import_module(module).register(extension)


def __getattr__(name: str) -> object:
    """Import a name when it is first used."""
    if name in _HOMES:
        found = getattr(importlib.import_module(_HOMES[name]), name)
        globals()[name] = found
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


__all__ = [
    "Adapter",
    "Answer",
    "AnyHeads",
    "AskedStep",
    "BaseModel",
    "Bias",
    "BoundMethod",
    "Branch",
    "Capture",
    "CapturedArrays",
    "Case",
    "Columns",
    "ConfigError",
    "Controls",
    "DataError",
    "DataRow",
    "DataSpec",
    "Detector",
    "DetectorParams",
    "Document",
    "Edit",
    "Family",
    "GivenVectors",
    "HeadChoice",
    "HeadMethod",
    "ImageBoost",
    "ImageMethod",
    "Job",
    "LogFormat",
    "LogReading",
    "Marks",
    "Measurement",
    "Method",
    "MethodParams",
    "Mix",
    "ModelInfo",
    "Offset",
    "Parser",
    "Plan",
    "Probe",
    "Recipe",
    "Record",
    "RedrawnMethod",
    "RefusedError",
    "Request",
    "RescoreOptions",
    "Rescorer",
    "Rewrite",
    "RewritingMethod",
    "SampleStatistic",
    "Scale",
    "ScoredText",
    "Scorer",
    "SumMetric",
    "Trial",
    "Trials",
    "VectorMethod",
    "View",
    "Visible",
    "Weighted",
    "ZeroDims",
    "all_heads",
    "answers",
    "attending_layers",
    "auroc",
    "engine_of",
    "image_keys",
    "locate",
    "ratio",
    "refuse_unknown",
    "register",
    "represent",
    "spearman",
    "with_images",
    "wrap",
]
