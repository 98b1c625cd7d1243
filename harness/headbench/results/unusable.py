"""Cells whose figures say nothing: no answer was joined, or none could be read."""

from __future__ import annotations

from collections.abc import Sequence

from headbench.nouns import Record
from headbench.results.cell import Cell
from headbench.results.files import Entry

_VERBATIM = "verbatim@"


def unusable(cells: Sequence[Cell]) -> list[str]:
    """A line for each cell, controls aside, in which no document was answered or no answer read.

    Returns:
        For example ``pope, baseline: none of 40 answers could be parsed``; nothing where all is
        well.
    """
    lines = []
    for cell in cells:
        result = cell.result
        if result.arm.role == "control":
            continue
        told = without_reading(cell.entries)
        if result.coverage.answered == 0:
            told = f"0 of {result.coverage.expected:,} documents were answered"
        if told:
            lines.append(f"{result.task.name}, {result.arm.name}: {told}")
    return lines


def cut_off(cells: Sequence[Cell]) -> list[str]:
    """A line for each cell, controls aside, whose answers were all cut off, and read nevertheless.

    Their figures count: a parser may need the first word alone. Captions are shorter than the
    model would have them.

    Returns:
        For example ``chair, baseline: all 40 answers were cut off at max_gen_toks``.
    """
    return [
        f"{cell.result.task.name}, {cell.result.arm.name}: all {len(cell.entries):,} answers were "
        "cut off at max_gen_toks; a longer limit may change the figures"
        for cell in cells
        if cell.result.arm.role != "control"
        and cell.entries
        and all(entry.facts.get("truncated") for entry in cell.entries)
        and not without_reading(cell.entries)
    ]


def without_reading(entries: Sequence[Entry]) -> str:
    """Says that no answer of a cell could be read, and how many of them were cut off.

    An answer that was cut off and that its parser reads nevertheless is one.

    Args:
        entries: The records of a cell.

    Returns:
        A clause; empty where an answer was read.
    """
    if not entries or not all(is_unread(entry.record) for entry in entries):
        return ""
    cut = sum(bool(entry.facts.get("truncated")) for entry in entries)
    more = f"; {cut:,} were cut off at max_gen_toks" if cut else ""
    return f"none of {len(entries):,} answers could be parsed{more}"


def is_unread(record: Record) -> bool:
    """Whether a document has an answer in words, and its parser read nothing from it."""
    if not record.outputs:
        return False
    if record.parser.startswith(_VERBATIM):
        asked_states = record.tokens and not any(record.tokens)
        return not asked_states and not any(text.strip() for text in record.outputs)
    parsed = record.parsed
    if isinstance(parsed, list | tuple) and len(record.outputs) > 1:
        return all(one is None for one in parsed)
    return parsed is None
