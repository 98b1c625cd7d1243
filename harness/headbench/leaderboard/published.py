"""Pages of what papers report: an index, one page per family, and what is known to be wrong.

Nothing is ranked across cards: no two papers share model, task, metric, n and prompt.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from headbench.errors import DataError
from headbench.guard.published_cells import PublishedCell, cells_of
from headbench.leaderboard.links import published_page, task_page
from headbench.leaderboard.page import Asset, Page, Part, Shard
from headbench.leaderboard.published_cards import card_anchor, cards
from headbench.leaderboard.sources import Sources
from headbench.results.markup import csv_text
from headbench.results.paper_cells import (
    CONDITION,
    NOT_APPLICABLE,
    PROTOCOL,
    UNKNOWN,
    PaperCell,
    PaperCells,
)
from headbench.results.paper_comparable import difference, group, in_words

TITLES = {
    "chair": "CHAIR: objects in captions",
    "pope": "POPE: yes/no questions about objects",
    "vlm_benchmarks": "Vision-language benchmarks",
    "mm_niah": "MM-NIAH: needles in text and images",
    "steering": "Steering what a model looks at",
    "passphrase_needle": "Passphrase needle",
    "ruler": "RULER: long contexts",
    "long_documents": "LongBench and LooGLE",
    "head_maps": "Head detection",
    "self_correction": "Self-correction",
    "truthfulqa": "TruthfulQA",
    "jailbreak": "Attacks and refusals",
    "reasoning": "Reasoning and knowledge benchmarks",
    "inverse_scaling": "Inverse scaling",
    "stickiness": "Annotation stickiness, analogies, localisation",
    "brain": "Brain encoding and similarity to people",
    "surprisal": "Surprisal and reading times",
    "circuits": "Circuits and single claims of abstracts",
}
"""Family -> title, in the order of the index; another family is shown by its own name."""
MOST_STRIPS = 8


def published_parts(sources: Sources) -> Iterator[Part]:
    """Every page of printed figures; none where there are none."""
    found = sources.papers
    recomputed, broken = _recomputed(sources.published)
    faults = [(sources.shown_path(path), why) for path, why in (*found.faults, *broken)]
    if not (found.cells or recomputed or faults):
        return
    families: dict[str, list[PaperCell]] = defaultdict(list)
    for cell in found.cells:
        families[cell.family].append(cell)
    measured = _measured(sources)
    order = sorted(families, key=lambda name: (_place(name), name))
    by_id = found.by_id()
    for name in order:
        yield from _family(name, families[name], by_id, measured.get(name, []))
    yield Page(
        "published",
        "What papers report",
        "published.html",
        {
            "families": [_counts(name, families[name]) for name in order],
            "totals": _counts("", list(found.cells)),
            "papers": _papers(found),
            "contradictions": _contradictions(found, by_id),
            "recomputed": len(recomputed),
            "faults": faults,
        },
        scripts=("published",),
        nav="Published",
        nav_order=40,
    )
    yield Page(
        "published-recomputed",
        "Printed figures that headbench recomputes",
        "published_recomputed.html",
        {"tables": _tables(recomputed)},
        under="published",
    )


def _place(name: str) -> int:
    return list(TITLES).index(name) if name in TITLES else len(TITLES)


def _recomputed(folder: Path | None) -> tuple[list[PublishedCell], list[tuple[Path, str]]]:
    """The guard's cells; a broken file is reported and hides no other."""
    cells: list[PublishedCell] = []
    broken: list[tuple[Path, str]] = []
    for path in sorted(folder.glob("*.yaml")) if folder else ():
        try:
            cells.extend(list(cells_of(path)))
        except DataError as error:
            broken.append((path, error.what))
    return cells, broken


