"""One page per task: what is asked, its traps, what its family wants seen, and every difference."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from headbench.errors import HeadbenchError
from headbench.leaderboard.cells import ShownCell, ShownRow, better, common_reach, direction, rows
from headbench.leaderboard.layer_profiles import profiles
from headbench.leaderboard.licences import may_show_texts
from headbench.leaderboard.links import intervention_page, items_page, method_names, task_page
from headbench.leaderboard.page import Page, Part
from headbench.leaderboard.sources import Sources
from headbench.leaderboard.task_views import drawn, undrawn
from headbench.results.schema import Estimate, Result
from headbench.tasks.data.source import AbsentDataError
from headbench.tasks.task import Task

LONGEST_TEXT = 4_000
"""Characters of an example prompt; the rest is left out."""


@dataclass(frozen=True)
class Example:
    """The first document as the model meets it.

    Attributes:
        document: Its id.
        messages: Role and text.
        images: How many pictures go with it.
        target: What is right.
        cut: Characters left out at the end of the longest message.
    """

    document: str
    messages: tuple[tuple[str, str], ...]
    images: int
    target: str
    cut: int = 0


@dataclass(frozen=True)
class ForestLine:
    """One difference on the axis that all lines of a plot share."""

    label: str
    page: str
    cell: ShownCell
    condition: str = ""


def task_parts(sources: Sources) -> Iterator[Part]:
    """A page per task, and the list of them."""
    found: dict[str, list[ShownRow]] = defaultdict(list)
    for row in rows(sources):
        found[row.result.task.name].append(row)
    for kept in found.values():
        kept.sort(key=lambda row: (row.result.kind != "measured", row.key))
    listed = []
    for name in sorted(found):
        task = next((one for row in found[name] if (one := sources.task(row.result))), None)
        listed.append((name, task, found[name]))
        yield Page(
            task_page(name),
            name,
            "task.html",
            {
                "name": name,
                "task": task,
                "meta": task.config.metadata if task else None,
                "example": example(task) if task else None,
                "metrics": definitions(found[name]),
                "found": [
                    (row, tuple(drawn(row)), tuple(profiles(row)), undrawn(row))
                    for row in found[name]
                ],
                "forest": (plots := forest(found[name])),
                "reaches": {
                    model: common_reach([one.cell for one in lines])
                    for model, lines in plots.items()
                },
                "items_page": items_page,
                "intervention_page": intervention_page,
                "method_names": method_names,
                "direction": direction,
                "better": better,
                "inert": [
                    cell for row in found[name] for cell in row.cells.values() if cell.reason
                ],
            },
            under="tasks",
        )
    if listed:
        yield Page(
            "tasks",
            "Tasks",
            "tasks.html",
            {"listed": listed, "task_page": task_page, "direction": direction},
            nav="Tasks",
            nav_order=20,
        )


def definitions(found: Sequence[ShownRow]) -> list[tuple[str, Estimate, Result]]:
    """Every metric of a task, the main one first."""
    seen: dict[str, tuple[str, Estimate, Result]] = {}
    for row in found:
        for name, figure in row.result.metrics.items():
            if "." not in figure.metric:  # an extent of a log, such as its n, which no metric gives
                continue
            seen.setdefault(name, (name, figure, row.result))
    main = found[0].metric
    return sorted(seen.values(), key=lambda one: (one[0] != main, one[0]))


def forest(found: Sequence[ShownRow]) -> Mapping[str, list[ForestLine]]:
    """Model -> its conditions, what moved most first, each with its difference."""
    plots: dict[str, list[ForestLine]] = {}
    for row in found:
        lines = [
            ForestLine(cell.result.arm.name, cell.page, cell)
            for cell in row.cells.values()
            if cell.line and cell.line.paired
        ]
        lines.sort(key=lambda one: (-_size(one.cell), one.label))
        if lines:
            plots[f"{row.result.model.name}, {row.result.kind}"] = lines
    return plots


def _size(cell: ShownCell) -> float:
    paired = cell.line.paired if cell.line else None
    return abs(paired.difference) if paired else 0.0


def example(task: Task) -> Example | None:
    """The first document's prompt; ``None`` where its texts may not be shown or are not here.

    Only data that come with the package are shown: what a folder of a user's own holds would make
    the page another one on every machine, and its licence need not allow it.
    """
    if not may_show_texts(task) or task.config.dataset_path != "world":
        return None
    try:
        document = task.documents(limit=1)[0]
        request = task.requests(document, task.steps[0].name, {}, 0)[0]
    except (AbsentDataError, HeadbenchError, IndexError):
        return None
    cut = 0
    messages = []
    for message in request.messages:
        text = str(message["content"])
        cut = max(cut, len(text) - LONGEST_TEXT)
        messages.append((str(message["role"]), text[:LONGEST_TEXT]))
    return Example(
        document.id, tuple(messages), len(request.images), _said(document.target), max(0, cut)
    )


def _said(target: object) -> str:
    return target if isinstance(target, str) else json.dumps(target, ensure_ascii=False)
