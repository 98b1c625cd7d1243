"""What stands below a table of comparisons, because a cell cannot hold it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from headbench.results.comparison import Comparison
from headbench.results.figures import ABOVE
from headbench.results.schema import NullFacts, Result
from headbench.statistics import PairedResult

LEAST_PRINTED = 1e-4
"""Exact p-values below this are printed as such."""
LEAST_BOOTSTRAPPED = 1e-3
"""The same for p-values from a bootstrapped standard error."""


def comparison_notes(comparisons: Sequence[Comparison]) -> list[str]:
    """What ``detectable`` and p mean here, and where intervals are missing or rough."""
    paired = [line.paired for c in comparisons for line in c.lines if line.paired is not None]
    if not paired:
        return []
    notes = [_detectable(comparisons)]
    if any(one.clusters < one.n and one.test != "bootstrap-t" for one in paired):
        notes.append(
            "p swaps the conditions of whole clusters; its null: each cluster's change is as "
            "likely up as down, not only zero on average"
        )
    for comparison in comparisons:
        found = [(line.name, line.paired) for line in comparison.lines if line.paired is not None]
        told = [(name, one.note) for name, one in found]
        notes += _grouped(comparison.other.task.name, told)
    seen = {result.id: result for c in comparisons for result in (c.base, c.other)}
    # Conditions of one task often share a note: said once.
    return [*dict.fromkeys(notes), *_above(list(seen.values())), *_nulls(list(seen.values()))]


def main_notes(comparisons: Sequence[Comparison]) -> list[str]:
    """Where the main metrics' intervals are missing or rough, and the nulls of all figures."""
    notes = [
        note
        for comparison in comparisons
        for line in comparison.lines
        if line.main and line.paired is not None
        for note in _grouped(comparison.other.task.name, [(line.name, line.paired.note)])
    ]
    seen = {result.id: result for c in comparisons for result in (c.base, c.other)}
    return [*dict.fromkeys(notes), *_above(list(seen.values())), *_nulls(list(seen.values()))]


def result_notes(results: Sequence[Result]) -> list[str]:
    """Where intervals of results without a comparison are missing or rough, and their nulls."""
    return [
        note
        for result in results
        for note in _grouped(result.task.name, [(k, e.note) for k, e in result.metrics.items()])
    ] + _nulls(results)


def _above(results: Sequence[Result]) -> list[str]:
    """Figures above the ceiling of their data, by task and condition."""
    lines = []
    for result in results:
        told = [
            f"{name} {one.value:.3f}"
            for name, one in result.metrics.items()
            if one.value is not None and one.note.startswith(ABOVE)
        ]
        if told:
            where = f"{result.task.name}, {result.arm.name}"
            lines.append(f"{ABOVE}, not clipped: {where}: {', '.join(told)}")
    return lines


def _nulls(results: Sequence[Result]) -> list[str]:
    """One line per task and condition: its figures against permuted labels."""
    lines = []
    for result in results:
        told = [
            f"{name} p {one.null.p:.3f} ({one.null.mean:+.3f}, sd {one.null.sd:.3f}; "
            f"{one.null.draws:,} permutations{_of_clusters(one.null)})"
            for name, one in result.metrics.items()
            if one.null is not None
        ]
        if told:
            where = f"{result.task.name}, {result.arm.name}"
            lines.append(f"labels permuted: {where}: {', '.join(told)}")
    return lines


def _of_clusters(null: NullFacts) -> str:
    return " of whole clusters" if null.exchanged == "clusters" else ""


def count(n: int, clusters: int | None) -> str:
    """``540 (30)``: documents, and the clusters that they come from where it is known."""
    return f"{n:,}" if clusters is None else f"{n:,} ({clusters:,})"


def printed_p(value: float | None, paired: PairedResult | None) -> str:
    """A p-value, raw or adjusted, with the digits that its test can give.

    Random swaps give three: at p = .05 their own standard error is .002 with 10,000 of them. Where
    none was as extreme, p is an upper bound and printed as one. A bootstrapped standard error is
    known to some 2 %, which gives three, too.

    Args:
        value: To print; ``None`` where there is none.
        paired: The comparison that it comes from.
    """
    if value is None:
        return "-"
    if paired is not None and paired.test == "bootstrap-t":
        return (
            f"<{LEAST_BOOTSTRAPPED:.3f}".replace("0.", ".")
            if value < LEAST_BOOTSTRAPPED
            else f"{value:.3f}"
        )
    least = None if paired is None or paired.p is None else paired.least_p
    if least is None:
        return (
            f"<{LEAST_PRINTED:.4f}".replace("0.", ".") if value < LEAST_PRINTED else f"{value:.4f}"
        )
    places = 3 if value >= 0.0005 else 4
    if paired is not None and paired.p is not None and paired.p <= least * (1 + 1e-9):
        return f"<={math.ceil(value * 10**places - 1e-6) / 10**places:.{places}f}"
    return f"{value:.{places}f}"


def _detectable(comparisons: Sequence[Comparison]) -> str:
    lines = [(line.main, line.paired) for c in comparisons for line in c.lines]
    main = {one.alpha for is_main, one in lines if one is not None and is_main}
    rest = {one.alpha for is_main, one in lines if one is not None and not is_main}
    told = f"p <= {_level(max(main or rest))}"
    if rest and main and rest != main:
        told = f"{told} (main metrics) or {_level(max(rest))} (others)"
    return (
        "detectable: the smallest difference, its changes all one way, found in 80 % of runs at "
        + told
    )


def _level(alpha: float) -> str:
    return f"{alpha:.3g}"


def _grouped(task: str, told: Sequence[tuple[str, str]]) -> list[str]:
    """One line per note, naming the metrics that it holds for."""
    notes: dict[str, list[str]] = {}
    for name, note in told:
        if note:
            notes.setdefault(note, []).append(name)
    return [f"note: {task}: {', '.join(names)}: {note}" for note, names in notes.items()]
