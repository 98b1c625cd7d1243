"""From the outcome of a run to rows of plain JSON: what the page of effects stores and reads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

FORMAT = "headbench-effects@2"
KEPT = {
    "niah": ("recall",),
    "chair": ("chair_i", "recall", "len"),
    "pope": ("accuracy", "yes_ratio"),
}
"""Task -> metrics that the page shows, the main one first."""
DIGITS = 4
Row = Mapping[str, Any]


def rows(section: str, outcome: Any) -> list[Row]:
    """One row for each intervention and task of a run."""
    results = outcome.results
    found = []
    for comparison in outcome.comparisons:
        condition, task = comparison.other.arm, comparison.other.task.name
        controls = [r for r in results if r.arm.of == condition.name and r.task.name == task]
        found.append(_row(section, comparison, controls))
    return found


def _row(section: str, comparison: Any, controls: Sequence[Any]) -> Row:
    other = comparison.other
    metrics = {}
    for line in comparison.lines:
        if line.name not in KEPT[other.task.name] or line.paired is None:
            continue
        paired = line.paired
        figures = (paired.value_a, paired.value_b, paired.difference, paired.low, paired.high)
        names = ("base", "value", "difference", "low", "high")
        metrics[line.name] = {
            **dict(zip(names, map(_round, figures), strict=True)),
            "p": paired.p and float(f"{paired.p:.3g}"),
            "detectable": _round(paired.detectable),
            "higher_is_better": line.metric.higher_is_better,
            "less_controls": _less(line),
            "rank": _rank(line),
        }
    drawn = other.arm.controls
    return {
        "section": section,
        "task": other.task.name,
        "arm": short(other.arm.name),
        "status": other.status,
        "reason": other.reason,
        "documents": other.coverage.expected,
        "metrics": metrics,
        "changed_share": _round(comparison.changed_share),
        "first_token_kl": _round(comparison.first_token_kl),
        "losses": [_loss(found) for found in comparison.neutral],
        "control_unit": drawn.unit if drawn else "",
        "possible": drawn.possible if drawn else 0,
        "controls": [
            {name: _round(control.metrics[name].value) for name in metrics} for control in controls
        ],
    }


def short(condition: str) -> str:
    """A condition's name without the folder of the vectors that it reads."""
    head, found, tail = condition.partition("file='")
    return (
        f"{head}file='{Path(tail.split(chr(39))[0]).name}'{tail.partition(chr(39))[2]}"
        if found
        else condition
    )


def _less(line: Any) -> Row | None:
    """The change less the mean change under the controls, with its interval."""
    found = line.against
    if found is None:
        return None
    figures = (found.difference, found.low, found.high)
    return dict(zip(("difference", "low", "high"), map(_round, figures), strict=True))


def _rank(line: Any) -> Row | None:
    """The place among the controls, from the nearer end."""
    found = line.rank
    if found is None:
        return None
    return {"rank": found.rank, "of": found.of, "end": found.end, "p": _round(found.p)}


def _loss(found: Any) -> Row:
    """What became of the loss on one neutral text, nats per token."""
    moved, same = found.change, found.on_same
    return {
        "text": found.text,
        "passages": moved.passages,
        "base": _round(found.base),
        **{
            name: _round(value)
            for name, value in zip(
                ("difference", "low", "high"), (moved.change, moved.low, moved.high), strict=True
            )
        },
        "few": same.passages if same else 0,
        "on_few": _round(same.change) if same else None,
        "controls": [_round(control.change) for control in found.controls],
    }


def _round(value: float | None) -> float | None:
    return None if value is None or value != value else round(value, DIGITS)


def differences(stored: Iterable[Row], now: Iterable[Row], tolerance: float) -> list[str]:
    """Where two measurements of the same cells disagree, in words.

    Another processor may flip the odd answer that lies within rounding, so figures may differ by
    ``tolerance``, absolute; the conditions, their status and their number may not.
    """
    before, after = (
        {(r["section"], r["task"], r["arm"]): r for r in side} for side in (stored, now)
    )
    found = [f"{key}: measured, not stored" for key in after.keys() - before.keys()]
    found += [f"{key}: stored, not measured" for key in before.keys() - after.keys()]
    for key in before.keys() & after.keys():
        found += [
            f"{' '.join(key)}: {what}: stored {old}, now {new}"
            for what, old, new in _unlike(before[key], after[key], tolerance)
        ]
    return sorted(found)


def _unlike(one: Row, two: Row, tolerance: float) -> list[tuple[str, object, object]]:
    pairs: list[tuple[str, Any, Any]] = [("status", one["status"], two["status"])]
    for name in one["metrics"].keys() | two["metrics"].keys():
        scale = 0.1 if name == "len" else 1.0
        for what in ("base", "value"):
            first, second = (
                _scaled(row["metrics"].get(name, {}), what, scale) for row in (one, two)
            )
            pairs.append((f"{name} {what}", first, second))
    return [(what, a, b) for what, a, b in pairs if not _close(a, b, tolerance)]


def _scaled(figures: Row, what: str, scale: float) -> float | None:
    value = figures.get(what)
    return None if value is None else float(value) * scale


def _close(one: object, two: object, tolerance: float) -> bool:
    if isinstance(one, float) and isinstance(two, float):
        return abs(one - two) <= tolerance
    return one == two


def read(path: Path) -> dict[str, Any]:
    """The stored table."""
    table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if table.get("format") != FORMAT:
        raise SystemExit(f"{path} is not of the format {FORMAT}: write it anew")
    return table


def write(path: Path, table: Mapping[str, Any]) -> None:
    """Store a table, one row a line, so that a change of one cell is a change of one line."""
    lines = ",\n".join(f"  {json.dumps(row, sort_keys=True)}" for row in table["rows"])
    parts = [f' "{key}": {json.dumps(value)}' for key, value in table.items() if key != "rows"]
    parts.append(f' "rows": [\n{lines}\n ]')
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")
