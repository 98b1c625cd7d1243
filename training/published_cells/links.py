"""What cells have to do with each other: baselines of a table, repeats, contradictions."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from headbench.results.paper_cells import Contradiction, PaperCell
from headbench.results.paper_comparable import comparable

LEADING = {"vhr": "greedy"}
"""Paper -> the unedited row that its methods are set against where a table has several. VHR prints
greedy decoding first."""
WITH_BEAMS = {"vhr": "OPERA"}
"""Paper -> the method that it runs with beam search where it says so. Where it says nothing, the
method has no baseline: neither row is known to be it."""


def with_baselines(cells: Sequence[PaperCell]) -> list[PaperCell]:
    """Each edited cell with the one unedited cell of its table that it is printed beside.

    The baseline has the same model, task, setting, metric and condition, and no field of the
    protocol is known to differ. Where a table offers two such cells, there is none: which of them
    its authors mean is theirs to say.
    """
    there: dict[object, list[PaperCell]] = defaultdict(list)
    for cell in cells:
        if cell.role == "baseline":
            there[_place(cell)].append(cell)
    linked = []
    for cell in cells:
        if cell.role in ("method", "ablation", "sweep", "rival", "control"):
            fits = [one for one in there[_place(cell)] if not comparable(cell, one).differs]
            named = [one for one in fits if _stated(one) == _stated(cell)]
            leading = [one for one in fits if one.arm_printed == LEADING.get(cell.slug)]
            if cell.arm_printed == WITH_BEAMS.get(cell.slug):
                leading = []
            if len(fits) > 1:
                fits = named or leading
            if len(fits) == 1:
                cell = replace(cell, baseline_id=fits[0].id)
        linked.append(cell)
    return linked


def _place(cell: PaperCell) -> object:
    condition = tuple(sorted(cell.condition.items()))
    return (cell.slug, cell.table, cell.model, cell.task, cell.setting, cell.metric, condition)


def _stated(cell: PaperCell) -> object:
    return tuple(cell.protocol.values())


def with_repeats(cells: Sequence[PaperCell]) -> list[PaperCell]:
    """Cells of one table with one key and several values name each other."""
    same: dict[object, list[PaperCell]] = defaultdict(list)
    for cell in cells:
        same[(_place(cell), cell.arm_printed, _stated(cell))].append(cell)
    return [
        replace(cell, repeats=tuple(one.id for one in found if one.id != cell.id))
        for cell in cells
        for found in [same[(_place(cell), cell.arm_printed, _stated(cell))]]
    ]


def contradictions(cells: Sequence[PaperCell]) -> list[Contradiction]:
    """Where the sources cannot all be right, or probably are not; none is resolved."""
    found = [
        *_two_values(cells),
        *_collected_twice(cells),
        *_noted(cells),
        *_means(cells),
        *_ruler(cells),
    ]
    return sorted(found, key=lambda one: (one.kind, one.where, one.says))


def _signature(cell: PaperCell) -> str:
    """The arm with its parameters in one order, so that two sweeps meet where they cross."""
    text = cell.arm_printed.replace("no edit (alpha=0)", "no edit")
    if cell.role == "baseline":
        return "no edit " + ("" if text in ("", "none", "no edit", "greedy") else text)
    if text.startswith("imbalance"):
        pairs = re.findall(
            r"(alpha|beta|local(?: ratio)?|spatial(?: ratio)?)[ =]([\d.]+)( %)?", text
        )
        values = {name.split()[0]: float(value) / (100 if per else 1) for name, value, per in pairs}
        return f"imbalance {sorted(values.items())}" if values else text
    return re.sub(r"\W+", " ", text)


def _two_values(cells: Sequence[PaperCell]) -> Iterator[Contradiction]:
    """One paper, one model, task, metric, condition and arm, no known difference: two figures."""
    same: dict[object, list[PaperCell]] = defaultdict(list)
    for cell in cells:
        condition = tuple(sorted(cell.condition.items()))
        key = (
            cell.slug,
            cell.model,
            cell.task,
            cell.setting,
            cell.metric,
            condition,
            _signature(cell),
        )
        same[key].append(cell)
    for group in same.values():
        for place, one in enumerate(group):
            for other in group[place + 1 :]:
                if _alike(one, other) or comparable(one, other).differs:
                    continue
                yield Contradiction(
                    "one key, two values",
                    f"{one.paper}, {one.table}"
                    + ("" if one.table == other.table else f" and {other.table}"),
                    (one.id, other.id),
                    f"{one.model}, {one.task}, {one.metric_printed}, "
                    f"{one.arm_printed or 'no edit'}: {one.value} and {other.value}"
                    + "".join(
                        f"; {note}" for note in dict.fromkeys((one.note, other.note)) if note
                    ),
                )


def _alike(one: PaperCell, other: PaperCell) -> bool:
    """Whether two figures are one, printed with more and with fewer digits."""
    (a, unit), (b, other_unit) = one.quantity, other.quantity
    digits = min(len(cell.value.partition(".")[2]) for cell in (one, other))
    step = 10.0**-digits * (100 if one.unit == "fraction" else 1)
    return unit == other_unit and abs(a - b) <= step / 2 * 1.0001


def _collected_twice(cells: Sequence[PaperCell]) -> Iterator[Contradiction]:
    """One figure of an abstract under two names: it must not count as two findings."""
    same: dict[object, list[PaperCell]] = defaultdict(list)
    for cell in cells:
        if cell.table == "abstract":
            same[(cell.slug, cell.quantity)].append(cell)
    for group in same.values():
        if len(group) > 1:
            said = [
                f"{one.model}, {one.task}, {one.metric_printed}, {one.arm_printed}" for one in group
            ]
            yield Contradiction(
                "one figure, collected twice",
                f"{group[0].paper}, {group[0].table}",
                tuple(one.id for one in group),
                f"{group[0].value} as " + " and as ".join(said),
            )


_DOUBT = re.compile(
    r"probably|misprint|garbled|superseded|pair gives|in one sentence|running text says"
    r"|another stored copy|body text prints|script calls|in Table \d+ and|and 83 in sec"
    r"|printed as 0|single tasks recomputes"
)


def _noted(cells: Sequence[PaperCell]) -> Iterator[Contradiction]:
    """What the notes of a reader doubt; one entry per table and note."""
    same: dict[tuple[str, str, str], list[PaperCell]] = defaultdict(list)
    for cell in cells:
        if _DOUBT.search(cell.note):
            same[cell.paper, cell.table, cell.note].append(cell)
    for (paper, table, note), group in same.items():
        first = group[0]
        values = ", ".join(f"{one.metric_printed} {one.value}" for one in group[:3])
        more = f" and {len(group) - 3} more" if len(group) > 3 else ""
        yield Contradiction(
            "noted while reading",
            f"{paper}, {table}",
            tuple(one.id for one in group),
            f"{first.model}, {first.task}, {first.arm_printed or 'no edit'}: "
            f"{values}{more}; {note}",
        )


PARTS = (
    "retrieval_text",
    "counting_text",
    "reasoning_text",
    "retrieval_image",
    "counting_image",
    "reasoning_image",
)


def _means(cells: Sequence[PaperCell]) -> Iterator[Contradiction]:
    """MM-NIAH's overall table against the mean of its six tables."""
    values = {
        (cell.model, cell.condition.get("context_tokens"), cell.task): cell
        for cell in cells
        if cell.slug == "mm_niah"
    }
    for (name, context, task), cell in values.items():
        if task != "mm_niah_overall":
            continue
        parts = [values.get((name, context, f"mm_niah_{part}")) for part in PARTS]
        there = [one for one in parts if one is not None]
        if len(there) < len(PARTS):
            continue
        mean = sum(one.number for one in there) / len(there)
        if abs(mean - cell.number) > 0.1001:  # each part and the mean are rounded to 0.1
            yield Contradiction(
                "a mean that its parts do not give",
                f"{cell.paper}, {cell.table}",
                (cell.id, *(one.id for one in there)),
                f"{name}, context {context}: printed {cell.value}, its six tables give {mean:.2f}",
            )


def _ruler(cells: Sequence[PaperCell]) -> Iterator[Contradiction]:
    """RULER's mean over lengths against the six lengths."""
    rows: dict[str, list[PaperCell]] = defaultdict(list)
    for cell in cells:
        if cell.slug == "ruler":
            rows[cell.model].append(cell)
    for name, row in rows.items():
        lengths = [one for one in row if str(one.condition["context_tokens"]).endswith("K")]
        means = [one for one in row if one not in lengths]
        if len(lengths) != 6 or len(means) != 1:
            continue
        mean = sum(one.number for one in lengths) / 6
        if abs(mean - means[0].number) > 0.1001:
            yield Contradiction(
                "a mean that its parts do not give",
                f"{means[0].paper}, {means[0].table}",
                (means[0].id, *(one.id for one in lengths)),
                f"{name}: printed {means[0].value}, the six lengths give {mean:.2f}",
            )
