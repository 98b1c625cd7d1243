"""How the board prints numbers: few digits in a cell, all of them in CSV and JSON."""

from __future__ import annotations

import math
import re

NONE = "\N{EN DASH}"
"""Printed where there is no number."""
MINUS = "\N{MINUS SIGN}"


def figure(value: float | None, unit: str = "fraction") -> str:
    """A level: ``0.924``, ``1,080`` for counts, ``12.3`` for words and points."""
    if value is None or math.isnan(value):
        return NONE
    if isinstance(value, int) or (unit == "count" and float(value).is_integer()):
        return _signed(f"{value:,.0f}")
    return _signed(f"{value:.3f}" if unit == "fraction" else f"{value:,.2f}")


def difference(value: float | None, unit: str = "fraction") -> str:
    """A difference with its sign: ``+0.031``, and ``0.000`` without one."""
    if value is None or math.isnan(value):
        return NONE
    text = f"{abs(value):.3f}" if unit == "fraction" else f"{abs(value):,.2f}"
    if not text.strip("0.,"):
        return text
    return f"{'+' if value > 0 else MINUS}{text}"


def share(value: float | None) -> str:
    """A share as a percentage: ``31.7 %``."""
    if value is None or math.isnan(value):
        return NONE
    return f"{100 * value:.1f} %"


def p_value(value: float | None) -> str:
    """``p .012`` or ``p < .001``."""
    if value is None or math.isnan(value):
        return NONE
    return "p < .001" if value < 0.001 else f"p {value:.3f}".replace("0.", ".", 1)


def pixels(value: float) -> str:
    """A coordinate of a drawing.

    Raises:
        ValueError: it is not finite.
    """
    if not math.isfinite(value):
        raise ValueError("a drawing has a coordinate that is not finite")
    text = f"{value:.1f}"
    return text[:-2] if text.endswith(".0") else text


def along(value: float, low: float, high: float, width: float) -> float:
    """Where a value lies on an axis from 0 to ``width``, kept within it."""
    if high <= low:
        return width / 2
    return min(width, max(0.0, (value - low) / (high - low) * width))


def _signed(text: str) -> str:
    return text.replace("-", MINUS)


def reach(value: float) -> float:
    """A round number no smaller than a value, for the end of an axis: 1, 2 or 5 times a power."""
    if value <= 0 or not math.isfinite(value):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    for step in (1, 2, 5, 10):
        if value <= step * power * (1 + 1e-9):
            return float(f"{step * power:.6g}")
    return 10 * power


def natural(text: str) -> tuple[tuple[int, float, str], ...]:
    """A sort key by which ``alpha=2`` stands before ``alpha=10``."""
    parts = re.split(r"(\d+(?:\.\d+)?)", text)
    return tuple(
        (1, float(part), "") if at % 2 else (0, 0.0, part) for at, part in enumerate(parts)
    )
