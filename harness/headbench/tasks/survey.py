"""What a task's data hold: classes, rows left out, repeated texts, texts with two golds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from headbench.nouns import Document
from headbench.tasks.classes import label_text
from headbench.tasks.data.source import DataRow
from headbench.tasks.documents import Shaper

MOST_CLASSES = 12
"""More different targets than this are answers, not classes."""


@dataclass(frozen=True)
class Survey:
    """What was counted over all rows, examples included.

    Attributes:
        documents: Rows that are asked about or shown as examples.
        classes: Class -> documents; empty where targets are no classes.
        left_out: Label -> rows that the task file leaves out.
        repeated: Documents that ask what another one asked before.
        contradictory: Texts that carry two golds or more.
        examples: Ids of a document of each of the first of these.
        apart: Repeated documents in another cluster than the first of their kind.
    """

    documents: int = 0
    classes: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    repeated: int = 0
    contradictory: int = 0
    examples: tuple[str, ...] = ()
    apart: int = 0

    def lines(self) -> list[str]:
        """The counts in words, one line each."""
        lines = []
        if self.classes:
            lines.append(f"classes: {_counts(self.classes)}")
        if self.left_out:
            lines.append(f"left out by label: {_counts(self.left_out)}")
        if self.repeated:
            where = (
                f"{self.apart} in other clusters" if self.apart else "in the cluster of that one"
            )
            lines.append(
                f"{self.repeated} of {self.documents} ask what an earlier one asks, {where}"
            )
        if self.contradictory:
            shown = ", ".join(self.examples)
            lines.append(f"texts that carry two golds: {self.contradictory}, e.g. document {shown}")
        return lines


def survey(
    rows: Iterable[DataRow], shaper: Shaper, named: Callable[[Document], Document] = lambda one: one
) -> Survey:
    """Count over every row of a split.

    Args:
        rows: All rows, sampled as the task does.
        shaper: Gives them the shape of documents.
        named: Replaces ids that a sensitive task may not print.

    Raises:
        HeadbenchError: A row is broken, or its label is unknown.
    """
    left_out: Counter[str] = Counter()
    classes: Counter[str] = Counter()
    first: dict[str, tuple[str, str]] = {}
    golds: dict[str, set[str]] = {}
    clusters: dict[str, str] = {}
    count = repeated = apart = 0
    for number, row in enumerate(rows):
        label = shaper.left_out(row, number)
        if label is not None:
            left_out[label] += 1
            continue
        document = named(shaper.clustered(shaper.document(row, number), clusters))
        count += 1
        gold = document.target
        classes[label_text(gold) if isinstance(gold, str | bool | int) else ""] += 1
        asked = shaper.asked(document)
        if asked is None:
            continue
        if asked in first:
            repeated += 1
            apart += first[asked][1] != document.cluster
        name = first.setdefault(asked, (document.id, document.cluster))[0]
        golds.setdefault(name, set()).add(repr(gold))
    two = [name for name, found in golds.items() if len(found) > 1]
    known = len(classes) <= MOST_CLASSES and "" not in classes
    return Survey(
        count, dict(sorted(classes.items())) if known else {}, dict(sorted(left_out.items())),
        repeated, len(two), tuple(two[:3]), apart,
    )  # fmt: skip


def _counts(counted: Mapping[str, int]) -> str:
    return ", ".join(f"{name or repr(name)} {count:,}" for name, count in counted.items())
