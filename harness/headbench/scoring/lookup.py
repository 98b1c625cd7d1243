"""Parsers, scorers and metrics by name, each loaded when it is first asked for.

They come from the families (:mod:`headbench.scoring.family`) and from the entry-point groups
``headbench.metrics``, ``headbench.parsers`` and ``headbench.scorers`` of other packages. Different
families use the same short word for different figures (``recall`` of questions, captions and
texts), therefore a metric is registered as ``prefix.name``; its :attr:`Metric.name` stays short.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar, cast

from headbench._catalogue import Catalogue, Found
from headbench._code import Code
from headbench.errors import ConfigError
from headbench.scoring import family as families
from headbench.scoring.parser import Parser
from headbench.scoring.scorer import Scorer
from headbench.statistics.metric import Metric

Kind = Literal["metric", "parser", "scorer"]
_TABLES: Mapping[Kind, families.Kind] = {
    "metric": "metrics",
    "parser": "parsers",
    "scorer": "scorers",
}
_Versioned = TypeVar("_Versioned", Parser, Scorer)


def metric(name: str, family: str | None = None) -> Metric:
    """Find a metric.

    Args:
        name: Registry name (``pope.f1``), or the short name where ``family`` is given or only one
            family has it.
        family: The family's prefix; its own metric of that name goes before all others.

    Raises:
        ConfigError: No metric has this name, or several families have it.
    """
    found = _metric_name(name, family)
    return cast("Metric", CATALOGUES["metric"].get(found).thing)


def _metric_name(name: str, family: str | None = None) -> str:
    """A metric's registry name; an unknown name is returned unchanged."""
    wanted = ([f"{family}.{name}"] if family else []) + [name]
    if "@" not in wanted[0] and families.has(_TABLES["metric"], wanted[0]):
        return wanted[0]  # asked for every figure of every result: no list of all names is made
    known = metric_names()
    for full in wanted:
        if full in known:
            return full
    matches = [full for full in known if full.partition(".")[2] == name]
    if len(matches) > 1:
        raise ConfigError(
            f"several metrics are called {name!r}",
            where=f"metric {name!r}",
            hint=f"write one of {', '.join(matches)}",
        )
    return matches[0] if matches else name


def code_of(kind: Kind, name: str) -> Code:
    """The code of a metric, parser or scorer that another package or a user's file brings.

    Returns:
        Nothing for headbench's own, and for names that stand in results without being registered.
    """
    short = _metric_name(name) if kind == "metric" else name.partition("@")[0]
    catalogue = CATALOGUES[kind]
    return catalogue.get(short).code if short in catalogue.names() else Code()


def metrics_of(scorer: Scorer) -> tuple[Metric, ...]:
    """All metrics that read a scorer's parts, headline first."""
    return tuple(metric(name) for name in scorer.metrics)


def named_metrics(scorer_name: str, without: Sequence[str] = ()) -> dict[str, Metric]:
    """A scorer's metrics by registry name, the headline first."""
    names = [name for name in scorer(scorer_name).metrics if name not in without]
    return {name: metric(name) for name in names}


def parser(name: str) -> Parser:
    """Find a parser by name, or by ``name@version`` as records carry it.

    Raises:
        ConfigError: No parser has this name, or it is not here in the version asked for.
    """
    return _versioned("parser", name, Parser)


def scorer(name: str) -> Scorer:
    """Find a scorer by name, or by ``name@version`` as results carry it.

    Raises:
        ConfigError: No scorer has this name, or it is not here in the version asked for.
    """
    return _versioned("scorer", name, Scorer)


def metric_names() -> tuple[str, ...]:
    """All metric names, sorted, entry points included; nothing is imported."""
    return _names("metric")


def parser_names() -> tuple[str, ...]:
    """All parser names, sorted, entry points included; nothing is imported."""
    return _names("parser")


def scorer_names() -> tuple[str, ...]:
    """All scorer names, sorted, entry points included; nothing is imported."""
    return _names("scorer")


def _names(kind: Kind) -> tuple[str, ...]:
    """Current names of a kind, sorted; earlier versions (``name@1``) are left out."""
    return tuple(name for name in CATALOGUES[kind].names() if "@" not in name)


def _catalogue(kind: Kind, wanted: type[Any]) -> Catalogue[Any]:
    """What the families bring of a kind, and what packages offer one by one."""
    table = _TABLES[kind]

    def load(name: str) -> Found[Any]:
        thing, place = families.load(table, name), families.place_of(table, name)
        if not isinstance(thing, wanted):
            raise catalogue.wrong_type(thing, place)
        return Found(thing, "", place, families.code_of(table, name))

    catalogue: Catalogue[Any] = Catalogue(
        kind,
        f"headbench.{table}",
        wanted=lambda: wanted,
        shipped=lambda: families.names(table),
        load=load,
        named=kind != "metric",  # a metric is registered as prefix.name, and has the short name
        advice=families.advice,
    )
    return catalogue


CATALOGUES: Mapping[Kind, Catalogue[Any]] = {
    "metric": _catalogue("metric", Metric),
    "parser": _catalogue("parser", Parser),
    "scorer": _catalogue("scorer", Scorer),
}


def _versioned(kind: Kind, name: str, wanted: type[_Versioned]) -> _Versioned:
    """The current version of a name, or the one that is asked for."""
    catalogue = CATALOGUES[kind]
    known = catalogue.names()
    if name in known:
        return cast("_Versioned", catalogue.get(name).thing)
    short, _, version = name.partition("@")
    found = cast("_Versioned", catalogue.get(short).thing)
    if version and version != str(found.version):
        kept: list[str] = [old.partition("@")[2] for old in known if old.startswith(f"{short}@")]
        here = " or ".join([str(found.version), *kept])
        raise ConfigError(
            f"{kind} {short!r} is here in version {here}, not {version}",
            where=f"{kind} {name!r}",
            hint=f"rescore the outputs with a {kind} that is here, or install the other headbench",
        )
    return found
