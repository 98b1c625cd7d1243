"""Parsers, scorers and metrics by name, each loaded when it is first asked for.

They come from the families (:mod:`headbench.scoring.family`) and from the entry-point groups
``headbench.metrics``, ``headbench.parsers`` and ``headbench.scorers`` of other packages. Different
families use the same short word for different figures (``recall`` of questions, captions and
texts), therefore a metric is registered as ``prefix.name``; its :attr:`Metric.name` stays short.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import EntryPoint
from typing import Literal, TypeVar

from headbench._code import Code, of_entry_point
from headbench._plugins import entry_points
from headbench.errors import ConfigError, nearest
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
_Thing = TypeVar("_Thing", Metric, Parser, Scorer)
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
    return _find("metric", found, Metric)  # type: ignore[type-abstract]


def _metric_name(name: str, family: str | None = None) -> str:
    """A metric's registry name; an unknown name is returned unchanged."""
    for full in ([f"{family}.{name}"] if family else []) + [name]:
        if _has("metric", full):
            return full
    matches = [full for full in metric_names() if full.partition(".")[2] == name]
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
    if short in families.names(_TABLES[kind]):
        return families.code_of(_TABLES[kind], short)
    point = _plugins(kind).get(short)
    if point is None:
        return Code()
    point.load()
    return of_entry_point(point)


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
    brought = (name for name in families.names(_TABLES[kind]) if "@" not in name)
    return tuple(sorted({*brought, *_plugins(kind)}))


def _has(kind: Kind, name: str) -> bool:
    """Whether a current name is one of :func:`_names`."""
    return (families.has(_TABLES[kind], name) and "@" not in name) or name in _plugins(kind)


@cache
def _plugins(kind: Kind) -> Mapping[str, EntryPoint]:
    """What other packages registered; read once, because scanning installed packages is slow."""
    return {point.name: point for point in entry_points(group=f"headbench.{kind}s")}


def _versioned(kind: Kind, name: str, wanted: type[_Versioned]) -> _Versioned:
    """The current version of a name, or the one that is asked for."""
    brought = families.names(_TABLES[kind])
    if name in brought:
        return _find(kind, name, wanted)
    short, _, version = name.partition("@")
    found = _find(kind, short, wanted)
    if version and version != str(found.version):
        kept: list[str] = [old.partition("@")[2] for old in brought if old.startswith(f"{short}@")]
        here = " or ".join([str(found.version), *kept])
        raise ConfigError(
            f"{kind} {short!r} is here in version {here}, not {version}",
            where=f"{kind} {name!r}",
            hint=f"rescore the outputs with a {kind} that is here, or install the other headbench",
        )
    return found


def _find(kind: Kind, name: str, wanted: type[_Thing]) -> _Thing:
    """Load a name from the families, else from an entry point, and check its type."""
    table = _TABLES[kind]
    thing: object
    if families.has(table, name):
        thing, where = families.load(table, name), families.place_of(table, name)
    elif name in _plugins(kind):
        point = _plugins(kind)[name]
        thing, where = point.load(), point.value
    else:
        raise ConfigError(
            f"there is no {kind} called {name!r}",
            where=f"{kind} {name!r}",
            hint=nearest(name, _names(kind)),
        )
    if not isinstance(thing, wanted):
        raise ConfigError(
            f"{kind} {name!r} is registered, but is a {type(thing).__name__}",
            where=where,
            hint=f"let the entry name an instance of headbench.scoring.{wanted.__name__}",
        )
    return thing
