"""Comparisons as blocks: one per task and model, with a row per condition.

A block holds figures that are already text, and the numbers that a bar is drawn from. How wide the
terminal is decides :mod:`headbench.results.block_text`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from headbench.results.comparison import Comparison, MetricComparison, NeutralChange
from headbench.results.comparison_notes import printed_p
from headbench.results.schema import Estimate, Result

NONE = "-"
DAMAGE = 0.1
"""Nats per token by which the loss on a neutral text must rise, its interval above zero, before a
condition is said to damage the model. A choice of ours, not calibrated on any model."""
PLACES = {"fraction": 3, "count": 0}
"""Digits after the point by unit; two for every other unit."""
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.])")


@dataclass(frozen=True)
class Row:
    """One line of a block.

    Attributes:
        name: Condition, or what a line below a condition says.
        value: The metric, or a loss.
        difference: To the baseline; below a condition, to the mean of its controls.
        low: Lower end of the interval.
        high: Upper end.
        p: Adjusted where the block is of several tests.
        control: Difference to the controls' mean and the rank among them, in few characters.
        changed: Share of documents whose outputs differ.
        loss: Largest change of a loss on neutral text, nats per token.
        words: Instead of figures, e.g. why a condition is inert.
        span: Low end, difference and high end, for a bar; ``None`` where there is no interval.
        stands_out: Whether the adjusted p is below 1 - level.
        damage: Whether the loss on a neutral text says that the model is damaged.
        controls: The same figures against the mean of the controls.
        losses: One line per neutral text.
        metrics: The task's further metrics.
        facts: What only a full view shows, as sentences.
    """

    name: str
    value: str = ""
    difference: str = ""
    low: str = ""
    high: str = ""
    p: str = ""
    control: str = ""
    changed: str = ""
    loss: str = ""
    words: str = ""
    span: tuple[float, float, float] | None = None
    stands_out: bool = False
    damage: bool = False
    controls: Row | None = None
    losses: tuple[Row, ...] = ()
    metrics: tuple[Row, ...] = ()
    facts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Block:
    """A task on a model: what was measured, then baseline and conditions.

    Attributes:
        task: Name of the task.
        metric: Its main metric, with its direction.
        model: Name of the model.
        n: Documents, and clusters where they are fewer.
        level: Coverage of the intervals, e.g. ``95 %``.
        p: Heading of the column of p.
        unit: Of the main metric.
        rows: The baseline first; a sweep is sorted by its strength.
        sweeps: Names of each sweep's rows with the strength that varies, sorted.
    """

    task: str
    metric: str
    model: str
    n: str
    level: str
    p: str
    unit: str
    rows: tuple[Row, ...]
    sweeps: tuple[tuple[tuple[str, str], ...], ...] = ()


def blocks(
    comparisons: Sequence[Comparison], labels: Sequence[str] = (), *, base: str = ""
) -> list[Block]:
    """One block per task, model and baseline, in the order of the comparisons.

    Args:
        comparisons: What is shown; p is adjusted over all of them.
        labels: One word per comparison that stands before the condition's name, or empty.
        base: What the first row is called; empty: the name of its condition.
    """
    names = labels or [""] * len(comparisons)
    grouped: dict[tuple[str, str, str], list[tuple[Comparison, str]]] = {}
    for one, label in zip(comparisons, names, strict=True):
        key = (one.other.model.name, one.other.task.name, one.base.id)
        grouped.setdefault(key, []).append((one, label))
    return [_block(members, base) for members in grouped.values()]


def result_blocks(results: Sequence[Result]) -> list[Block]:
    """A block per result that nothing is compared with: its metrics are the rows."""
    found = []
    for result in results:
        main = result.task.main_metric
        names = sorted(result.metrics, key=lambda name: name != main)
        rows = tuple(_level_row(name, result.metrics[name]) for name in names)
        head = result.metrics.get(main)
        found.append(
            Block(
                result.task.name,
                _metric_heading(main, head) if head else "",
                result.model.name,
                _count(head) if head else "",
                level_text(result),
                "",
                head.unit if head else "fraction",
                rows,
            )
        )
    return found


def damage(one: Comparison) -> NeutralChange | None:
    """The first neutral text whose loss rises by :data:`DAMAGE` or more, if there is one."""
    for found in one.neutral:
        low = found.change.low
        if low is not None and low > 0 and found.change.change >= DAMAGE:
            return found
    return None


def level_text(result: Result) -> str:
    """``95 %``: the coverage of a result's intervals."""
    levels = [figure.level for figure in result.metrics.values() if figure.level is not None]
    return f"{100 * (levels[0] if levels else 0.95):g} %"


