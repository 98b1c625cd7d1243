"""No file of a user's ends in another error than one of ours, takes long, or fills the memory."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from fuzz.answers import ANSWERS
from fuzz.inputs import changed, edited
from fuzz.oracle import Target, fuzz
from fuzz.targets import TARGETS, WALLS
from headbench.errors import DataError

INPUTS = 2000
READERS = [one for one in TARGETS if one not in ANSWERS]


def check(target: Target, folder: Path) -> None:
    found = fuzz(target, folder, inputs=INPUTS)
    told = "\n".join(
        f"{name}\n{given[:600]!r}\n{trace}" for name, (given, trace) in found.failures.items()
    )
    assert not found.failed, f"{found.failed} of {found.inputs} inputs of {target.name}:\n{told}"
    # What is all read, or all refused, tests one branch.
    assert found.read >= target.accepted * INPUTS, f"{found.read} inputs were read"
    assert found.refused >= target.refused * INPUTS, f"{found.refused} inputs were refused"


@pytest.mark.parametrize("target", READERS, ids=lambda one: one.name)
def test_a_reader_ends_in_values_or_in_our_errors(target: Target, tmp_path: Path) -> None:
    check(target, tmp_path)


def _raises(_given: object, _path: Path) -> object:
    raise KeyError("x")


def _sleeps(_given: object, _path: Path) -> object:
    return sum(range(5 * 10**7))


def _fills(_given: object, _path: Path) -> object:
    return bytearray(2**31)


@pytest.mark.parametrize(
    ("read", "name"),
    [(_raises, "KeyError in test_readers"), (_sleeps, "took"), (_fills, "MemoryError")],
)
def test_the_oracle_notices_other_errors_time_and_memory(
    read: object, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "MemoryError" and sys.platform != "linux":
        pytest.skip("memory is limited on Linux alone")
    monkeypatch.setattr("fuzz.oracle.SECONDS", 0.5)
    target = Target("x", lambda draw: str(draw.random()), read)  # type: ignore[arg-type]
    found = fuzz(target, tmp_path, inputs=1)
    assert found.failed == 1
    assert next(iter(found.failures)).startswith(name)


def test_the_oracle_counts_what_is_read_and_what_is_refused(tmp_path: Path) -> None:
    def read(given: object, _path: Path) -> object:
        if str(given) < "0.3":
            raise DataError("no")
        return None if str(given) < "0.5" else given

    found = fuzz(Target("x", lambda draw: str(draw.random()), read), tmp_path, inputs=200)
    assert found.inputs == 200
    assert 60 < found.read < 140 < found.read + found.refused


def test_inputs_differ_and_come_again_from_their_seed() -> None:
    def drawn(seed: int) -> list[str]:
        draw = random.Random(seed)
        return [repr(changed(WALLS, draw)) + edited("some text", draw) for _ in range(50)]

    assert drawn(1) == drawn(1)
    assert len({*drawn(1), *drawn(2)}) > 80
