"""What the methods share: a frozen base with the canonical form, and head methods with controls."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

from headbench.edits import Case, Contrast, Controls, Edit, Intervention, Plan, Probe
from headbench.errors import RefusedError
from headbench.interventions.control_draws import (
    Draws,
    apart_sets,
    layer_sets,
    other_sets,
    sets_from,
)
from headbench.interventions.grammar import MethodSpec, Value, print_part
from headbench.interventions.head_choice import AnyHeads, ChosenHeads, choose, read_map
from headbench.interventions.method_catalogue import MethodParams
from headbench.nouns import Capture, HeadTable, ModelInfo

if TYPE_CHECKING:
    from torch import Tensor

Seen = Mapping[str, Mapping[Capture, "Tensor"]]


@dataclass(frozen=True)
class BoundMethod:
    """A method with its parameters, on one model: no probe, no control, no edit by default.

    Attributes:
        name: The method's registered name.
        params: Its checked parameters.
        info: The model it was built for.
    """

    name: str
    params: MethodParams
    info: ModelInfo

    @property
    def canonical(self) -> str:
        """The printed form with every parameter resolved; ids use it."""
        return print_part(MethodSpec(self.name, self.resolved()))

    def resolved(self) -> dict[str, Value]:
        """Every parameter that is set, defaults included, as grammar values."""
        values = self.params.model_dump(exclude_none=True)
        return {key: _value(value) for key, value in values.items()}

    @property
    def needs(self) -> frozenset[str]:
        """What must be there before anything runs."""
        return frozenset()

    @property
    def artefacts(self) -> Mapping[str, str]:
        """What is read beside the parameters, by name, with its digest; nothing."""
        return {}

    @property
    def idle(self) -> bool:
        """Whether the strength is zero, so that the plan is empty and costs nothing."""
        return False

    def probes(self, case: Case) -> tuple[Probe, ...]:
        """Unedited passes that must run first; none."""
        return ()

    @abstractmethod
    def edits(self, case: Case | None, seen: Seen) -> tuple[Edit, ...]:
        """The edits, whatever their strength."""

    def plan(self, case: Case | None, seen: Seen) -> Plan:
        """The edits of one row; empty at strength zero."""
        return Plan() if self.idle else Plan(edits=self.edits(case, seen))

    def controls(self, count: int, seed: int) -> Controls | None:
        """There is no control unless the method declares one."""
        return None

    def contrast(self, kind: Contrast, count: int, seed: int) -> Controls | None:
        """Controls of another kind; ``None``: the method has none of this kind."""
        return None

    def rescaled(self, factor: float) -> Self | None:
        """The same method with its change multiplied; ``None``: its strength cannot be changed."""
        return None


SEEDS = 2**32
"""How many random draws a control may be one of."""


@dataclass(frozen=True)
class RedrawnMethod(BoundMethod):
    """A method whose control is the method itself with a random choice in place of its own.

    Attributes:
        draw: For a control: its number, which seeds the choice.
    """

    draw: int | None = field(default=None, kw_only=True)

    def resolved(self) -> dict[str, Value]:
        """Parameters; for a control, also its draw."""
        values = super().resolved()
        return values if self.draw is None else values | {"control": self.draw}

    def redrawn(self, unit: str, count: int, seed: int) -> Controls:
        """Controls that differ by the seed of their random choice alone."""
        draws: tuple[Intervention, ...] = tuple(
            replace(self, draw=(seed * 1_000_003 + number) % SEEDS) for number in range(count)
        )
        return Controls(unit, draws, SEEDS, excluded=False)


@dataclass(frozen=True)
class HeadMethod(BoundMethod):
    """A method that edits a fixed table of heads; its control edits other heads alike.

    Attributes:
        chosen: The heads, resolved for the model.
    """

    params: AnyHeads
    chosen: ChosenHeads

    @classmethod
    def of(cls, name: str, params: AnyHeads, info: ModelInfo) -> Self:
        """Build from parameters that choose heads."""
        return cls(name, params, info, choose(params, info))

    @property
    def table(self) -> HeadTable:
        """Layer -> heads."""
        return self.chosen.table

    def resolved(self) -> dict[str, Value]:
        """The parameters with the heads themselves in place of the way they were found."""
        values = super().resolved()
        for way in ("map", "top", "threshold", "fraction"):
            values.pop(way, None)
        values["heads"] = self.chosen.pairs
        return values

    @property
    def artefacts(self) -> Mapping[str, str]:
        """What was read beside the parameters: the head map and its digest."""
        return {"map": self.chosen.source} if self.chosen.source else {}

    def controls(self, count: int, seed: int) -> Controls | None:
        """The same edit on other heads of the same layers, as many in each.

        There is none when whole layers are edited: no other heads are left.
        """
        return self._drawn(other_sets(self._units, self._width, count, seed), SAME_LAYERS)

    def contrast(self, kind: Contrast, count: int, seed: int) -> Controls | None:
        """The same edit on heads apart from its own, of low score, or of other layers."""
        table, width, name = self._units, self._width, self.params.map
        found = contrast_sets(kind, table, width, self.info, name, count, seed)
        return None if found is None else self._drawn(*found, excluded=True)

    def _drawn(self, draws: Draws, unit: str, *, excluded: bool = False) -> Controls | None:
        if not draws.possible:
            return None
        methods: tuple[Intervention, ...] = tuple(self._on(table) for table in draws.tables)
        return Controls(
            unit.format(self._unit), methods, draws.possible, excluded, test=not excluded
        )

    # What a control draws: query heads, unless a method edits something that they share.

    @property
    def _unit(self) -> str:
        return "heads"

    @property
    def _units(self) -> HeadTable:
        """Layer -> units that are edited."""
        return self.table

    @property
    def _width(self) -> int:
        """Units per layer."""
        return self.info.heads

    def _on(self, units: HeadTable) -> Self:
        """The same edit on other units."""
        return replace(self, chosen=ChosenHeads(units))


SAME_LAYERS = "other {} of the same layers"


def contrast_sets(
    kind: Contrast,
    table: HeadTable,
    width: int,
    info: ModelInfo,
    map_name: str | None,
    count: int,
    seed: int,
) -> tuple[Draws, str] | None:
    """Draws of a contrast, with what they are in words; ``None``: no such contrast of fixed heads.

    Args:
        kind: Which contrast.
        table: Layer -> units that are edited.
        width: Units per layer: query heads, or key/value groups.
        info: The model.
        map_name: The head map that the heads were chosen from, where one was.
        count: Draws wanted.
        seed: Fixes the draws.
    """
    match kind.heads:
        case "apart":
            return apart_sets(table, width, count, seed), f"{SAME_LAYERS}, its own kept out"
        case "layers":
            draws = layer_sets(table, info.attending, width, count, seed)
            return draws, "{} of layers that are not edited"
        case "low":
            score = kind.below or 0.0
            pools = low_units(map_name, table, width, info, score)
            sizes = {layer: len(mine) for layer, mine in table.items()}
            unit = f"other {{}} of the same layers with a score below {score:g}"
            return sets_from(pools, sizes, count, seed), unit
        case _:
            return None


def low_units(
    map_name: str | None, table: HeadTable, width: int, info: ModelInfo, score: float
) -> HeadTable:
    """Layer -> units outside ``table`` that the head map scores below ``score``.

    A unit that several query heads share has the largest of their scores.

    Raises:
        RefusedError: the heads were not chosen from a map.
    """
    if map_name is None:
        raise RefusedError(
            "low-score controls need the head map that the heads were chosen from",
            where="heads=[[layer,head],...] names no map",
            hint="choose the heads with map=NAME and top=, threshold= or fraction=",
        )
    scores = read_map(map_name, info).scores
    shared = info.heads // width
    found: dict[int, tuple[int, ...]] = {}
    for layer, mine in table.items():
        row = scores[layer]
        if row is None:
            raise RefusedError(
                f"the head map has no scores for layer {layer}", where=f"head map {map_name}"
            )
        largest = [max(row[unit * shared :][:shared]) for unit in range(width)]
        low = (unit for unit in range(width) if unit not in mine and largest[unit] < score)
        found[layer] = tuple(low)
    return found


def _value(value: object) -> Value:
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return tuple(_value(item) for item in value)
    raise TypeError(f"{value!r} has no printed form")
