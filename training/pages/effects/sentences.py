"""What a row of measured effects allows to say, and how figures are written out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from headbench.interventions.grammar import parse
from headbench.statistics import holm

MAIN = {"niah": "recall", "chair": "chair_i", "pope": "accuracy"}
WORDS = {"niah": "recall", "chair": "CHAIR_i", "pope": "POPE accuracy"}
LEVEL = 0.05
"""What counts as seen: p below this, after Holm's adjustment over a section's cells of one task."""
FEW = 3
"""Up to this many control draws are listed one by one."""


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
    def condition(self) -> str:
        """The intervention."""
        return str(self.row["arm"])

    @cached_property
    def params(self) -> Mapping[str, Any]:
        """The intervention's parameters."""
        return parse(self.condition).parts[0].params

    @property
    def method(self) -> str:
        """The intervention's method."""
        return parse(self.condition).parts[0].name

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
    def rank(self) -> Mapping[str, Any]:
        """Place of the main metric among the controls; empty without controls."""
        found: Mapping[str, Any] = self.main.get("rank") or {}
        return found

    @property
    def less(self) -> Mapping[str, Any]:
        """The change less the mean change under the controls; empty without controls."""
        found: Mapping[str, Any] = self.main.get("less_controls") or {}
        return found

    @property
    def own(self) -> bool:
        """Whether the rank among the controls has a p of at most LEVEL, on the change's side."""
        p = self.rank.get("p")
        return p is not None and p <= LEVEL and self._same_side(self.rank["end"] == "high")

    @property
    def further(self) -> bool:
        """Whether the change is further out than the mean of the controls: interval without 0."""
        low, high = self.less.get("low"), self.less.get("high")
        if low is None or high is None:
            return False
        return bool(low > 0 or high < 0) and self._same_side(low > 0)

    def _same_side(self, up: bool) -> bool:
        return bool((self.main["difference"] > 0) == up)

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
        if self.own:
            return f"{direction}, beyond controls"
        return f"{direction}, {'beyond their mean' if self.further else 'as its controls'}"


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


def drawn(values: Sequence[float]) -> str:
    """Changes under the controls: each of a few, the mean and ends of many."""
    if len(values) <= FEW:
        return signs(values)
    mean = sum(values) / len(values)
    return f"{mean:+.3f} ({min(values):+.3f} to {max(values):+.3f}), {len(values)} draws"


def ranked(effect: Effect) -> str:
    """``1 of 40, p .050``."""
    found = effect.rank
    if not found:
        return "–"
    p = "" if found["p"] is None else f", p {found['p']:.3f}"
    return f"{found['rank']} of {found['of']} {found['end']}{p}"


def loss(effect: Effect) -> str:
    """Change of the loss on the first neutral text of the run, with its interval."""
    return change(effect.row["losses"][0]) if effect.row["losses"] else "–"


def losses(found: Sequence[Effect]) -> str:
    """What the interventions and their controls do to text that is true and asks nothing."""
    rows = [row for e in found for row in e.row["losses"]]
    if not rows:
        return "The model cannot score neutral text."
    return " ".join(
        _one_text(text, [row for row in rows if row["text"] == text])
        for text in dict.fromkeys(row["text"] for row in rows)
    )


def _one_text(text: str, rows: Sequence[Mapping[str, Any]]) -> str:
    moved = between([row["difference"] for row in rows], "+")
    said = (
        f"Loss on {text} ({rows[0]['passages']} passages, {num(rows[0]['base'])} nats per token "
        f"unedited) changes by {moved} under the interventions"
    )
    held = [row for row in rows if row["controls"]]
    if held:
        few = between([row["on_few"] for row in held], "+")
        others = between([value for row in held for value in row["controls"]], "+")
        said += f"; on {held[0]['few']} of them by {few}, under the controls by {others}"
    return f"{said}."
