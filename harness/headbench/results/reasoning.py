"""How many outputs held a thought, for results and for whoever reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from headbench.nouns import Record
from headbench.results.schema import ReasoningFacts, Result

PARTS = ("closed_thoughts", "unclosed_thoughts")
"""Score parts that hold the counts (:meth:`headbench.scoring.thoughts.Cut.parts`)."""


def reasoning_facts(
    records: Sequence[Record], outputs: int, marks: Sequence[str]
) -> ReasoningFacts:
    """Shares of the evaluated model's outputs with closed and with unclosed thoughts.

    Args:
        records: Of one cell; their parts hold the counts.
        outputs: How many outputs of that model were read.
        marks: Which marks were looked for.
    """
    closed, unclosed = (
        sum(reasoning_parts(record).get(name, 0) for record in records) / outputs
        if outputs
        else None
        for name in PARTS
    )
    return ReasoningFacts(marks=tuple(marks), closed=closed, unclosed=unclosed)


def reasoning_lines(result: Result) -> Iterator[str]:
    """What a reader must know of the thoughts of a cell; nothing where there were none."""
    facts = result.reasoning
    if facts is None or not (facts.closed or facts.unclosed):
        return
    closed, unclosed = facts.closed or 0.0, facts.unclosed or 0.0
    yield (
        f"thoughts in {result.task.name}, {result.arm.name}: {closed:.1%} of outputs closed (cut "
        f"before reading), {unclosed:.1%} not closed (unparsed)"
    )


def reasoning_parts(record: Record) -> dict[str, int]:
    """Outputs of a record with closed and with unclosed thoughts, where there were any."""
    counts = {name: record.parts.get(name) for name in PARTS}
    return {name: count for name, count in counts.items() if isinstance(count, int) and count}
