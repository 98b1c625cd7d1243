"""Names of parsers, scorers and metrics, each loaded when it is first asked for.

The tables map a name to ``module:attribute``, so that listing names costs no import. Different
families use the same short word for different figures (``recall`` of POPE, CHAIR and needles),
therefore a family's metric is registered as ``family.name``; its :attr:`Metric.name` stays short.
A user's package adds its own through the entry-point groups ``headbench.metrics``,
``headbench.parsers`` and ``headbench.scorers``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint
from typing import Literal, TypeVar

from headbench._code import Code, of_entry_point, of_modules
from headbench._plugins import entry_points
from headbench.errors import ConfigError, nearest
from headbench.scoring.parser import Parser
from headbench.scoring.scorer import Scorer
from headbench.statistics.metric import Metric

PARSERS: dict[str, str] = {
    "verbatim": "headbench.scoring.parser:VERBATIM",
    "pope_ref": "headbench.families.pope.pope_parsers:POPE_REF",
    "pope_strict": "headbench.families.pope.pope_parsers:POPE_STRICT",
    "pope_robust": "headbench.families.pope.pope_robust:POPE_ROBUST",
    "walls_ref": "headbench.families.walls.walls_parse:WALLS_REF",
    "walls_robust": "headbench.families.walls.walls_parse:WALLS_ROBUST",
    "label_form": "headbench.families.stickiness.label_parsers:LABEL_FORM",
    "label_robust": "headbench.families.stickiness.label_parsers:LABEL_ROBUST",
}
SCORERS: dict[str, str] = {
    "niah": "headbench.families.needles.niah_scorers:NIAH",
    "keyphrase3": "headbench.families.needles.niah_scorers:KEYPHRASE3",
    "needle_rouge": "headbench.families.needles.needle_rouge:NEEDLE_ROUGE",
    "string_match_all": "headbench.families.needles.ruler_scorers:STRING_MATCH_ALL",
    "string_match_part": "headbench.families.needles.ruler_scorers:STRING_MATCH_PART",
    "pope": "headbench.families.pope.pope_scorer:POPE",
    "chair": "headbench.families.chair.chair_scorer:CHAIR",
    "walls": "headbench.families.walls.walls_scorer:WALLS",
    "stickiness": "headbench.families.stickiness.stickiness_scorer:STICKINESS",
}
OLDER: dict[str, dict[str, str]] = {
    "parser": {
        "pope_robust@1": "headbench.families.pope.pope_parsers:POPE_ROBUST_1",
        "walls_ref@1": "headbench.families.walls.walls_parse:WALLS_REF_1",
    },
    "scorer": {
        "niah@1": "headbench.families.needles.niah_scorers:NIAH_1",
        "keyphrase3@1": "headbench.families.needles.niah_scorers:KEYPHRASE3_1",
        "needle_rouge@1": "headbench.families.needles.needle_rouge:NEEDLE_ROUGE_1",
        "walls@1": "headbench.families.walls.walls_scorer:WALLS_1",
    },
}
"""Kind -> ``name@version`` -> readings that were replaced, kept for the figures that name them."""
METRICS: dict[str, str] = {
    "auroc": "headbench.scoring.rank_metrics:AUROC",
    "spearman": "headbench.scoring.rank_metrics:SPEARMAN",
    "niah.recall": "headbench.families.needles.needle_metrics:RECALL",
    "niah.fraction": "headbench.families.needles.needle_metrics:FRACTION",
    "niah.substring": "headbench.families.needles.needle_rouge:SUBSTRING",
    "niah.judge": "headbench.families.needles.judged_cells:JUDGE",
    "pope.accuracy": "headbench.families.pope.pope_scorer:ACCURACY",
    "pope.precision": "headbench.families.pope.pope_scorer:PRECISION",
    "pope.recall": "headbench.families.pope.pope_scorer:RECALL",
    "pope.f1": "headbench.families.pope.pope_scorer:F1",
    "pope.yes_ratio": "headbench.families.pope.pope_scorer:YES_RATIO",
    "pope.unparsed_rate": "headbench.families.pope.pope_scorer:UNPARSED_RATE",
    "pope.tp": "headbench.families.pope.pope_scorer:TP",
    "pope.fp": "headbench.families.pope.pope_scorer:FP",
    "pope.tn": "headbench.families.pope.pope_scorer:TN",
    "pope.fn": "headbench.families.pope.pope_scorer:FN",
    "chair.chair_s": "headbench.families.chair.chair_scorer:CHAIR_S",
    "chair.chair_i": "headbench.families.chair.chair_scorer:CHAIR_I",
    "chair.recall": "headbench.families.chair.chair_scorer:RECALL",
    "chair.len": "headbench.families.chair.chair_scorer:LENGTH",
    "chair.f1": "headbench.families.chair.chair_scorer:F1",
    "chair.object_f1": "headbench.families.chair.chair_scorer:OBJECT_F1",
    "chair.hit_ratio": "headbench.families.chair.chair_scorer:HIT_RATIO",
    "chair.hallucinated_captions": "headbench.families.chair.chair_scorer:HALLUCINATED_CAPTIONS",
    "chair.hallucinated_mentions": "headbench.families.chair.chair_scorer:HALLUCINATED_MENTIONS",
    "chair.mentions": "headbench.families.chair.chair_scorer:MENTIONS",
    "walls.solved_walls": "headbench.families.walls.walls_scorer:SOLVED_WALLS",
    "walls.correct_groups": "headbench.families.walls.walls_scorer:CORRECT_GROUPS",
    "walls.group_rate": "headbench.families.walls.walls_scorer:GROUP_RATE",
    "walls.solved_rate": "headbench.families.walls.walls_scorer:SOLVED_RATE",
    "walls.wd": "headbench.families.walls.walls_scorer:WD",
    "walls.fms": "headbench.families.walls.walls_scorer:FMS",
    "walls.ari": "headbench.families.walls.walls_scorer:ARI",
    "walls.nmi": "headbench.families.walls.walls_scorer:NMI",
    "walls.ami": "headbench.families.walls.walls_scorer:AMI",
    "walls.unparsed_rate": "headbench.families.walls.walls_scorer:UNPARSED_RATE",
    "walls.connections": "headbench.families.walls.walls_scorer:CONNECTIONS",
    "walls.connection_rate": "headbench.families.walls.walls_scorer:CONNECTION_RATE",
    "walls.connection_rouge1": "headbench.families.walls.walls_scorer:CONNECTION_ROUGE1",
    "stickiness.rescue": "headbench.families.stickiness.stickiness_scorer:RESCUE",
    "stickiness.z": "headbench.families.stickiness.stickiness_scorer:Z_SIZE",
    "stickiness.stickiness": "headbench.families.stickiness.stickiness_scorer:STICKINESS_RATE",
    "stickiness.ever_rescued": "headbench.families.stickiness.stickiness_scorer:EVER_RESCUED",
    "stickiness.damage": "headbench.families.stickiness.stickiness_scorer:DAMAGE",
    "stickiness.c": "headbench.families.stickiness.stickiness_scorer:C_SIZE",
    "stickiness.zero_shot_accuracy": "headbench.families.stickiness.stickiness_scorer:ACCURACY",
    "stickiness.unparsed_rate": "headbench.families.stickiness.stickiness_scorer:UNPARSED_RATE",
    "stickiness.confidence_shift": "headbench.families.stickiness.stickiness_scorer:CONFIDENCE_SHIFT",  # noqa: E501
    "stickiness.change_rate": "headbench.families.stickiness.stickiness_scorer:CHANGE_RATE",
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
    return _find("metric", found, METRICS, Metric)  # type: ignore[type-abstract]


def _metric_name(name: str, family: str | None = None) -> str:
    """A metric's registry name; what nobody registered comes back as it is."""
    known = metric_names()
    for full in ([f"{family}.{name}"] if family else []) + [name]:
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


