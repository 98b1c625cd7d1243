"""From records to the figures of a result: values with intervals, checked for the impossible."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headbench.errors import ConfigError, DataError, RefusedError
from headbench.nouns import Record
from headbench.results.schema import Estimate, NullFacts
from headbench.scoring.breakdown import groups
from headbench.scoring.parts import exact
from headbench.statistics import check_all, label_null, value_limits
from headbench.statistics.metric import Metric, SampleStatistic


@dataclass(frozen=True)
class Sampling:
    """How intervals and tests are made.

    Attributes:
        seed: Of the permutation tests' random swaps, and of a bootstrap's draws.
        draws: Random swaps; a bootstrap makes at most a thousand.
        level: Coverage of intervals, 0..1.
    """

    seed: int = 0
    draws: int = 10_000
    level: float = 0.95


def estimate(
    name: str, metric: Metric, records: Sequence[Record], sampling: Sampling | None
) -> Estimate:
    """One figure with its interval, as ``statistics.value_limits`` makes it.

    Args:
        name: Registry name, kept so that the metric can be found again.
        metric: What to compute.
        records: Over which records; none gives a value of ``None``.
        sampling: How intervals are made; ``None`` makes none.
    """
    value = metric.of(records) if records else math.nan
    known = None if math.isnan(value) else value
    figure = _plain_estimate(name, metric, known, records)
    mark = _mark(metric, known)
    if known is None or sampling is None:
        return figure.model_copy(update={"note": mark}) if mark else figure
    limits = value_limits(metric, records, sampling.level, seed=sampling.seed, draws=sampling.draws)
    notes = [mark, limits.note]
    made: dict[str, object] = {"low": limits.low, "high": limits.high}
    if limits.low is not None:
        made |= {"level": sampling.level, "method": limits.method}
    untested = ""
    try:
        null = label_null(metric, records, seed=sampling.seed, draws=sampling.draws)
    except RefusedError as error:
        null, untested = None, error.what
    if null is not None and null.undefined:
        share = f"{100 * null.undefined:.2g} % of the permutations"
        null, untested = None, f"the figure is undefined in {share}"
    if untested:
        notes.append(f"no permutation test: {untested}")
    made["note"] = "; ".join(filter(None, notes))
    if null is not None:
        made["null"] = NullFacts(
            p=null.p, mean=null.mean, sd=null.sd, draws=null.draws, exchanged=null.exchanged
        )
    return figure.model_copy(update=made)


ABOVE = "above the ceiling of the data"
"""How a figure's note begins that exceeds what the data's noise should allow."""


def _mark(metric: Metric, value: float | None) -> str:
    bound = metric.marked_above if isinstance(metric, SampleStatistic) else None
    if bound is None or value is None or value <= bound:
        return ""
    return f"{ABOVE} ({bound:g}), which is an estimate: not clipped"


def figures(
    metrics: Mapping[str, Metric], records: Sequence[Record], sampling: Sampling | None, where: str
) -> dict[str, Estimate]:
    """All metrics of a cell, by short name.

    Args:
        metrics: Registry name -> metric.
        records: Of the cell.
        sampling: How intervals are made; ``None`` makes none.
        where: What an error names.

    Raises:
        GuardError: a value is impossible (out of bounds, F1 against precision and recall).
        ConfigError: two metrics have one short name.
    """
    found: dict[str, Estimate] = {}
    for name, metric in metrics.items():
        if metric.name in found:
            raise ConfigError(
                f"two metrics of one task are called {metric.name!r}",
                where=where,
                hint="leave one of them out of metric_list",
            )
        found[metric.name] = estimate(name, metric, records, sampling)
    values = {name: math.nan if e.value is None else e.value for name, e in found.items()}
    check_all(metrics.values(), values, len(records), where)
    return found


def split_figures(
    metrics: Mapping[str, Metric],
    records: Sequence[Record],
    parts: Sequence[str],
    sampling: Sampling | None,
) -> dict[str, dict[str, dict[str, Estimate]]]:
    """The figures within each value of each part: part -> value -> metric."""
    found: dict[str, dict[str, dict[str, Estimate]]] = {}
    for part in parts if records else ():
        found[part] = {
            label: {
                metric.name: estimate(name, metric, members, sampling)
                for name, metric in metrics.items()
            }
            for label, members in labelled_groups(records, part).items()
        }
    return found


def labelled_groups(records: Sequence[Record], part: str) -> dict[str, list[Record]]:
    """Records by the value of a part, under the name that a breakdown gives the value.

    Raises:
        ConfigError: A record lacks the part.
        DataError: Two values have one name in every notation.
    """
    split = groups(records, part)
    labels = _labels([key for (key,) in split])
    label, count = max(Counter(labels).items(), key=lambda item: item[1], default=("", 0))
    if count > 1:
        raise DataError(
            f"several values of {part!r} are called {label!r}",
            where=f"{count} of {len(labels)} values",
            hint="give the scorer's part values that can be told apart",
        )
    return dict(zip(labels, split.values(), strict=True))


def _plain_estimate(
    name: str, metric: Metric, value: float | None, records: Sequence[Record]
) -> Estimate:
    shown: int | float | None = value
    if value is not None and metric.unit == "count" and value.is_integer():
        shown = int(value)
    return Estimate(
        metric=name,
        value=shown,
        n=len(records),
        clusters=len({record.cluster for record in records}),
        unit=metric.unit,
        higher_is_better=metric.higher_is_better,
    )


def _labels(keys: Sequence[str | float]) -> list[str]:
    """Names of groups: numbers in six digits, in all their digits where two names would be one.

    Where a text reads like a number that is there too, texts are quoted: ``1`` and ``"1"``.
    """
    short = [f"{key:g}" if isinstance(key, float) else key for key in keys]
    if len(set(short)) == len(short):
        return short
    long = [exact(key) if isinstance(key, float) else key for key in keys]
    if len(set(long)) == len(long):
        return long
    return [
        json.dumps(key, ensure_ascii=False) if isinstance(key, str) else label
        for key, label in zip(keys, long, strict=True)
    ]
