"""Blocks as lines of text, fitted to a terminal: nothing is ever cut.

Columns at 80: value, difference, interval, p, control. From 120 on also a bar around zero, the
share of changed outputs and the loss on neutral text. A name that is longer than its column takes
a line of its own. A pipe gets the same text as a terminal of 120 columns, without bold.
"""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from headbench.results.condition_blocks import Block, Row, figure_text
from headbench.results.markup import visible

NARROW, WIDE = 80, 120
"""Columns that the two layouts are made for; a narrower terminal wraps the first."""
_BAR = 21
"""Characters of a bar; odd, so that zero has one of its own."""
_CURVE = 41
"""The same for a dose curve below a narrow block."""


@dataclass(frozen=True)
class Line:
    """One line; bold where its condition stands out."""

    text: str
    bold: bool = False


def lines(block: Block, width: int, *, full: bool = False) -> Iterator[Line]:
    """A block as lines.

    Args:
        block: What is shown.
        width: Columns of the terminal.
        full: Also further metrics, p before its adjustment, KL and detectable differences.
    """
    layout = _Layout.of(block, width)
    yield from (Line(line) for line in layout.heading(block))
    for row in block.rows:
        yield from layout.condition(row, full=full)
    if not layout.bar:
        for sweep in block.sweeps:
            yield from _curve(block, sweep)


def wrapped(text: str, width: int, *, indent: int = 0) -> list[str]:
    """A note within the width; words are not broken, so a long path may reach beyond it."""
    return textwrap.wrap(
        visible(text),
        max(width, 40),
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 2),
        break_long_words=False,
        break_on_hyphens=False,
    )


def wrapped_command(label: str, command: str, width: int) -> list[str]:
    r"""``label: command`` within the width, broken between words of the shell with ``\``.

    What stands behind the label can be copied into a shell, however many lines it takes.
    """
    words: list[str] = []
    for word in map(shlex.quote, shlex.split(visible(command))):
        if words and words[-1].startswith("--") and " " not in words[-1] and word[:2] != "--":
            words[-1] += f" {word}"  # an option and its value stay together
        else:
            words.append(word)
    found, line = [], f"{label}:"
    for word in words:
        if len(line) + len(word) + 3 > width and not line.endswith(":"):
            found.append(line + " \\")
            line = "   "
        line += f" {word}"
    return [*found, line]


@dataclass(frozen=True)
class _Layout:
    """Widths of the columns of one block.

    Attributes:
        width: Columns of the terminal.
        name: The first column.
        cells: Width of each further column, by name, in order.
        unit: Of the main metric.
        reach: Half of what a bar spans; 0 where no bar is drawn.
    """

    width: int
    name: int
    cells: dict[str, int]
    unit: str
    reach: float = 0.0

    @property
    def bar(self) -> bool:
        """Whether intervals are drawn."""
        return "bar" in self.cells

    @classmethod
    def of(cls, block: Block, width: int) -> _Layout:
        """Columns as wide as what stands in them; the name takes what is left."""
        every = [part for row in block.rows for part in _all_rows(row)]
        heads = _heads(block)
        names = ["value", "difference", "low", "high", "p", "control"]
        wide = width >= WIDE
        conditions = [row for row in block.rows if not row.words]
        if wide and any(row.span for row in conditions):
            names[names.index("p") : names.index("p")] = ["bar"]
            names += ["changed", "loss"]
        cells = {
            name: max((len(getattr(row, name)) for row in every if name != "bar"), default=0)
            for name in names
        }
        cells = {
            name: max(longest, len(heads.get(name, "")))
            for name, longest in cells.items()
            if longest or name == "bar"
        }
        if "low" in cells:  # its heading stands over both ends
            cells["high"] = max(cells["high"], len(heads["low"]) - cells["low"] - 1)
        if "bar" in cells:
            cells["bar"] = _BAR
        rest = sum(size + _gap(name) for name, size in cells.items())
        longest = max(len(visible(row.name)) + 2 for row in every)
        name = max(16, min(longest, max(width, NARROW) - rest))
        reach = _reach(block.rows) if "bar" in cells else 0.0
        return cls(width, name, cells, block.unit, reach)

    def heading(self, block: Block) -> Iterator[str]:
        left = f"{visible(block.task)}  {visible(block.metric)}"
        right = f"{visible(block.model)}   {block.n}"
        room = max(self.width, NARROW) - len(left) - len(right)
        if room >= 3:
            total = self.name + sum(size + _gap(name) for name, size in self.cells.items())
            yield left + " " * max(3, min(room, total - len(left) - len(right))) + right
        else:
            yield from (left, f"  {right}")
        yield self._columns(_heads(block))

    def condition(self, row: Row, *, full: bool) -> Iterator[Line]:
        if row.words:
            for line in wrapped(f"{row.name}  {row.words}", self.width):
                yield Line(line)
            return
        yield from self._named(row, 0, bold=row.stands_out)
        below = list(self._below(row, full=full))
        for one in below:
            yield from self._named(one, 2)
        if full and row.facts:
            yield from (Line(line) for line in wrapped("; ".join(row.facts), self.width, indent=2))

    def _below(self, row: Row, *, full: bool) -> Iterator[Row]:
        if row.controls is not None and (full or not self.bar):
            yield row.controls
        if full:
            yield from row.losses
        elif not self.bar and row.losses:
            yield max(row.losses, key=lambda one: abs(float(one.difference or 0)))
        if full:
            for metric in row.metrics:
                yield metric
                if metric.controls is not None:
                    yield replace(metric.controls, name=f"  {metric.controls.name}")

    def _named(self, row: Row, indent: int, *, bold: bool = False) -> Iterator[Line]:
        name = " " * indent + visible(row.name)
        if len(name) > self.name and row.value:
            yield from (Line(line, bold) for line in _broken(name, self.width))
            name = ""
        yield Line(self._text(replace(row, name=name)), bold)

    def _text(self, row: Row) -> str:
        parts = [row.name.ljust(self.name)]
        for name, size in self.cells.items():
            cell = self._cell(row, name)
            parts.append(" " * _gap(name) + _fitted(name, cell, size))
        return "".join(parts).rstrip()

    def _columns(self, heads: dict[str, str]) -> str:
        """The headings; that of the interval stands over both of its ends."""
        parts = [" " * self.name]
        for name, size in self.cells.items():
            if name == "high":
                continue
            head = self._scale() if name == "bar" else heads[name]
            both = size + _gap("high") + self.cells["high"] if name == "low" else size
            text = head.center(both) if name == "low" else _fitted(name, head, both)
            parts.append(" " * _gap(name) + text)
        return "".join(parts).rstrip()

    def _cell(self, row: Row, name: str) -> str:
        if name != "bar":
            return str(getattr(row, name))
        return "" if row.span is None else drawn(row.span, self.reach, _BAR)

    def _scale(self) -> str:
        return _axis(self.reach, self.unit, _BAR)


