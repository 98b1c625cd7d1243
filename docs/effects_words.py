"""What a row of measured effects allows to say, and how figures are written out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from headbench.interventions.grammar import parse
from headbench.scoring.statistics import holm

MAIN = {"niah": "recall", "chair": "chair_i", "pope": "accuracy"}
WORDS = {"niah": "recall", "chair": "CHAIR_i", "pope": "POPE accuracy"}
LEVEL = 0.05
"""What counts as seen: p below this, after Holm's adjustment over a section's cells of one task."""


@dataclass(frozen=True)
class Effect:
    """A row of the table, with what can be said of it.

    Attributes:
        row: The row.
        p: p of its main metric after Holm's adjustment; ``None`` where it has none.
    """

    row: Mapping[str, Any]
    p: float | None

    @property
    def arm(self) -> str:
        """The toggle."""
        return str(self.row["arm"])

    @cached_property
    def params(self) -> Mapping[str, Any]:
        """The toggle's parameters."""
        return parse(self.arm).parts[0].params

    @property
    def method(self) -> str:
        """The toggle's method."""
        return parse(self.arm).parts[0].name

    @property
    def main(self) -> Mapping[str, Any]:
        """Figures of the main metric; empty for an inert cell."""
        return self.of(MAIN[self.row["task"]])

    def of(self, metric: str) -> Mapping[str, Any]:
        """Figures of one metric."""
        found: Mapping[str, Any] = self.row["metrics"].get(metric, {})
        return found

    @property
    def others(self) -> list[float]:
        """Change of the main metric under each control draw."""
        name = MAIN[self.row["task"]]
        values = [control.get(name) for control in self.row["controls"]]
        return [value - self.main["base"] for value in values if value is not None]

    @property
    def seen(self) -> bool:
        """Whether the main metric moved, beyond chance."""
        return self.p is not None and self.p < LEVEL

    @property
    def own(self) -> bool:
        """Whether it moved further than under every control; there must be one."""
        moved = abs(self.main["difference"]) if self.main else 0.0
        return bool(self.others) and all(abs(other) < moved for other in self.others)

    @property
    def better(self) -> bool:
        """Whether the main metric moved to its better side."""
        return bool(self.main) and (self.main["difference"] > 0) == self.main["higher_is_better"]

    @property
    def verdict(self) -> str:
        """What the figures allow to say, in few words."""
        if self.row["status"] == "inert":
            return "inert"
        if not self.seen:
            return "not seen"
        direction = "better" if self.better else "worse"
        if not self.others:
            return f"{direction}, no control"
        return f"{direction}, beyond controls" if self.own else f"{direction}, as its controls"


def effects(table: Mapping[str, Any], section: str, task: str) -> list[Effect]:
    """A section's cells of one task."""
    rows = [r for r in table["rows"] if (r["section"], r["task"]) == (section, task)]
    adjusted = holm([r["metrics"].get(MAIN[task], {}).get("p") for r in rows])
    return [Effect(row, p) for row, p in zip(rows, adjusted, strict=True)]


# ------------------------------------------------------------------ words for numbers


def num(value: float | None, digits: int = 3) -> str:
    """A figure, or a dash."""
    return "–" if value is None else f"{value:.{digits}f}"


def change(figures: Mapping[str, Any], digits: int = 3) -> str:
    """A difference with its interval."""
    if not figures:
        return "–"
    if figures["low"] is None:
        return f"{figures['difference']:+.{digits}f}"
    low, high = figures["low"], figures["high"]
    return f"{figures['difference']:+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f})"


def signs(values: Iterable[float]) -> str:
    """Several differences."""
    return ", ".join(f"{value:+.3f}" for value in values) or "–"


def between(values: Sequence[float], sign: str = "") -> str:
    """Where some figures lie."""
    if not values:
        return "–"
    low, high = min(values), max(values)
    same = f"{low:{sign}.3f}" == f"{high:{sign}.3f}"
    return f"{low:{sign}.3f}" if same else f"{low:{sign}.3f} to {high:{sign}.3f}"


def listed(words: Sequence[str], none: str = "none") -> str:
    """Words as an enumeration."""
    if not words:
        return none
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def grid(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table."""
    lines = ["| " + " | ".join(heading) + " |", "|" + "---|" * len(heading)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"


def losses(found: Sequence[Effect]) -> str:
    """What the toggles and their controls do to plain text."""
    own = [e.row["loss"] - e.row["loss_base"] for e in found if e.row["loss"] is not None]
    drawn = [c["loss"] - e.row["loss_base"] for e in found for c in e.row["controls"]
             if c["loss"] is not None]  # fmt: skip
    if not own:
        return "The model cannot score neutral text."
    beside = f", under the controls by {between(drawn, '+')}" if drawn else ""
    return (
        f"Loss on neutral text moves by {between(own, '+')} nats a token under the toggles{beside}."
    )