def figure_text(value: float | None, unit: str, *, signed: bool = False) -> str:
    """``.924``, ``-.207``, ``1,024``: a fraction has no zero before its point.

    Args:
        value: The figure; ``-`` is printed for none and for NaN.
        unit: ``fraction``, ``count`` or another one.
        signed: Whether a plus is printed.
    """
    if value is None or math.isnan(value):
        return NONE
    places = PLACES.get(unit, 2)
    text = f"{value:,.{places}f}"
    if float(text.replace(",", "")) == 0:  # no "-.000"
        text = text.removeprefix("-")
    if unit == "fraction":
        text = re.sub(r"^(-?)0\.", r"\1.", text)
    return f"+{text}" if signed and not text.startswith("-") else text


def _block(members: Sequence[tuple[Comparison, str]], base: str) -> Block:
    first = members[0][0]
    result, main = first.other, first.main
    figure = first.base.metrics[main.name]
    clusters = main.paired.clusters if main.paired else figure.clusters
    baseline = Row(base or first.base.arm.name, value=figure_text(figure.value, figure.unit))
    rows, sweeps = _sorted([_row(one, label) for one, label in members])
    return Block(
        result.task.name,
        _metric_heading(main.name, figure),
        result.model.name,
        _count(figure, clusters),
        level_text(result),
        "p adj" if first.family > 1 else "p",
        figure.unit,
        (baseline, *rows),
        sweeps,
    )


def _metric_heading(name: str, figure: Estimate) -> str:
    better = {True: " (higher is better)", False: " (lower is better)", None: ""}
    return name + better[figure.higher_is_better]


def _count(figure: Estimate, clusters: int | None = None) -> str:
    clusters = figure.clusters if clusters is None else clusters
    grouped = clusters is not None and clusters != figure.n
    return f"n {figure.n:,} in {clusters:,} clusters" if grouped else f"n {figure.n:,}"


def _level_row(name: str, figure: Estimate) -> Row:
    low, high = (figure_text(end, figure.unit) for end in (figure.low, figure.high))
    shown = figure.low is not None and figure.high is not None
    return Row(
        name,
        value=figure_text(figure.value, figure.unit),
        low=low if shown else "",
        high=high if shown else "",
    )


def _row(one: Comparison, label: str) -> Row:
    name = f"{label} {one.other.arm.name}".strip()
    if one.other.status != "ok":
        return Row(name, words=f"{one.other.status}: {one.other.reason}")
    main = one.main
    rest = tuple(_metric_row(line, one) for line in one.lines if not line.main)
    if main.paired is None:
        return Row(name, words=one.note or "nothing to compare", metrics=rest)
    row = _metric_row(main, one)
    paired = main.paired
    facts = [f"p {printed_p(paired.p, paired)} before adjustment"] if one.family > 1 else []
    if one.first_token_kl is not None:
        facts.append(f"first-token KL at least {one.first_token_kl:.3f} nats")
    unit = one.base.metrics[main.name].unit
    if paired.detectable is not None and not math.isnan(paired.detectable):
        facts.append(f"detectable difference {figure_text(paired.detectable, unit)}")
    moved = max(one.neutral, key=lambda found: abs(found.change.change), default=None)
    return Row(
        name,
        value=row.value,
        difference=row.difference,
        low=row.low,
        high=row.high,
        p=printed_p(main.holm, paired).replace("0.", ".", 1),
        control=_few(main, unit),
        changed=f"{100 * one.changed_share:.1f} %",
        loss="" if moved is None else _nats(moved.change.change),
        span=row.span,
        stands_out=main.holm is not None and main.holm < 1 - paired.level,
        damage=damage(one) is not None,
        controls=_controls(main, one),
        losses=tuple(_loss_row(found) for found in one.neutral),
        metrics=rest,
        facts=tuple(facts) + ((one.note,) if one.note else ()),
    )


