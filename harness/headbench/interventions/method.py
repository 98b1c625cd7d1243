"""What methods build on: a frozen base with the canonical form, and head methods with controls."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

from headbench.edits import Case, Contrast, Controls, Edit, Intervention, Plan, Probe
from headbench.interventions.contrasts import SAME_LAYERS, contrast_sets
from headbench.interventions.control_draws import Draws, other_sets
from headbench.interventions.grammar import MethodSpec, Value, print_part
from headbench.interventions.head_choice import AnyHeads, ChosenHeads, choose
from headbench.interventions.method_catalogue import MethodParams
from headbench.interventions.strengths import DefaultStrength
from headbench.nouns import Capture, HeadTable, ModelInfo

if TYPE_CHECKING:
    from torch import Tensor

ProbeResults = Mapping[str, Mapping[Capture, "Tensor"]]
"""Probe name -> capture -> tensor: what the probes of one case recorded."""


@dataclass(frozen=True)
class BoundMethod:
    """A method with its parameters, on one model: an intervention without probes and controls.

    Subclasses say what is edited; probes and controls are there to be overridden.

    Attributes:
        name: The method's name in the catalogue.
        params: Its checked parameters.
        info: The model it was built for.
        assumed: The strength that it took because none was written; ``None`` where one was, or
            where the method needs one.
    """

    name: str
    params: MethodParams
    info: ModelInfo
    assumed: DefaultStrength | None = field(default=None, kw_only=True)

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
        """Files that are read besides the parameters: name -> source with digest; none."""
        return {}

    @property
    def idle(self) -> bool:
        """Whether the strength is zero, so that the plan is empty and costs nothing."""
        return False

    def probes(self, case: Case) -> tuple[Probe, ...]:
        """Unedited passes that must run first; none."""
        return ()

    @abstractmethod
    def edits(self, case: Case | None, probed: ProbeResults) -> tuple[Edit, ...]:
        """The edits, whatever their strength.

        Args:
            case: The prompt; ``None`` asks for edits that hold for any prompt, so that they fold.
            probed: The captures of :meth:`probes`.
        """

    def plan(self, case: Case | None, probed: ProbeResults) -> Plan:
        """The edits of one row; empty at strength zero."""
        return Plan() if self.idle else Plan(edits=self.edits(case, probed))

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
            # The stride is larger than any count, so that neighbouring seeds share no draw.
            replace(self, draw=(seed * 1_000_003 + number) % SEEDS)
            for number in range(count)
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
        # Two ways to name the same heads are one intervention, with one id and one set of answers.
        for way in ("map", "top", "threshold", "fraction"):
            values.pop(way, None)
        values["heads"] = self.chosen.pairs
        return values

    @property
    def artefacts(self) -> Mapping[str, str]:
        """The head map and its digest, where the heads were chosen from one."""
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


def _value(value: object) -> Value:
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return tuple(_value(item) for item in value)
    raise TypeError(f"{value!r} has no printed form")
