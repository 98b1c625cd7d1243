"""From what a published row is recomputed: the base of all recipes, and what a recipe returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from headbench.results.figures import Sampling
from headbench.results.rescored import Rescored
from headbench.results.rescorer import LogReading

Figures = dict[str, tuple[float, str]]
"""Metric -> (value, unit); fractions in 0..1."""
VALUES_ONLY = LogReading(sampling=Sampling(draws=2))
"""Only values are compared with printed ones, so resampling is kept to the least."""


@dataclass(frozen=True)
class Facts:
    """What the recorded outputs and the recomputation say.

    Attributes:
        n: Items behind the figures; ``None``: not known.
        parser: ``name@version`` that read the outputs; ``None``: none did.
        profile: ``name@version`` of the lexical profile; ``None``: none was used.
        prompts: What the outputs say that was asked, each once; empty: they do not say.
        settings: Settings that the files name; empty: they name none.
    """

    n: int | None = None
    parser: str | None = None
    profile: str | None = None
    prompts: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recomputed:
    """The figures of one row, and what they speak of.

    Attributes:
        figures: Metric -> (value, unit).
        facts: What the recorded outputs say of themselves.
    """

    figures: Figures
    facts: Facts = field(default_factory=Facts)


@dataclass(frozen=True)
class Stated:
    """What the published table states and a recipe may need.

    Attributes:
        table: Its name, for errors.
        parser: Name of the parser; ``None``: the table states none.
        profile: Name of the lexical profile; ``None``: the table states none.
    """

    table: str
    parser: str | None = None
    profile: str | None = None


class Recipe(BaseModel, ABC):
    """Base of all recipes: the keys of ``recipe:`` in a file of published cells.

    A subclass has a field ``kind`` with its name, and says in ``files`` which of its other fields
    name files of the data folder.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    files: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def recompute(self, paths: Mapping[str, Path], stated: Stated) -> Recomputed:
        """The figures of one row.

        Args:
            paths: Field of :attr:`files` -> the file, which is there.
            stated: What the table states.

        Raises:
            HeadbenchError: The files are not what the recipe says.
        """


def recomputed(found: Rescored) -> Recomputed:
    """The figures of rescored outputs, as a recipe returns them."""
    figures = {
        name: (float(one.value), one.unit)
        for name, one in found.result.metrics.items()
        if one.value is not None
    }
    task = found.result.task
    facts = Facts(
        n=found.result.coverage.answered,
        parser=task.parser,
        profile=task.profile,
        prompts=found.prompts,
        settings=found.settings,
    )
    return Recomputed(figures, facts)
