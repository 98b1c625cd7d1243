"""A result is believed only if its records give its figures.

A result file is text that anybody can edit, cut or merge. :func:`read_checked` reads it with its
records, computes every figure again and refuses a file that says otherwise. Intervals are computed
again, and a file may state no other method than the one its metric has. Resampled intervals are
drawn again where the file holds the seed and the number of draws. Where it does not, and where a
file of schema version 1 states a method that is gone, the interval must lie in order, within the
metric's range and around the figure.

What cannot be computed here, because the package that brought a metric is not installed, is named
and not refused.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from headbench.errors import HeadbenchError, StoreError
from headbench.nouns import Record
from headbench.results.bounds import out_of_bounds
from headbench.results.figures import Sampling, estimate, labelled_groups
from headbench.results.files import Entry, read_entries, read_with_version
from headbench.results.keys import seed_for
from headbench.results.profiles import profile_faults
from headbench.results.schema import SCHEMA_VERSION, Estimate, NullFacts, Result
from headbench.results.stated_facts import (
    SLACK,
    diagnostics_faults,
    drift,
    extent_faults,
    near,
    state_faults,
    thoughts_faults,
    value_of,
)
from headbench.scoring import lookup
from headbench.statistics import check_all, value_limits
from headbench.statistics.bootstrap import DRAWS
from headbench.statistics.metric import Metric

if TYPE_CHECKING:
    from pathlib import Path

BOUND_SLACK = 1e-6
"""What another machine's root finding may change in the end of an interval."""
RESAMPLED = "bootstrap-t"
"""The interval method that depends on random draws."""
FEWEST = 100
"""Draws that an interval is taken to rest on where its file does not say how many there were."""
GONE = "cluster-bootstrap"
"""An interval method that only files of schema version 1 state; it cannot be repeated."""
EXTENT = frozenset({"n", "coverage"})
"""Figures of a log that no metric gives."""
_NAMED = 4
"""Faults that a message names; more are counted."""
_BROKEN = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError)
"""What a metric raises over parts that no scorer wrote."""


@dataclass(frozen=True)
class Checked:
    """A result that its records bear out.

    Attributes:
        result: What the file says.
        entries: Its records; none for a published cell.
        unchecked: Figures that could not be computed again here, each with its reason.
    """

    result: Result
    entries: tuple[Entry, ...]
    unchecked: tuple[str, ...] = ()


def read_checked(path: Path) -> Checked:
    """Read a result and its records, and refuse them where the two disagree.

    Args:
        path: The result file.

    Raises:
        StoreError: a file is missing or damaged, or the records do not give the figures.
    """
    result, version = read_with_version(path)
    entries = read_entries(path, result) if result.records is not None else ()
    refuse_faults(result, entries, version, path)
    return Checked(result, entries, tuple(unchecked(result)))


def refuse_faults(result: Result, entries: Sequence[Entry], version: int, path: Path) -> None:
    """Refuse a result that its records do not bear out.

    Args:
        result: What its file says.
        entries: Its records.
        version: Schema version that its file was written in.
        path: The file, for the error.

    Raises:
        StoreError: they disagree.
    """
    found = list(faults(result, entries, version))
    if found:
        more = f"; and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        raise StoreError(
            f"the result is not what its records say: {'; '.join(found[:_NAMED])}{more}",
            where=str(path),
            hint=_other_scorer(result)
            or "restore both files, or run the cell again; answers in the store are kept",
        )


def unchecked(result: Result) -> Iterator[str]:
    """Figures whose metric is not installed here, with the reason."""
    for name, one in result.metrics.items():
        if name not in EXTENT and one.metric and metric_of(name, one) is None:
            yield f"{name} was not computed again: no metric {one.metric!r} is installed here"
    if result.profiles and not _installed(result.task.scorer):
        yield f"the profile of layers was not computed again: no scorer {result.task.scorer!r}"


def _other_scorer(result: Result) -> str:
    """A hint where another version of the scorer made the records; empty where it is this one."""
    made = result.task.scorer
    with contextlib.suppress(HeadbenchError):
        if lookup.scorer(made).id == made:  # an earlier version may be kept here
            return ""
    try:
        here = lookup.scorer(made.partition("@")[0]).id
    except HeadbenchError:
        return ""
    return f"the scorer {made} made the records, and {here} is here: score the outputs again"


