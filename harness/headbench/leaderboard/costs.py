"""What an intervention costs: time and memory over the unedited run, as a benchmark measured it.

``benchmarks/interventions.py --json cost.json`` writes the file; the board reads one that lies in a
folder of results.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from headbench._json import strict_json
from headbench._reading import read_file
from headbench.errors import HeadbenchError
from headbench.leaderboard.links import method_names

FILE = "cost.json"
Ratios = tuple[float, ...]


class _Row(BaseModel):
    """One intervention at one length; further keys of the benchmark are left alone."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    arm: str = Field(max_length=400)
    kind: str = Field(max_length=100)
    length: int = Field(ge=1)
    prefill: Ratios = Field(min_length=1)
    mib: float | None = None
    plain_mib: float | None = Field(default=None, gt=0)


class _Measured(BaseModel):
    """The file."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    machine: dict[str, str | int | float | list[float]] = {}
    rows: tuple[_Row, ...] = ()


@dataclass(frozen=True)
class Cost:
    """One way to apply a method, at one length.

    Attributes:
        condition: As the benchmark calls it.
        length: Tokens of the prompt.
        time: Median over alternations of edited CPU time over unedited CPU time of a prefill.
        fastest, slowest: The least and the greatest of them.
        n: How many alternations.
        memory: Memory of one attention call over that of an unedited one; ``None``: not measured.
    """

    condition: str
    length: int
    time: float
    fastest: float
    slowest: float
    n: int
    memory: float | None


@dataclass(frozen=True)
class Costs:
    """What was measured, and on what.

    Attributes:
        of: Method -> its rows, by condition and length.
        machine: Words for the page, such as the processor; empty: nothing was measured.
    """

    of: Mapping[str, Sequence[Cost]]
    machine: str = ""


def read_costs(roots: Sequence[Path]) -> tuple[Costs, tuple[tuple[Path, str], ...]]:
    """The costs that lie in folders of results.

    Args:
        roots: The folders; the first file that can be read counts.

    Returns:
        The costs, and (file, reason) of files that cannot be read.
    """
    faults = []
    for path in (root / FILE for root in roots):
        if not path.is_file():
            continue
        try:
            found = _Measured.model_validate(strict_json(read_file(path).decode("utf-8")))
        except (HeadbenchError, ValueError, ValidationError) as error:
            reason = error.what if isinstance(error, HeadbenchError) else "it is no cost file"
            faults.append((path, reason))
            continue
        rows: dict[str, list[Cost]] = {}
        for name, cost in _costs(found):
            rows.setdefault(name, []).append(cost)
        for kept in rows.values():
            kept.sort(key=lambda one: (one.condition, one.length))
        return Costs(rows, _machine(found)), tuple(faults)
    return Costs({}), tuple(faults)


def _costs(found: _Measured) -> Iterator[tuple[str, Cost]]:
    for row in found.rows:
        # "vhr, its probe alone": a pass that the method needs first, beside its edit.
        names = (row.arm.partition(",")[0],) if row.kind == "probe" else method_names(row.arm)
        if len(names) != 1:
            continue
        memory = None
        if row.mib is not None and row.plain_mib is not None:
            memory = (row.plain_mib + row.mib) / row.plain_mib
        yield (
            names[0],
            Cost(
                row.arm,
                row.length,
                statistics.median(row.prefill),
                min(row.prefill),
                max(row.prefill),
                len(row.prefill),
                memory,
            ),
        )


def _machine(found: _Measured) -> str:
    told = [f"{found.machine[name]}" for name in ("cpu",) if found.machine.get(name)]
    told += [
        f"{name} {found.machine[name]}"
        for name in ("torch", "transformers", "headbench")
        if found.machine.get(name)
    ]
    load = found.machine.get("load")
    if isinstance(load, list) and load:
        told.append(f"load of the machine meanwhile {min(load):g} to {max(load):g}")
    return ", ".join(told)
