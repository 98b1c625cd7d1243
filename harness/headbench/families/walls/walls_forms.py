"""Walls as data: the Only Connect file, NYT Connections files, and the people who played.

Alavi Naeini et al. 2023 (arXiv 2306.11167) publish walls of four groups of four clues with the
connection of each group and what the contestants solved.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headbench.errors import DataError


@dataclass(frozen=True)
class SolvedWall:
    """One puzzle, as solved.

    Attributes:
        id: As the file has it.
        groups: Clues of each group, in the file's order.
        connections: What each group has in common; empty where the file does not say.
        human_groups: Per group, whether people found it; empty where nobody played.
        human_connections: Per group, whether people named its connection.
    """

    id: str
    groups: tuple[tuple[str, ...], ...]
    connections: tuple[str, ...] = ()
    human_groups: tuple[bool, ...] = ()
    human_connections: tuple[bool, ...] = ()

    def clues(self, seed: int) -> tuple[str, ...]:
        """All clues in an order that does not give the solution away.

        Args:
            seed: Of the shuffle; the same wall and seed give the same order.
        """
        clues = [clue for group in self.groups for clue in group]
        random.Random(f"{self.id}/{seed}").shuffle(clues)
        return tuple(clues)


def wall_of(row: Mapping[str, object]) -> SolvedWall:
    """Read one row of any of the known forms.

    * Only Connect: ``wall_id``, ``groups`` -> ``{group_1: {gt_words, gt_connection, ...}, ...}``;
    * NYT Connections, archive form: ``answers`` -> ``[{group, members}, ...]``;
    * NYT Connections, as served: ``categories`` -> ``[{title, cards: [{content}, ...]}, ...]``;
    * plain: ``groups`` -> lists of clues, and ``connections``.

    Raises:
        DataError: The row has none or several of these forms, a group or a clue is empty, a
            connection is missing beside others, or an outcome of people is not 0 or 1.
    """
    name = str(row.get("wall_id", row.get("id", row.get("print_date", row.get("date", "")))))
    groups, where = row.get("groups"), f"wall {name!r}"
    forms = [key for key in ("groups", "answers", "categories") if row.get(key)]
    if len(forms) > 1:
        raise DataError(
            f"several fields could hold the groups of a wall: {', '.join(forms)}",
            where=where,
            hint="keep one of them",
        )
    if isinstance(groups, Mapping):
        wall = _only_connect(name, [value for value in groups.values() if isinstance(value, dict)])
    elif isinstance(row.get("answers"), list):
        wall = _named(name, row["answers"], "group", "members")
    elif isinstance(row.get("categories"), list):
        wall = _named(name, row["categories"], "title", "cards")
    elif isinstance(groups, list) and groups:
        connections_given = row.get("connections")
        connections = _words(connections_given, where) if connections_given is not None else ()
        wall = SolvedWall(name, tuple(_words(group, where) for group in groups), connections)
    else:
        wall = SolvedWall(name, ())
    if not wall.groups or not all(wall.groups):
        raise DataError(
            "this row is no wall",
            where=f"row {name!r} with {', '.join(map(str, row))}",
            hint="give the Only Connect or an NYT Connections form, or groups: [[clue, ...], ...]",
        )
    if wall.connections and len(wall.connections) != len(wall.groups):
        raise DataError(
            f"{len(wall.groups)} groups have {len(wall.connections)} connections", where=where
        )
    return wall


def _only_connect(name: str, groups: Sequence[Mapping[str, object]]) -> SolvedWall:
    where = f"wall {name!r}"
    played = [group.get("human_performance") for group in groups]
    people = [value for value in played if isinstance(value, Mapping)]
    complete = len(people) == len(groups)
    return SolvedWall(
        name,
        tuple(_words(group.get("gt_words"), where) for group in groups),
        _connections([group.get("gt_connection") for group in groups], where),
        tuple(_outcome(value, "grouping", where) for value in people) if complete else (),
        tuple(_outcome(value, "connection", where) for value in people) if complete else (),
    )


def _named(name: str, groups: object, title: str, members: str) -> SolvedWall:
    rows = [row for row in groups if isinstance(row, dict)] if isinstance(groups, list) else []
    where = f"wall {name!r}"
    return SolvedWall(
        name,
        tuple(_words(row.get(members), where) for row in rows),
        _connections([row.get(title) for row in rows], where),
    )


def _connections(names: Sequence[object], where: str) -> tuple[str, ...]:
    """The names of the groups: all of them, or none."""
    if all(name is None for name in names):
        return ()
    return tuple(_word(name, "a connection", where) for name in names)


def _outcome(people: Mapping[str, object], key: str, where: str) -> bool:
    value = people.get(key)
    if value not in (0, 1):  # True and False are these two
        raise DataError(
            f"whether people solved it is 0 or 1, not {value!r}",
            where=f"{where}, human_performance.{key}",
        )
    return value == 1


def _words(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        return ()
    return tuple(
        _word(word.get("content") if isinstance(word, dict) else word, "a clue", where)
        for word in value
    )


def _word(word: object, what: str, where: str) -> str:
    """A clue as text; one released clue is the number 8.5, and whole numbers lose their ".0"."""
    if isinstance(word, float) and word.is_integer():
        return str(int(word))
    known = isinstance(word, str | int | float) and not isinstance(word, bool)
    text = str(word) if known else ""
    if not text.strip():
        raise DataError(f"{what} is empty", where=where, hint="complete the file")
    return text
