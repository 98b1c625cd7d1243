"""The evidence of ``ref-lm-v2`` as Markdown tables, for its card and its page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Table = Mapping[str, Any]
TASKS = ("walls", "stickiness", "niah")


def criteria_table(table: Table, others: Sequence[Table] = ()) -> str:
    """What the model must show, and whether it does.

    Args:
        table: Of the shipped seed.
        others: Of other training seeds, a column each.
    """
    rows = [
        (
            criterion["name"],
            criterion["bound"],
            *(_verdict(one["gates"][at]) for one in (table, *others)),
        )
        for at, criterion in enumerate(table["gates"])
    ]
    heading = [f"seed {table['seed']}, shipped", *(f"seed {one['seed']}" for one in others)]
    return markdown(("quantity", "bound", *heading), rows)


def _verdict(criterion: Mapping[str, Any]) -> str:
    figure = _figure(criterion["value"])
    return figure if criterion["holds"] else f"**{figure} (fails)**"


def rates_table(table: Table) -> str:
    """Every rate with its interval and count."""
    rows = [
        (name, _figure(rate["value"]), f"{rate['low']:.3f} .. {rate['high']:.3f}", str(rate["n"]))
        for name, rate in _rates(table)
    ]
    return markdown(("rate", "value", "95 % (Wilson)", "n"), rows)


def interventions_table(table: Table) -> str:
    """The main figure of each task by condition, controls as a range."""
    conditions = table["toggles"]
    rows = []
    for name, row in conditions.items():
        if row["role"] == "control":
            continue
        rows.append((f"`{name}`", *(_cell(row.get(task), row["status"]) for task in TASKS)))
        controls = [
            other
            for label, other in conditions.items()
            if other["role"] == "control" and label.startswith(f"{name}#")
        ]
        if controls:
            label = f"{len(controls)} random draws of other heads"
            rows.append((label, *(_span(controls, task) for task in TASKS)))
    return markdown(("condition", "walls: groups", "stickiness: rescue", "niah: recall"), rows)


def scores_table(table: Table) -> str:
    """Heads with a copy score of at least .1, best first."""
    found = sorted(
        (
            (score, layer, head)
            for layer, row in enumerate(table["copy_scores"])
            for head, score in enumerate(row)
            if score >= 0.1
        ),
        reverse=True,
    )
    return ", ".join(f"({layer}, {head}) {score:.2f}" for score, layer, head in found)


def markdown(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(heading) + " |", "|" + "---|" * len(heading)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _rates(table: Table) -> list[tuple[str, Mapping[str, Any]]]:
    walls, sticky = table["walls"], table["stickiness"]
    rows = [(f"recall at {length}", rate) for length, rate in table["recall"].items()]
    rows += [("groups found", walls["groups"]), ("walls solved", walls["solved"])]
    for count, part in walls["herrings"].items():
        rows.append((f"groups found, {count} red herrings", part["groups"]))
        rows.append((f"walls solved, {count} red herrings", part["solved"]))
    rows += [
        ("groups found that training never showed", walls["groups_held"]["unseen"]),
        ("other groups found", walls["groups_held"]["other"]),
        ("connections named", walls["connections"]),
        ("zero-shot labels that follow the prior", sticky["prior"]),
        ("rescue, pooled", sticky["rescue"]),
        ("rescue, pooled, pairs that training never joined", sticky["pairs_held"]["rescue"]),
        ("ever rescued", sticky["ever_rescued"]),
    ]
    rows += [(f"rescue, {_plain(name)}", rate) for name, rate in sticky["rescue_by"].items()]
    rows += [(f"damage, {_plain(name)}", rate) for name, rate in sticky["damage_by"].items()]
    return rows


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _cell(value: float | None, status: str) -> str:
    return _figure(value) if status == "ok" else f"{_figure(value)} ({status})"


def _span(rows: Sequence[Mapping[str, Any]], task: str) -> str:
    values = sorted(row[task] for row in rows if row.get(task) is not None)
    return " .. ".join(dict.fromkeys((_figure(values[0]), _figure(values[-1])))) if values else "-"