def code_of(kind: Literal["metric", "parser", "scorer"], name: str) -> Code:
    """The code of a metric, parser or scorer that another package offers.

    Returns:
        Nothing for headbench's own, and for names that stand in results without being registered.
    """
    short = _metric_name(name) if kind == "metric" else name.partition("@")[0]
    table = {"metric": METRICS, "parser": PARSERS, "scorer": SCORERS}[kind]
    if short in table:
        return of_modules([table[short].partition(":")[0]])
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
    return _versioned("parser", name, PARSERS, Parser)


def scorer(name: str) -> Scorer:
    """Find a scorer by name, or by ``name@version`` as results carry it.

    Raises:
        ConfigError: No scorer has this name, or it is not here in the version asked for.
    """
    return _versioned("scorer", name, SCORERS, Scorer)


def metric_names() -> tuple[str, ...]:
    """All metric names, sorted, entry points included; nothing is imported."""
    return tuple(sorted({*METRICS, *_plugins("metric")}))


def parser_names() -> tuple[str, ...]:
    """All parser names, sorted, entry points included; nothing is imported."""
    return tuple(sorted({*PARSERS, *_plugins("parser")}))


def scorer_names() -> tuple[str, ...]:
    """All scorer names, sorted, entry points included; nothing is imported."""
    return tuple(sorted({*SCORERS, *_plugins("scorer")}))


@cache
def _plugins(kind: str) -> Mapping[str, EntryPoint]:
    """What other packages registered; read once, because scanning installed packages is slow."""
    return {point.name: point for point in entry_points(group=f"headbench.{kind}s")}


def _versioned(
    kind: str, name: str, table: Mapping[str, str], wanted: type[_Versioned]
) -> _Versioned:
    """The current version of a name, or the one that is asked for."""
    if name in OLDER[kind]:
        return _find(kind, name, OLDER[kind], wanted)
    short, _, version = name.partition("@")
    found = _find(kind, short, table, wanted)
    if version and version != str(found.version):
        kept: list[str] = [
            old.partition("@")[2] for old in OLDER[kind] if old.startswith(f"{short}@")
        ]
        here = " or ".join([str(found.version), *kept])
        raise ConfigError(
            f"{kind} {short!r} is here in version {here}, not {version}",
            where=f"{kind} {name!r}",
            hint=f"rescore the outputs with a {kind} that is here, or install the other headbench",
        )
    return found


def _find(kind: str, name: str, table: Mapping[str, str], wanted: type[_Thing]) -> _Thing:
    """Load a name from the table, else from an entry point, and check what came."""
    if name in table:
        module, _, attribute = table[name].partition(":")
        thing: object = getattr(import_module(module), attribute)
        where = table[name]
    elif name in _plugins(kind):
        point = _plugins(kind)[name]
        thing, where = point.load(), point.value
    else:
        raise ConfigError(
            f"there is no {kind} called {name!r}",
            where=f"{kind} {name!r}",
            hint=nearest(name, {*table, *_plugins(kind)}),
        )
    if not isinstance(thing, wanted):
        raise ConfigError(
            f"{kind} {name!r} is registered, but is a {type(thing).__name__}",
            where=where,
            hint=f"let the entry name an instance of headbench.scoring.{wanted.__name__}",
        )
    return thing
