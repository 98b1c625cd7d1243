"""Whose texts and images a public page may repeat: only where the data's licence is known to."""

from __future__ import annotations

from headbench.tasks.task import Task

_OPEN = frozenset(
    {"Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CC BY 4.0", "CC BY 3.0"}
)
"""Licences under which a page may show texts with their source beside them.

Licences that ask for more than naming the source (share-alike, no commerce, asking the authors) are
left out: a page shows ids and counts there.
"""


def may_show_texts(task: Task | None) -> bool:
    """Whether outputs and texts of a task may stand on a page.

    Args:
        task: The task whose prompt was asked; ``None`` where it is not known any more, so that
            nothing says whose texts these are.
    """
    if task is None or task.config.sensitive:
        return False
    return task.config.metadata.licence in _OPEN
