"""One page per intervention: formula, dose-response, every difference, what papers print."""

from __future__ import annotations

import inspect
import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from headbench.errors import HeadbenchError
from headbench.interventions import method_catalogue
from headbench.interventions.grammar import parse
from headbench.interventions.method_catalogue import Method
from headbench.leaderboard import numbers
from headbench.leaderboard.cells import ShownCell, ShownRow, common_reach, direction, rows
from headbench.leaderboard.links import (
    intervention_page,
    items_page,
    method_names,
    published_page,
    task_page,
)
from headbench.leaderboard.page import Page, Part
from headbench.leaderboard.published_cards import card_anchor
from headbench.leaderboard.sources import Sources
from headbench.leaderboard.tasks_pages import ForestLine

FEWEST_DOSES = 2


@dataclass(frozen=True)
class Parameter:
    """A parameter of a method, as its documentation has it."""

    name: str
    kind: str
    default: str
    description: str


@dataclass(frozen=True)
class Sweep:
    """The doses of one parameter, on one task and model, everything else the same.

    Attributes:
        row: The task on a model.
        parameter: What was swept.
        fixed: The other parameters.
        cells: Dose and condition, in the order of doses.
        controls: Per control draw: dose and difference to the unedited model.
    """

    row: ShownRow
    parameter: str
    fixed: str
    cells: tuple[tuple[float, ShownCell], ...]
    controls: tuple[tuple[tuple[float, float], ...], ...]

    @property
    def points(self) -> list[tuple[float, float, float | None, float | None]]:
        """Dose, difference and the ends of its interval."""
        found: list[tuple[float, float, float | None, float | None]] = []
        for dose, cell in self.cells:
            paired = cell.line.paired if cell.line else None
            if paired is None:  # an inert dose is the unedited model
                found.append((dose, 0.0, None, None))
            else:
                found.append((dose, paired.difference, paired.low, paired.high))
        return found

    @property
    def band(self) -> list[tuple[float, float]]:
        """Dose and the smallest difference that its test would have found, where that is known."""
        found = []
        for dose, cell in self.cells:
            paired = cell.line.paired if cell.line else None
            if paired and paired.detectable is not None and math.isfinite(paired.detectable):
                found.append((dose, paired.detectable))
        return found

    @property
    def ends(self) -> tuple[float, float]:
        """Ends of the axis of differences; an interval goes beyond where it is far wider."""
        heights = [0.0, *(point[1] for point in self.points)]
        heights += [height for line in self.controls for _, height in line]
        spread = (max(heights) - min(heights)) or 0.05
        reached = [
            end
            for point in self.points
            for end in point[2:]
            if end is not None and min(heights) - spread <= end <= max(heights) + spread
        ]
        low, high = min(*heights, *reached), max(*heights, *reached)
        room = 0.06 * (high - low)
        return (low - room, high + room)


def intervention_parts(sources: Sources) -> Iterator[Part]:
    """A page per method that results name, and the list of them."""
    shown = rows(sources)
    cells: dict[str, list[tuple[ShownRow, ShownCell]]] = defaultdict(list)
    for row in shown:
        for cell in row.cells.values():
            for name in dict.fromkeys(method_names(cell.result.arm.name)):
                cells[name].append((row, cell))
    papers = _papers(sources)
    listed = []
    for name in sorted(cells):
        method = _method(name)
        found = cells[name]
        listed.append((name, method, found, papers.get(name, [])))
        plots = _forest(found)
        yield Page(
            intervention_page(name),
            name,
            "intervention.html",
            {
                "name": name,
                "method": method,
                "formula": formula(method) if method else "",
                "parameters": parameters(method) if method else [],
                "sweeps": sweeps(found),
                "plots": plots,
                "reaches": {
                    unit: common_reach([one.cell for one in lines]) for unit, lines in plots.items()
                },
                "controlled": [one for one in found if one[1].result.arm.controls],
                "without": [(row, cell) for row, cell in found if cell.reason],
                "papers": papers.get(name, []),
                "costs": sources.costs.of.get(name, ()),
                "machine": sources.costs.machine,
                "task_page": task_page,
                "items_page": items_page,
                "direction": direction,
            },
            under="interventions",
        )
    if listed:
        yield Page(
            "interventions",
            "Interventions",
            "interventions.html",
            {"listed": listed, "intervention_page": intervention_page},
            nav="Interventions",
            nav_order=30,
        )


def _method(name: str) -> Method | None:
    try:
        return method_catalogue.get(name)
    except HeadbenchError:  # a user's own, which is not installed here
        return None


def formula(method: Method) -> str:
    """The documentation of the module that a method is written in: formula, source, refusals."""
    module = inspect.getmodule(method.build)
    text = inspect.cleandoc(module.__doc__ or "") if module else ""
    return text.replace("``", "").replace("::\n", ":\n")  # it is shown as it is, not as markup


