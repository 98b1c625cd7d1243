"""Whatever happens to the bytes of a store, it serves what was stored, or nothing, or refuses."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from headbench.errors import StoreError
from headbench.nouns import Answer
from headbench.results.store import FILE, ResponseStore

BATCHES, MEMBERS = 12, 4
PLACES = 500


def key(number: int) -> str:
    return format(number, "064x")


def answer(number: int) -> Answer:
    """An answer that no other key has, with digits in which a flipped bit could hide."""
    return Answer(
        text=f"answer {number}",
        tokens=(number, number + 1),
        logprobs=(-1 - number / 7, -2.5),
        first={number: -0.125 - number / 11, 7000 + number: -3.0},
        visited=number,
        passes=1 + number,
        batch=f"b{number}",
    )


TRUE = {key(number): answer(number) for number in range(BATCHES * MEMBERS)}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A store of twelve batches, one of which was cut short and made again."""
    folder = tmp_path_factory.mktemp("sound")
    with ResponseStore(folder) as store:
        store.put(format(3, "016x"), key(3 * MEMBERS), answer(3 * MEMBERS))
        for batch in range(BATCHES):
            for number in range(batch * MEMBERS, (batch + 1) * MEMBERS):
                store.put(format(batch, "016x"), key(number), answer(number))
            store.commit(format(batch, "016x"))
        assert {k: store.get(k) for k in TRUE} == TRUE
    return (folder / FILE).read_bytes()


def flip(content: bytes, chance: random.Random) -> bytes:
    """One bit."""
    at = chance.randrange(len(content))
    return content[:at] + bytes([content[at] ^ 1 << chance.randrange(8)]) + content[at + 1 :]


def replace(content: bytes, chance: random.Random) -> bytes:
    """A few bytes, by digits, newlines, braces or anything."""
    at, size = chance.randrange(len(content)), chance.randrange(1, 9)
    filling = chance.choice((b"0123456789", b"\n", b'{}",:', bytes(range(256))))
    new = bytes(chance.choice(filling) for _ in range(size))
    return content[:at] + new + content[at + size :]


def cut(content: bytes, chance: random.Random) -> bytes:
    """The end of the file."""
    return content[: chance.randrange(len(content))]


def drop(content: bytes, chance: random.Random) -> bytes:
    """Bytes out of the middle, or a whole line: an answer or a commit."""
    if chance.random() < 0.5:
        at = chance.randrange(len(content))
        return content[:at] + content[at + chance.randrange(1, 300) :]
    lines = content.splitlines(keepends=True)
    del lines[chance.randrange(len(lines))]
    return b"".join(lines)


def swap(content: bytes, chance: random.Random) -> bytes:
    """Two lines; or what two lines say, under each other's keys, batches or digests."""
    lines = content.splitlines(keepends=True)
    one, two = chance.sample(range(len(lines)), 2)
    how = chance.choice(("lines", "repeat", "move", b'"key":', b'"answer":', b'"batch":', b'",'))
    if how == "lines":
        lines[one], lines[two] = lines[two], lines[one]
    elif how == "repeat":
        lines.insert(one, lines[two])
    elif how == "move":
        lines.insert(one, lines.pop(two))
    elif isinstance(how, bytes):
        (a, b, c), (d, e, f) = lines[one].partition(how), lines[two].partition(how)
        lines[one], lines[two] = a + e + f, d + b + c
    return b"".join(lines)


@pytest.mark.parametrize("harm", [flip, replace, cut, drop, swap])
def test_damage_is_never_served(
    tmp_path: Path, sound: bytes, harm: Callable[[bytes, random.Random], bytes]
) -> None:
    chance = random.Random(harm.__name__)
    path = tmp_path / FILE
    refused = lost = 0
    for _ in range(PLACES // 5):
        path.write_bytes(harm(sound, chance))
        try:
            with ResponseStore(tmp_path) as store:
                found = {k: store.get(k) for k in TRUE}
                wrong = [k for k, got in found.items() if got not in (None, TRUE[k])]
                assert not wrong
                missing = [k for k, got in found.items() if got is None]
                lost += bool(missing)
                for k in missing:  # asked again, it is whole again
                    store.put("f" * 16, k, TRUE[k])
                store.commit("f" * 16)
        except StoreError as error:
            refused += 1
            assert str(path) in str(error)
            continue
        with ResponseStore(tmp_path) as again:
            assert {k: again.get(k) for k in TRUE} == TRUE
    # Most places matter; what is refused lies in the first line.
    assert lost > PLACES // 20
    assert refused < PLACES // 20


@pytest.mark.parametrize("number", range(12))
def test_every_damaged_line_is_reported(tmp_path: Path, sound: bytes, number: int) -> None:
    lines = sound.splitlines(keepends=True)
    at = len(lines[0]) + random.Random(number).randrange(len(sound) - len(lines[0]))
    while sound[at : at + 1] == b"\n":
        at += 1
    harmed = sound[:at] + bytes([sound[at] ^ 4]) + sound[at + 1 :]
    (tmp_path / FILE).write_bytes(harmed)
    with ResponseStore(tmp_path) as store:
        line = sound[:at].count(b"\n") + 1
        assert f": line {line};" in store.damage[0]
