"""What a notebook shows of runs: a short table in which every name is text, never markup."""

from __future__ import annotations

from collections.abc import Sequence

from headbench.results.cell import NotShown
from headbench.results.comparison_table import flat_header, flat_rows
from headbench.results.frame import ComparedCells, run_rows
from headbench.results.markup import html_table, html_text

MOST_ROWS = 60
"""Rows that are shown of one run; the data frame has them all."""
MOST_FILES = 10
"""Files that are named as not shown; more are counted."""
_PLAIN = ("model", "task", "condition", "metric", "value", "low", "high", "n", "clusters")


def runs_html(runs: Sequence[ComparedCells], left_out: Sequence[NotShown]) -> str:
    """Tables of runs, and what is not shown.

    Args:
        runs: What is shown, a table each.
        left_out: Files without a place in them, with their reasons.
    """
    parts = [_run_html(run) for run in runs]
    if left_out:
        named = "".join(
            f"<li><bdi>{html_text(str(one.path))}</bdi>: {html_text(one.reason)}</li>"
            for one in left_out[:MOST_FILES]
        )
        more = len(left_out) - MOST_FILES
        rest = f"<li>and {more} more</li>" if more > 0 else ""
        parts.append(f"<p>not shown:</p><ul>{named}{rest}</ul>")
    return "".join(parts)


def _run_html(run: ComparedCells) -> str:
    if run.comparisons:
        header, rows = flat_header(run.comparisons), flat_rows(run.comparisons)
    else:
        header = list(_PLAIN)
        rows = [[_shown(row[name]) for name in _PLAIN] for row in run_rows(run)]
    table = html_table(header, rows[:MOST_ROWS])
    hidden = len(rows) - MOST_ROWS
    rest = f"<p>and {hidden} more rows: see to_frame()</p>" if hidden > 0 else ""
    lost = "".join(f"<li>{html_text(name)}</li>" for name in run.missing)
    gone = f"<p>cells of the run whose files are not shown:</p><ul>{lost}</ul>" if lost else ""
    return f"<p>{html_text(repr(run))}</p>{table}{rest}{gone}"


def _shown(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
