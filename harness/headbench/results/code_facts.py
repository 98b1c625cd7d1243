"""Which code that is not headbench's own read the data and turned outputs into figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from headbench._code import Code
from headbench.results.schema import CodeFacts
from headbench.scoring import family, lookup

Kind = Literal["model", "intervention", "source", "scorer", "parser", "metric"]


def scored_by(scorer: str, parser: str, metrics: Iterable[str]) -> list[CodeFacts]:
    """What turns outputs into figures and is not headbench's own."""
    return [
        *facts("scorer", {scorer: lookup.code_of("scorer", scorer)}),
        *facts("parser", {parser: lookup.code_of("parser", parser)}),
        *facts("metric", {name: lookup.code_of("metric", name) for name in metrics}),
    ]


def read_by(source: str, world: object = None) -> list[CodeFacts]:
    """What reads a task's data and is not headbench's own.

    Args:
        source: The task's ``dataset_path``.
        world: Name of the world, where it is one.
    """
    found = {}
    if source in family.names("sources"):
        found[source] = family.code_of("sources", source)
    if source == "world" and isinstance(world, str) and world in family.names("worlds"):
        found[f"world {world}"] = family.code_of("worlds", world)
    return facts("source", found)


def facts(kind: Kind, codes: Mapping[str, Code]) -> list[CodeFacts]:
    """Codes as a result records them, sorted by name; headbench's own is left out."""
    return [
        CodeFacts(
            kind=kind,
            name=name,
            digest=code.digest,
            files=dict(code.files),
            packages=dict(code.packages),
        )
        for name, code in sorted(codes.items())
        if code
    ]