def _counts(name: str, cells: Sequence[PaperCell]) -> dict[str, object]:
    known = sum(
        not UNKNOWN & {cell.protocol[key] for key in ("n", "prompt", "decoding")} for cell in cells
    )
    return {
        "name": name,
        "title": TITLES.get(name, name),
        "page": published_page(name),
        "cells": len(cells),
        "papers": len({cell.slug for cell in cells}),
        "models": len({cell.model for cell in cells}),
        "known": known,
        "differences": sum(cell.baseline_id is not None for cell in cells),
        "released": sum(cell.grade == "C" for cell in cells),
    }


def _papers(found: PaperCells) -> list[dict[str, object]]:
    """One line per paper and family, each with a link to its first card."""
    lines: dict[tuple[str, str], list[PaperCell]] = defaultdict(list)
    for cell in found.cells:
        lines[cell.slug, cell.family].append(cell)
    return [
        {
            "paper": group[0].paper,
            "arxiv": group[0].arxiv,
            "year": group[0].year,
            "page": published_page(family),
            "title": TITLES.get(family, family),
            "anchor": card_anchor(group[0]),
            "cells": len(group),
            "differences": sum(cell.baseline_id is not None for cell in group),
            "arms": sorted({cell.arm for cell in group if cell.arm}),
        }
        for (_, family), group in lines.items()
    ]


def _contradictions(
    found: PaperCells, by_id: Mapping[str, PaperCell]
) -> list[tuple[str, list[dict[str, object]]]]:
    kinds: dict[str, list[dict[str, object]]] = defaultdict(list)
    for one in found.contradictions:
        first = by_id.get(one.cells[0]) if one.cells else None
        kinds[one.kind].append(
            {
                "where": one.where,
                "says": one.says,
                "page": published_page(first.family) if first else "",
                "anchor": card_anchor(first) if first else "",
            }
        )
    return list(kinds.items())


def _measured(sources: Sources) -> dict[str, list[str]]:
    """Family -> tasks of our results that ask the same kind of question, by their first word."""
    tasks = sorted({cell.result.task.name for cell in sources.cells})
    return {name: [task for task in tasks if task.split("_")[0] == name] for name in TITLES}


def _family(
    name: str,
    cells: Sequence[PaperCell],
    by_id: Mapping[str, PaperCell],
    measured: Sequence[str],
) -> Iterator[Part]:
    page, shown = published_page(name), cards(cells, by_id)
    facts = list(shown[0].facts) if shown else []
    yield Shard(
        f"{page}-cards",
        ("card", "title", *facts),
        [
            [card.anchor, f"{card.paper}, {card.table}", *(list(card.facts[key]) for key in facts)]
            for card in shown
        ],
    )
    yield Asset(f"{page}.csv", csv_text(COLUMNS, list(_csv_rows(cells, by_id))).encode())
    papers: dict[str, list[object]] = defaultdict(list)
    for card in shown:
        papers[card.paper].append(card)
    yield Page(
        page,
        f"{TITLES.get(name, name)}: what papers report",
        "published_family.html",
        {
            "title": TITLES.get(name, name),
            "counts": _counts(name, cells),
            "strips": strips(cells),
            "papers": list(papers.items()),
            "cards": shown,
            "measured": measured,
            "task_page": task_page,
            "csv": f"{page}.csv",
            "shard": f"{page}-cards",
        },
        scripts=("published",),
        under="published",
    )


@dataclass(frozen=True)
class Strip:
    """Unedited figures of one model on one metric, from two papers or more.

    Attributes:
        label: What they are of.
        unit: Their unit.
        low: The smallest, as shown.
        high: The largest.
        papers: How many papers they are from.
        points: Figure and text of each.
        cells: The cells themselves.
        axis: Ends of the drawing's axis.
    """

    label: str
    unit: str
    low: str
    high: str
    papers: int
    points: tuple[tuple[float, str], ...]
    cells: tuple[tuple[PaperCell, str], ...]
    axis: tuple[float, float]


