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
class Wall:
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


def wall_of(row: Mapping[str, object]) -> Wall:
    """Read one row of any of the known forms.

    * Only Connect: ``wall_id``, ``groups`` -> ``{group_1: {gt_words, gt_connection, ...}, ...}``;
    * NYT Connections, archive form: ``answers`` -> ``[{group, members}, ...]``;
    * NYT Connections, as served: ``categories`` -> ``[{title, cards: [{content}, ...]}, ...]``;
    * plain: ``groups`` -> lists of clues, and ``connections``.

    Raises:
        DataError: The row has none of these forms, or a group is empty.
    """
    name = str(row.get("wall_id", row.get("id", row.get("print_date", row.get("date", "")))))
    groups = row.get("groups")
    if isinstance(groups, Mapping):
        wall = _only_connect(name, [value for value in groups.values() if isinstance(value, dict)])
    elif isinstance(row.get("answers"), list):
        wall = _named(name, row["answers"], "group", "members")
    elif isinstance(row.get("categories"), list):
        wall = _named(name, row["categories"], "title", "cards")
    elif isinstance(groups, list) and groups:
        wall = Wall(name, tuple(_words(group) for group in groups), _words(row.get("connections")))
    else:
        wall = Wall(name, ())
    if not wall.groups or not all(wall.groups):
        raise DataError(
            "this row is no wall",
            where=f"row {name!r} with {', '.join(map(str, row))}",
            mend="give the Only Connect or an NYT Connections form, or groups: [[clue, ...], ...]",
        )
    return wall


def _only_connect(name: str, groups: Sequence[Mapping[str, object]]) -> Wall:
    played = [group.get("human_performance") for group in groups]
    people = [value for value in played if isinstance(value, Mapping)]
    complete = len(people) == len(groups)
    return Wall(
        name,
        tuple(_words(group.get("gt_words")) for group in groups),
        tuple(str(group.get("gt_connection", "")) for group in groups),
        tuple(bool(value.get("grouping")) for value in people) if complete else (),
        tuple(bool(value.get("connection")) for value in people) if complete else (),
    )


def _named(name: str, groups: object, title: str, members: str) -> Wall:
    rows = [row for row in groups if isinstance(row, dict)] if isinstance(groups, list) else []
    return Wall(
        name,
        tuple(_words(row.get(members)) for row in rows),
        tuple(str(row.get(title, "")) for row in rows),
    )


def _words(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        return ()
    return tuple(
        str(word.get("content", "")) if isinstance(word, dict) else _plain(word) for word in value
    )


def _plain(word: object) -> str:
    """A clue as text; one released clue is the number 8.5, and whole numbers lose their ".0"."""
    return str(int(word)) if isinstance(word, float) and word.is_integer() else str(word)