def parameters(method: Method) -> list[Parameter]:
    """The parameters of a method, with what their documentation says."""
    schema = method.params_model.model_json_schema()
    return [
        Parameter(
            name,
            _kind(said),
            "none" if said.get("default") is None else json.dumps(said["default"]),
            " ".join(str(said.get("description", "")).split()),
        )
        for name, said in schema.get("properties", {}).items()
    ]


def _kind(said: Mapping[str, object]) -> str:
    """A parameter's type in a few words."""
    choices = said.get("enum")
    if isinstance(choices, list):
        return " or ".join(map(str, choices))
    several = said.get("anyOf")
    if isinstance(several, list):
        return " or ".join(_kind(one) for one in several if one.get("type") != "null")
    if said.get("type") == "array":
        inner = said.get("items") or said.get("prefixItems")
        return f"list of {_kind(inner)}" if isinstance(inner, dict) else "list"
    return str(said.get("type", said.get("const", "value")))


# ------------------------------------------------------------------ sweeps


def sweeps(found: Sequence[tuple[ShownRow, ShownCell]]) -> list[Sweep]:
    """Every curve that the conditions of a method make: two doses or more, all else the same."""
    groups: dict[tuple[str, str, str], dict[float, ShownCell]] = {}
    places: dict[str, ShownRow] = {}
    for row, cell in found:
        places[row.result.id] = row
        for parameter, dose, fixed in _doses(cell.result.arm.name):
            groups.setdefault((row.result.id, parameter, fixed), {})[dose] = cell
    made = [
        Sweep(places[place], parameter, fixed, doses, _draws(places[place], doses))
        for (place, parameter, fixed), by_dose in groups.items()
        if len(by_dose) >= FEWEST_DOSES and any(cell.line for cell in by_dose.values())
        for doses in [tuple(sorted(by_dose.items()))]
    ]
    return sorted(made, key=lambda one: (one.row.key, one.parameter, one.fixed))


def _doses(condition: str) -> Iterator[tuple[str, float, str]]:
    """Each number of a condition's only method: its name, the number, all other parameters."""
    try:
        (part,) = parse(condition).parts
    except (HeadbenchError, ValueError):  # several methods: no one parameter is the dose
        return
    params = dict(part.params)
    for name, value in params.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            rest = {key: other for key, other in params.items() if key != name}
            fixed = ", ".join(f"{key}={other}" for key, other in sorted(rest.items()))
            yield name, float(value), fixed


def _draws(
    row: ShownRow, doses: Sequence[tuple[float, ShownCell]]
) -> tuple[tuple[tuple[float, float], ...], ...]:
    """The same draw at every dose is one line: it has the same heads."""
    base = row.baseline.main.value if row.baseline.main else None
    lines: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for dose, cell in doses:
        for control in cell.controls:
            figure = control.metrics.get(control.task.main_metric)
            if figure and figure.value is not None and base is not None:
                height = figure.value - base
                if math.isfinite(height):
                    lines[control.arm.draw or 0].append((dose, height))
    return tuple(tuple(line) for _, line in sorted(lines.items()))


# ------------------------------------------------------------------ differences, papers


def _forest(found: Sequence[tuple[ShownRow, ShownCell]]) -> dict[str, list[ForestLine]]:
    """Unit -> every difference of a method: figures of one unit share an axis."""
    plots: dict[str, list[ForestLine]] = {}
    for row, cell in found:
        if cell.line and cell.line.paired:
            label = f"{cell.result.task.name} {row.metric}, {cell.result.model.name}"
            line = ForestLine(label, cell.page, cell, cell.result.arm.name)
            plots.setdefault(cell.unit, []).append(line)
    for lines in plots.values():
        lines.sort(key=lambda one: (one.label, numbers.natural(one.condition)))
    return dict(sorted(plots.items()))


def _papers(sources: Sources) -> dict[str, list[dict[str, object]]]:
    """Method -> the tables that print it, with a link to each card."""
    seen: dict[tuple[str, str], dict[str, object]] = {}
    found: dict[str, list[dict[str, object]]] = defaultdict(list)
    for cell in sources.papers.cells:
        if not cell.arm:
            continue
        anchor = card_anchor(cell)
        if (cell.arm, anchor) not in seen:
            seen[cell.arm, anchor] = {
                "paper": cell.paper,
                "arxiv": cell.arxiv,
                "table": cell.table,
                "family": cell.family,
                "page": published_page(cell.family),
                "anchor": anchor,
                "figures": 0,
            }
            found[cell.arm].append(seen[cell.arm, anchor])
        one = seen[cell.arm, anchor]
        one["figures"] = int(str(one["figures"])) + 1
    return found