def strips(cells: Sequence[PaperCell]) -> list[Strip]:
    """What several papers report for the same unedited model: why levels do not compare."""
    same: dict[tuple[str, ...], list[PaperCell]] = defaultdict(list)
    for cell in cells:
        if cell.role == "baseline" and cell.quantity[1] != "unknown":
            condition = str(sorted(cell.condition.items()))
            key = (cell.model, cell.task, cell.setting, cell.metric, cell.quantity[1], condition)
            same[key].append(cell)
    several = [(key, found) for key, found in same.items() if len({one.slug for one in found}) > 1]
    several.sort(key=lambda one: (-len({cell.slug for cell in one[1]}), -len(one[1])))  # stable
    apart = [found for _, found in several if len({cell.quantity for cell in found}) > 1]
    return [_strip(found) for found in apart[:MOST_STRIPS]]


def _strip(found: Sequence[PaperCell]) -> Strip:
    first = found[0]
    ordered = sorted(found, key=lambda cell: (cell.quantity[0], cell.id))
    low, high = ordered[0].quantity[0], ordered[-1].quantity[0]
    room = (high - low) * 0.04 or 1.0
    parts = (first.model, first.setting, first.metric_printed)
    return Strip(
        ", ".join(part for part in parts if part),
        first.quantity[1],
        f"{low:g}",
        f"{high:g}",
        len({cell.slug for cell in found}),
        tuple(
            (cell.quantity[0], f"{cell.quantity[0]:g}: {cell.paper}, {cell.table}")
            for cell in ordered
        ),
        tuple((cell, f"{cell.quantity[0]:g}") for cell in ordered),
        (low - room, high + room),
    )


COLUMNS = (
    "kind", "comparable_group", "family", "task", "setting", "metric", "metric_as_printed", "unit",
    "better", "model", "model_as_printed", "arm", "arm_as_printed", "role", "value", "difference",
    "baseline_id", *CONDITION, *PROTOCOL, "spread_kind", "spread", "spread_over", "spread_k",
    "paper", "arxiv", "table", "grade", "read_from", "repeats", "note", "id",
)  # fmt: skip


def _csv_rows(cells: Sequence[PaperCell], by_id: Mapping[str, PaperCell]) -> Iterator[list[object]]:
    """Kind and group come first, so that a spreadsheet sorts apart what does not compare."""
    for cell in cells:
        base = by_id.get(cell.baseline_id or "")
        spread = cell.spread
        yield [
            "published",
            group(cell) or "none: the protocol is not fully recorded",
            cell.family,
            cell.task,
            cell.setting,
            cell.metric,
            cell.metric_printed,
            cell.unit,
            cell.direction,
            cell.model,
            cell.model_printed,
            cell.arm,
            cell.arm_printed,
            cell.role,
            cell.number,
            float(difference(cell, base)) if base else None,
            cell.baseline_id,
            *(cell.condition.get(name) for name in CONDITION),
            *(_plain(cell.protocol[name]) for name in PROTOCOL),
            *((spread.kind, spread.value, spread.over, spread.k) if spread else (None,) * 4),
            cell.paper,
            cell.arxiv,
            cell.table,
            cell.grade,
            cell.read_from,
            " ".join(cell.repeats),
            cell.note,
            cell.id,
        ]


def _plain(value: str | int) -> str | int:
    return in_words(value) if value in UNKNOWN or value == NOT_APPLICABLE else value


def _tables(cells: Sequence[PublishedCell]) -> list[dict[str, object]]:
    """The guard's cells by paper and table."""
    tables: dict[tuple[str, str, str], list[PublishedCell]] = defaultdict(list)
    for cell in cells:
        tables[cell.file, cell.table.table, cell.table.task].append(cell)
    return [
        {
            "paper": group[0].paper.paper,
            "arxiv": group[0].paper.arxiv,
            "source": group[0].paper.source,
            "table": table,
            "task": task,
            "grade": group[0].table.grade,
            "cells": group,
            "recipes": sum(cell.row.recipe is not None for cell in group),
        }
        for (_, table, task), group in tables.items()
    ]