def faults(
    result: Result, entries: Sequence[Entry], version: int = SCHEMA_VERSION
) -> Iterator[str]:
    """Everything in which a result and its records disagree, or a result contradicts itself.

    Args:
        result: A result of any kind.
        entries: Its records.
        version: Schema version that its file was written in.

    Yields:
        One sentence per fault.
    """
    asked = list(out_of_bounds(result))
    if asked:  # nothing is computed from what no run writes
        yield from asked
        return
    yield from state_faults(result)
    if result.records is None and result.kind == "published":
        return
    if result.records is None and result.coverage.answered:
        yield "it has no item records"
        return
    yield from extent_faults(result, entries)
    yield from diagnostics_faults(result, entries)
    yield from thoughts_faults(result, entries)
    drawn = _Drawn.of(result, version)
    yield from _figures(result, [entry.record for entry in entries], drawn)


# ------------------------------------------------------------------ figures


@dataclass(frozen=True)
class _Drawn:
    """How the intervals of a file were made.

    Attributes:
        sampling: Seed and draws; ``None`` where the file does not hold them.
        same: Whether the same draws can be made here: by the seed, and by the library that drew.
        version: Schema version of the file.
    """

    sampling: Sampling | None
    same: bool
    version: int

    @classmethod
    def of(cls, result: Result, version: int) -> _Drawn:
        run, draws = result.run, result.run.spec.get("draws")
        sampling = None
        if result.kind == "measured" and type(draws) is int and draws > 1:
            sampling = Sampling(seed_for(run.seed, "interval", result.task.name), draws)
        same = sampling is not None and run.versions.get("numpy") == np.__version__
        return cls(sampling, same, version)


def _figures(result: Result, records: Sequence[Record], drawn: _Drawn) -> Iterator[str]:
    metrics: dict[str, Metric] = {}
    for name, one in result.metrics.items():
        if name in EXTENT and not one.metric:
            continue
        if not one.metric:
            yield f"{name} names no metric that could give it"
            continue
        metric = metric_of(name, one)
        if metric is None:
            continue  # :func:`unchecked` says so
        if metric.name != name:
            yield f"{name} is said to be the metric {one.metric!r}, which is {metric.name}"
            continue
        metrics[name] = metric
        yield from _told(name, partial(_one, name, metric, one, records, drawn))
    values = {name: value_of(result.metrics[name]) for name in metrics}
    yield from _told("the figures", partial(_possible, metrics, values, len(records)))
    for part, split in result.breakdowns.items():
        yield from _told(f"breakdown {part}", partial(_split, metrics, part, split, records, drawn))
    if result.profiles and _installed(result.task.scorer):
        told = partial(profile_faults, result.profiles, result.task.scorer, records)
        yield from _told("the profile of layers", told)


def _installed(scorer: str) -> bool:
    try:
        lookup.scorer(scorer)
    except (HeadbenchError, ImportError, AttributeError):
        return False
    return True


def metric_of(name: str, one: Estimate) -> Metric | None:
    """The metric behind a figure, under the name that the figure has, or ``None``."""
    try:
        metric = lookup.metric(one.metric)
    except HeadbenchError:  # not installed, or installed in part
        return None
    if metric.name == name:
        return metric
    # A rescored log may call a family's metric by a name of its own, which no other metric has.
    taken = {full.rpartition(".")[2] for full in lookup.metric_names()}
    return metric if name in taken else metric.called(name)


