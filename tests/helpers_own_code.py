"""Code of a user's own, of every kind, in an installed package and in a file."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from headbench import _code, _plugins
from headbench.detectors.detector_catalogue import DETECTORS
from headbench.interventions.method_catalogue import METHODS
from headbench.models.adapter_catalogue import ADAPTERS
from headbench.scoring import family
from headbench.scoring.lookup import CATALOGUES

KINDS = ("model", "intervention", "scorer", "parser", "metric", "detector")
OWN = {
    "model": """
import helpers_fake_model

class Own(helpers_fake_model.FakeModel):
    pass

def create(args):
    return Own(args)
""",
    "intervention": """
from dataclasses import dataclass
from headbench.interventions.method import HeadMethod
from headbench.interventions.head_choice import HeadChoice
from headbench.interventions.method_catalogue import Method
from headbench.edits import Edit, Scale

class OwnParams(HeadChoice):
    pass

@dataclass(frozen=True)
class Own(HeadMethod):
    def edits(self, case, seen):
        return (Edit("z", Scale(CONSTANT * inner(VALUE)), self.table),)

METHOD = Method(
    "own_halve", OwnParams, lambda params, info: Own.of("own_halve", params, info), "own", "own"
)
""",
    "scorer": """
from headbench.scoring.scorer import Scorer

def score(document, outputs, parser, options):
    return {"hit": inner(len(outputs[0]))}

SCORER = Scorer("own_scorer", 1, score, ("own.hits",), default_parser="own_parser")
""",
    "parser": """
from headbench.scoring.parser import Parser

PARSER = Parser("own_parser", 1, lambda text: text[inner(0):] or None, "own")
""",
    "metric": """
from headbench.statistics.metric import SumMetric, column

METRIC = SumMetric(
    "hits", ("hit",), lambda record: [record.parts["hit"]], lambda sums: column(sums, 0), True,
    unit="count", high=None,
)
""",
    "detector": """
from headbench.detectors.detector import Detector, DetectorParams, Measurement

class OwnParams(DetectorParams):
    pass

def run(model, trials, params):
    import torch

    return Measurement(torch.full((model.info.layers, model.info.heads), float(inner(CONSTANT))), 1)

DETECTOR = Detector("own_look", OwnParams, run, "needles", 1)
""",
}
HEAD = """from own_kit.{kind}_near import VALUE
CONSTANT = 1

def inner(x):
    return x + 1
"""
POINTS = """
[headbench.models]
own_model = own_kit.model:create
[headbench.interventions]
own_halve = own_kit.intervention:METHOD
[headbench.scorers]
own_scorer = own_kit.scorer:SCORER
[headbench.parsers]
own_parser = own_kit.parser:PARSER
[headbench.metrics]
own.hits = own_kit.metric:METRIC
[headbench.detectors]
own_look = own_kit.detector:DETECTOR
"""
EDITS = {
    "a constant": ("{kind}.py", "CONSTANT = 1", "CONSTANT = 2"),
    "a helper": ("{kind}.py", "return x + 1", "return x + 2"),
    "a neighbour": ("{kind}_near.py", "VALUE = 1", "VALUE = 2"),
    "a neighbour's neighbour": ("{kind}_far.py", "FAR = 1", "FAR = 2"),
}


def write_package(home: Path) -> Path:
    """Write and 'install' the package ``own_kit``; its folder comes back."""
    kit = home / "own_kit"
    kit.mkdir(parents=True)
    (kit / "__init__.py").write_text("")
    (kit / "unrelated.py").write_text("VALUE = 1\n")
    for kind, text in OWN.items():
        (kit / f"{kind}.py").write_text(HEAD.format(kind=kind) + text)
        (kit / f"{kind}_near.py").write_text(f"from own_kit import {kind}_far\nVALUE = 1\n")
        (kit / f"{kind}_far.py").write_text("FAR = 1\n")
    dist = home / "own_kit-1.0.dist-info"
    dist.mkdir()
    (dist / "METADATA").write_text("Metadata-Version: 2.1\nName: own-kit\nVersion: 1.0\n")
    (dist / "entry_points.txt").write_text(POINTS)
    return kit


def edit(kit: Path, kind: str, what: str) -> None:
    """Make one of :data:`EDITS` in the files of a kind."""
    name, old, new = EDITS[what]
    path = kit / name.format(kind=kind)
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def restart() -> None:
    """Forget what was imported and registered, as a new process has."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "own_kit"]:
        del sys.modules[name]
    importlib.invalidate_caches()
    for cached in (_plugins._every, _code._package):
        cached.cache_clear()
    for catalogue in (METHODS, ADAPTERS, DETECTORS, *CATALOGUES.values()):
        catalogue._loaded.clear()
    METHODS._added.clear()
    family.forget()
