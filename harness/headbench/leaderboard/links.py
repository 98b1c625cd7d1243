"""File names of pages that other pages link to, in one place.

A template links through ``link`` of ``parts.html``, which prints a link where the board has that
page and plain text where it has not.
"""

from __future__ import annotations

from headbench.leaderboard.page import page_name
from headbench.results.schema import Result


def task_page(task: str) -> str:
    """The page of a task."""
    return page_name("task", task)


def intervention_page(method: str) -> str:
    """The page of an intervention, by the method's name, not a condition's."""
    return page_name("intervention", method)


def cells_page(result: Result) -> str:
    """The page with every condition of one kind, task and model; its cells have anchors."""
    return page_name("cells", "\x1f".join((result.kind, result.task.name, result.model.name)))


def cell_anchor(result: Result) -> str:
    """A cell's element on :func:`cells_page`: by the whole id, as others may begin alike."""
    return f"r-{result.id}"


def items_page(task: str) -> str:
    """The page of a task's documents."""
    return page_name("items", task)


def items_state(result: Result, only: str = "differs") -> str:
    """The address of one condition's documents on :func:`items_page`, against its baseline.

    Args:
        result: The condition.
        only: Which documents: ``differs``, ``worse``, ``better``, ``unparsed`` or ``all``.
    """
    return f"v=1&id={result.id}&only={only}"


def published_page(family: str) -> str:
    """The page of what papers report on a family of tasks."""
    return page_name("published", family)


def method_names(condition: str) -> tuple[str, ...]:
    """The methods of a condition's name: ``vhr(alpha=2)+pai`` -> ``vhr``, ``pai``."""
    names, depth, start = [], 0, 0
    for at, char in enumerate(f"{condition}+"):
        depth += (char in "([") - (char in ")]")
        if char == "+" and depth == 0:
            names.append(condition[start:at].partition("(")[0].strip())
            start = at + 1
    return tuple(names)