def _told(what: str, work: Callable[[], Iterator[str]]) -> Iterator[str]:
    """The faults that the work finds; an error of the work is one, too."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            yield from list(work())
    except HeadbenchError as error:
        yield f"{what}: {error.what}"
    except _BROKEN as error:
        yield f"{what} cannot be computed from the records: {type(error).__name__}: {error}"


def _one(
    where: str, metric: Metric, one: Estimate, records: Sequence[Record], drawn: _Drawn
) -> Iterator[str]:
    """One figure: value, number of records, unit, direction, interval."""
    level = one.level if one.level is not None else Sampling().level
    if not 0 < level < 1:
        yield f"{where} has the confidence level {level:g}"
        return
    wanted = one.low is not None or one.high is not None
    again = estimate(
        one.metric, metric, records, Sampling(draws=1, level=level) if wanted else None
    )
    yield from drift(where, value_of(one), value_of(again))
    yield from _facts(where, one, again)
    if wanted:
        yield from _interval(where, metric, one, again, drawn)
        if one.method == RESAMPLED == _method(metric, again):
            yield from _resampled(where, metric, one, records, drawn)
    if one.null is not None:
        yield from _null(where, one.null)


def _null(where: str, null: NullFacts) -> Iterator[str]:
    """The null of a figure, which permutations gave that are not repeated."""
    if null.draws < 1 or null.sd < 0 or not 2 / (1 + null.draws) - SLACK <= null.p <= 1:
        yield f"{where}: p {null.p:g} of {null.draws} permutations with sd {null.sd:g} cannot be"


def _facts(where: str, one: Estimate, again: Estimate) -> Iterator[str]:
    if one.n != again.n:
        yield f"{where} is said to rest on {one.n} records, and there are {again.n}"
    if one.clusters not in (None, again.clusters):
        yield f"{where} is said to rest on {one.clusters} clusters, and there are {again.clusters}"
    if one.unit != again.unit:
        yield f"{where} has the unit {one.unit!r}, its metric {again.unit!r}"
    if one.higher_is_better not in (None, again.higher_is_better):
        yield f"{where} has the wrong direction: higher_is_better is {one.higher_is_better}"


def _method(metric: Metric, again: Estimate) -> str | None:
    """The one interval method that a figure may state; ``None`` where it has no interval."""
    return RESAMPLED if metric.resampling == "bootstrap" else again.method


def _interval(
    where: str, metric: Metric, one: Estimate, again: Estimate, drawn: _Drawn
) -> Iterator[str]:
    """The interval: the formula's, or at least one that can be."""
    if one.low is None or one.high is None or one.value is None or not one.method:
        yield f"{where} has an interval that lacks an end, its figure or its method"
        return
    method = _method(metric, again)
    if one.method != method and not (one.method == GONE and drawn.version == 1):
        rightly = f"by {method!r}" if method else "not at all"
        yield f"{where}: its interval is said to be made by {one.method!r}, and is made {rightly}"
    elif one.method == again.method:
        for end, stored, right in (("low", one.low, again.low), ("high", one.high, again.high)):
            if right is None or not near(stored, right, BOUND_SLACK):
                yield f"{where}: {end} is stored as {stored:g}, its records give {right}"
    inside = one.low - SLACK <= one.value <= one.high + SLACK
    below = metric.low is not None and one.low < metric.low - SLACK
    above = metric.high is not None and one.high > metric.high + SLACK
    if not inside or below or above:
        yield (
            f"{where}: {one.low:g} .. {one.high:g} is no interval around {one.value:g} "
            f"within {metric.low} .. {metric.high}"
        )


def _resampled(
    where: str, metric: Metric, one: Estimate, records: Sequence[Record], drawn: _Drawn
) -> Iterator[str]:
    """An interval that random draws gave: the same draws give it again.

    Another version of the library may draw other numbers. The width may then be off by six
    standard errors: that of a standard deviation of B draws is ``1 / sqrt(2 B)`` of it, and two
    are compared. A file without seed and draws, such as a rescored one, is held to an interval of
    :data:`FEWEST` draws: a gross forgery shows, a small one cannot.
    """
    sampling = drawn.sampling or Sampling()
    level = one.level if one.level is not None else sampling.level
    again = value_limits(metric, records, level, seed=sampling.seed, draws=sampling.draws)
    if again.low is None or again.high is None:
        if drawn.same or not again.undefined:  # other draws may leave fewer of them undefined
            yield f"{where}: an interval is stored, and its records give none ({again.note})"
        return
    slack = BOUND_SLACK
    if not drawn.same:
        draws = min(sampling.draws, DRAWS) if drawn.sampling else FEWEST
        slack += 6 / math.sqrt(draws) * (again.high - again.low) / 2
    for end, stored, right in (("low", one.low, again.low), ("high", one.high, again.high)):
        if stored is not None and abs(stored - right) > slack * max(1.0, abs(right)):
            yield f"{where}: {end} is stored as {stored:g}, its records give {right:g}"


def _split(
    metrics: Mapping[str, Metric],
    part: str,
    stored: Mapping[str, Mapping[str, Estimate]],
    records: Sequence[Record],
    drawn: _Drawn,
) -> Iterator[str]:
    """The figures within each value of one part."""
    members = labelled_groups(records, part) if records else {}
    if stored.keys() != members.keys():
        yield (
            f"breakdown {part} has the values {', '.join(stored) or 'none'}, "
            f"its records {', '.join(members) or 'none'}"
        )
        return
    for value, figures in stored.items():
        for name, one in figures.items():
            where = f"breakdown {part} {value}: {name}"
            if name in metrics and one.metric:
                yield from _one(where, metrics[name], one, members[value], drawn)
            elif metric_of(name, one) is not None or not one.metric:
                yield f"{where} is none of the result's own figures"


def _possible(
    metrics: Mapping[str, Metric], values: Mapping[str, float], count: int
) -> Iterator[str]:
    check_all(metrics.values(), values, count)
    return iter(())
