"""What the methods share: a frozen base with the canonical form, and head methods with controls."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from headbench.interventions.choice import AnyHeads, Chosen, choose
from headbench.interventions.draws import other_heads
from headbench.interventions.grammar import ToggleSpec, Value, print_part
from headbench.interventions.registry import Params
from headbench.types import (
    Capture,
    Case,
    Controls,
    Edit,
    HeadTable,
    Intervention,
    ModelInfo,
    Plan,
    Probe,
)

if TYPE_CHECKING:
    from torch import Tensor

Seen = Mapping[str, Mapping[Capture, "Tensor"]]


@dataclass(frozen=True)
class Method:
    """A method with its parameters, on one model: no probe, no control, no edit by default.

    Attributes:
        name: The method's registered name.
        params: Its checked parameters.
        info: The model it was built for.
    """

    name: str
    params: Params
    info: ModelInfo

    @property
    def canonical(self) -> str:
        """The printed form with every parameter resolved; ids use it."""
        return print_part(ToggleSpec(self.name, self.resolved()))

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


@dataclass(frozen=True)
class HeadMethod(Method):
    """A method that edits a fixed table of heads; its control edits other heads alike.

    Attributes:
        chosen: The heads, resolved for the model.
    """

    chosen: Chosen

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
        draws = other_heads(self.table, self.info.heads, count, seed)
        if not draws.possible:
            return None
        methods: tuple[Intervention, ...] = tuple(
            replace(self, chosen=Chosen(table)) for table in draws.tables
        )
        return Controls("other heads of the same layers", methods, draws.possible, draws.excluded)


def _value(value: object) -> Value:
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return tuple(_value(item) for item in value)
    raise TypeError(f"{value!r} has no printed form")