def drawn(span: tuple[float, float, float], reach: float, size: int) -> str:
    """An interval as ``|--*--|`` with ``:`` at zero, which stands in the middle.

    Args:
        span: Low end, difference, high end.
        reach: What half of the bar spans.
        size: Characters, an odd number.
    """
    half = size // 2
    low, at, high = (
        half + max(-half, min(half, round(half * end / reach))) if reach else half for end in span
    )
    cells = [" "] * size
    cells[half] = ":"
    cells[low : high + 1] = "-" * (high + 1 - low)
    cells[low] = cells[high] = "|"
    cells[at] = "*"
    return "".join(cells)


def _curve(block: Block, sweep: Sequence[tuple[str, str]]) -> Iterator[Line]:
    """The dose curve of a sweep: one bar per strength, on one scale, and where it does damage."""
    rows = {row.name: row for row in block.rows}
    members = [(strength, rows[name]) for name, strength in sweep]
    spans = [row for _, row in members if row.span is not None]
    if len(spans) < 2:
        return
    reach = _reach(spans)
    doses = max(len("dose curve") - 2, *(len(strength) for strength, _ in members))
    values = max(len(row.value) for _, row in members)
    yield Line("")
    yield Line("dose curve".ljust(doses + values + 6) + _axis(reach, block.unit, _CURVE))
    for strength, row in members:
        bar = row.words or "" if row.span is None else drawn(row.span, reach, _CURVE)
        text = f"  {strength:>{doses}}  {row.value:>{values}}  {bar:<{_CURVE}}"
        yield Line((text + ("  damage" if row.damage else "")).rstrip(), row.stands_out)


def _reach(rows: Iterable[Row]) -> float:
    """The largest distance from zero of any end of an interval."""
    return max((abs(end) for row in rows if row.span for end in row.span), default=0.0)


def _all_rows(row: Row) -> Iterator[Row]:
    yield row
    below = [row.controls, *row.losses, *row.metrics]
    below += [metric.controls for metric in row.metrics]
    yield from (one for one in below if one is not None)


def _heads(block: Block) -> dict[str, str]:
    compared = any(row.difference or row.words for row in block.rows)
    return {
        "value": "value",
        "difference": "diff" if compared else "",
        "low": block.level,
        "p": block.p,
        "control": "control" if compared else "",
        "changed": "changed",
        "loss": "loss",
    }


def _axis(reach: float, unit: str, size: int) -> str:
    """The scale of a bar: both ends, and zero in the middle."""
    low, high = (figure_text(end, unit, signed=True) for end in (-reach, reach))
    return low + "0".center(size - len(low) - len(high)) + high


def _fitted(name: str, cell: str, size: int) -> str:
    """Figures end in line; bars and words begin in line."""
    return cell.ljust(size) if name in ("bar", "control") else cell.rjust(size)


def _gap(name: str) -> int:
    return {"high": 1, "bar": 3, "control": 3}.get(name, 2)


def _broken(name: str, width: int) -> list[str]:
    """A name over as many lines as it needs, broken where an argument ends if it can be."""
    room = max(width, NARROW)
    found = []
    rest = name
    while len(rest) > room:
        cut = max(rest.rfind(sign, 20, room) for sign in ",+ ]")
        cut = room if cut < 20 else cut + 1
        found.append(rest[:cut].rstrip())
        rest = "    " + rest[cut:].lstrip()
    return [*found, rest]