def _metric_row(line: MetricComparison, one: Comparison) -> Row:
    figure = one.other.metrics[line.name]
    value = figure_text(figure.value, figure.unit)
    paired = line.paired
    if paired is None:
        return Row(line.name, value=value)
    low, high = paired.low, paired.high
    known = low is not None and high is not None
    return Row(
        line.name,
        value=value,
        difference=figure_text(paired.difference, figure.unit, signed=True),
        low=figure_text(low, figure.unit, signed=True) if known else "",
        high=figure_text(high, figure.unit, signed=True) if known else "",
        p="" if line.main else printed_p(paired.p, paired).replace("0.", ".", 1),
        control=_few(line, figure.unit),
        span=(low, paired.difference, high) if low is not None and high is not None else None,
        controls=_controls(line, one),
    )


def _controls(line: MetricComparison, one: Comparison) -> Row | None:
    """The condition less the mean of its controls, as a row of its own."""
    found = line.against
    if found is None:
        return None
    unit = one.other.metrics[line.name].unit
    known = found.low is not None and found.high is not None
    return Row(
        f"against {found.draws:,} controls",
        value=figure_text(found.mean, unit),
        difference=figure_text(found.difference, unit, signed=True),
        low=figure_text(found.low, unit, signed=True) if known else "",
        high=figure_text(found.high, unit, signed=True) if known else "",
        control=_rank(line),
    )


def _rank(line: MetricComparison) -> str:
    """``1 of 5, p .40``; adjusted where the draws let an adjusted p be small."""
    if line.rank is None:
        return ""
    text = f"{line.rank.rank} of {line.rank.of}"
    p = line.rank.p if line.rank_holm is None else line.rank_holm
    return text if p is None else f"{text}, p {p:.3f}".replace(" 0.", " .")


def _few(line: MetricComparison, unit: str) -> str:
    if line.against is None:
        return ""
    rank = f", {line.rank.rank} of {line.rank.of}" if line.rank else ""
    return figure_text(line.against.difference, unit, signed=True) + rank


def _nats(value: float) -> str:
    return figure_text(value, "fraction", signed=True)


def _loss_row(found: NeutralChange) -> Row:
    moved = found.change
    known = moved.low is not None and moved.high is not None
    told = ""
    if found.controls:
        mean = sum(control.change for control in found.controls) / len(found.controls)
        told = f"controls {_nats(mean)}"
    return Row(
        f"loss, {found.text}",
        value=figure_text(found.base + moved.change, "fraction"),
        difference=_nats(moved.change),
        low=_nats(moved.low) if known and moved.low is not None else "",
        high=_nats(moved.high) if known and moved.high is not None else "",
        control=told,
    )


def _sorted(
    rows: Sequence[Row],
) -> tuple[list[Row], tuple[tuple[tuple[str, str], ...], ...]]:
    """The rows, those of one sweep together and by strength; and the sweeps.

    A sweep is a set of conditions whose names differ in one number only.
    """
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(_NUMBER.sub("#", row.name), []).append(row)
    shown: list[Row] = []
    sweeps = []
    for members in found.values():
        numbers = [_NUMBER.findall(row.name) for row in members]
        places = [
            place for place, values in enumerate(zip(*numbers, strict=True)) if len(set(values)) > 1
        ]
        if len(members) > 1 and len(places) == 1:
            at = places[0]
            order = sorted(zip(numbers, members, strict=True), key=lambda pair: float(pair[0][at]))
            shown += [row for _, row in order]
            sweeps.append(tuple((row.name, values[at]) for values, row in order))
        else:
            shown += members
    return shown, tuple(sweeps)
