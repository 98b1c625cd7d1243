"""The metric of every layer or head that a result keeps: computed from its records, and checked."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from headbench.nouns import Record
from headbench.results.schema import ProfileFacts
from headbench.scoring import lookup

SLACK = 1e-9
"""What summing in another order may change."""


def profiles_of(scorer: str, records: Sequence[Record]) -> tuple[ProfileFacts, ...]:
    """What a scorer gives for every layer or head.

    Args:
        scorer: Registry name, with or without a version.
        records: Of one cell.

    Raises:
        HeadbenchError: There is no such scorer, or the records do not fit it.
    """
    make = lookup.scorer(scorer).profiles
    found = () if make is None or not records else make(records)
    return tuple(ProfileFacts.model_validate(asdict(one)) for one in found)


def profile_faults(
    told: Sequence[ProfileFacts], scorer: str, records: Sequence[Record]
) -> Iterator[str]:
    """In what the profiles of a result and its records disagree; nothing where it has none."""
    if not told:
        return
    again = profiles_of(scorer, records)
    if len(again) != len(told):
        yield f"it holds {len(told)} profiles of layers, and its records give {len(again)}"
        return
    for one, other in zip(told, again, strict=True):
        if (one.metric, one.layers, one.heads) != (other.metric, other.layers, other.heads):
            yield f"the profile of {one.metric} is of other layers or heads than its records"
        elif not _alike(_numbers(one), _numbers(other)):
            yield f"the profile of {one.metric} is not what its records give"


def _numbers(one: ProfileFacts) -> list[float | None]:
    return [*(value for row in one.values for value in row), one.floor, one.ceiling, one.chance]


def _alike(told: Sequence[float | None], again: Sequence[float | None]) -> bool:
    if len(told) != len(again):
        return False
    return all(
        a is b if a is None or b is None else math.isclose(a, b, rel_tol=SLACK, abs_tol=SLACK)
        for a, b in zip(told, again, strict=True)
    )
