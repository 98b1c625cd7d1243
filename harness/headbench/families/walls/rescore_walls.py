"""Scoring recorded groupings of walls, and the people who played them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from headbench.errors import DataError
from headbench.families.walls.wall_logs import HUMANS
from headbench.families.walls.walls_forms import SolvedWall, wall_of
from headbench.nouns import Document, Record
from headbench.results.canonical import digest
from headbench.results.fields import Fields, LogRow, Reading, as_text, contains, normal
from headbench.results.figures import Sampling
from headbench.results.joins import Vouched, unproven
from headbench.results.recorded import Recorded, log_name, read_rows
from headbench.results.rescored import SAMPLING, Log, Rescored, rescored
from headbench.scoring import lookup
from headbench.scoring.thoughts import DEFAULT


def rescore_walls(
    predictions: Path | None,
    walls: Path,
    parser: str = "walls_ref",
    fields: Fields | None = None,
    sampling: Sampling = SAMPLING,
    marks: Sequence[str] = DEFAULT,
    join: Vouched | None = None,
) -> Rescored:
    """Figures of recorded groupings.

    Args:
        predictions: Groupings, as text or as lists; ``None``: the people who played the walls.
        walls: The solved walls.
        parser: How text is read; ``walls_ref`` is the one to compare with papers.
        fields: Field names.
        sampling: How intervals are made.
        marks: Marks of thoughts, which are cut before anything is read
            (:func:`headbench.scoring.thoughts.marks_of`).
        join: ``id`` or ``order``: you say that rows belong to walls by it. Without it a headline
            needs answers that name clues of their walls.

    Returns:
        ``solved_walls`` and ``correct_groups`` (counts), their rates, ``wd``, ``fms``, ``ari``,
        ``nmi``, ``ami``, and the connections where there are any. Of people only counts are known.

    Raises:
        DataError: Rows cannot be matched to walls, two walls have one id, several fields could be
            the grouping, or nobody is recorded as a player.
    """
    fields = fields or Fields()
    walls_file = read_rows(walls)
    solved = _walls(walls_file)
    inputs = {"walls": walls_file}
    reason = ""
    notes: tuple[str, ...] = ()
    if predictions is None:
        records, reader = tuple(_human_record(wall) for wall in solved), "human@1"
        name, source = HUMANS, {"joined by": "one file"}
    else:
        log = read_rows(predictions)
        inputs["predictions"] = log
        joined = _join(log, solved, fields, join)
        records = _records(joined, log, parser, marks)
        reader = "+".join(sorted({record.parser for record in records}))
        name, reason = log_name(predictions), unproven(joined.how, join)
        source = {"joined by": joined.how, "predictions.fields": str(joined.fields)}
        if joined.note:
            source["connections"] = joined.note
            notes = (f"connections: {joined.note}",)
        if joined.repeated:
            source["repeated rows"] = str(joined.repeated)
    return rescored(
        Log(
            task="walls",
            scorer=lookup.scorer("walls").id,
            parser=reader,
            metrics=lookup.named_metrics("walls"),
            records=records,
            expected=len(solved),
            inputs=inputs,
            name=name,
            data=digest([[wall.id, wall.groups] for wall in solved]),
            source=source,
            reason=reason,
            notes=notes,
            vouched=(join or "") if predictions is not None else "",
            marks=marks,
        ),
        sampling,
    )


def _walls(asked: Recorded) -> list[SolvedWall]:
    """The walls of a file, each under an id of its own.

    Raises:
        DataError: Two walls have one id, or some have an id and some none.
    """
    solved = [wall_of(row) for row in asked.rows]
    if not any(wall.id for wall in solved):
        return [replace(wall, id=f"wall-{at}") for at, wall in enumerate(solved)]
    seen: set[str] = set()
    for number, wall in enumerate(solved, start=1):
        if not wall.id or wall.id in seen:
            raise DataError(
                f"two walls have the id {wall.id!r}" if wall.id else "a wall has no id",
                where=f"{asked.name}, row {number}",
                hint="give each wall an id of its own, or none of them one",
            )
        seen.add(wall.id)
    return solved


def _human_record(wall: SolvedWall) -> Record:
    """What people did with a wall: counts, since their wrong groups are not recorded."""
    if not wall.human_groups:
        raise DataError(
            "nobody is recorded as having played this wall",
            where=f"wall {wall.id}",
            hint="give a predictions file",
        )
    parts: dict[str, object] = {
        "correct_groups": sum(wall.human_groups),
        "groups": len(wall.groups),
        "solved": int(all(wall.human_groups)),
        "connections_exact": sum(wall.human_connections),
        "connections_asked": len(wall.human_connections),
    }
    return Record(wall.id, wall.id, (), None, "human@1", parts)


@dataclass(frozen=True)
class _Joined:
    """Rows of a log by wall.

    Attributes:
        rows: One per answered wall.
        how: ``id and clues``, ``id only``, ``order and clues`` or ``order only``.
        fields: From which fields the log was read.
        repeated: Identical rows beyond the first.
        note: Why connections that the log may hold were not read, else empty.
    """

    rows: Sequence[tuple[SolvedWall, LogRow]]
    how: str
    fields: Reading
    repeated: int
    note: str = ""


def _join(
    log: Recorded, walls: Sequence[SolvedWall], fields: Fields, vouched: Vouched | None
) -> _Joined:
    """The walls that a log answers, by wall id, or by order in a whole log.

    Other ids than these walls' are those of another version: such a log is never joined by order
    unless the user vouches for it.
    """
    reading, note = _fields(log, fields)
    keys = [None if (key := reading.value(row, "id")) is None else str(key) for row in log.rows]
    whole = len(log.rows) == len(walls)
    repeated = 0
    named = {wall.id for wall in walls}
    counted = _positions(keys) and not named.issuperset(keys)
    if vouched == "order" and named.issuperset(keys):
        _refuse_other_order(log, keys, walls)
    if whole and vouched != "id" and (vouched == "order" or counted):
        by, rows = "order", list(zip(walls, log.rows, strict=True))
    elif vouched == "order":
        raise DataError(
            f"{len(log.rows)} rows cannot be joined with {len(walls)} walls by their order",
            where=log.name,
            hint="give one row per wall, in the walls' order",
        )
    else:
        by, (rows, repeated) = "id", _by_id(log, keys, walls)
    speaking = sum(_speaks(row, wall, reading) for wall, row in rows)
    proven = 2 * speaking > len(rows)
    return _Joined(rows, f"{by} and clues" if proven else f"{by} only", reading, repeated, note)


def _refuse_other_order(
    log: Recorded, keys: Sequence[str | None], walls: Sequence[SolvedWall]
) -> None:
    """Refuse a join by order that contradicts the rows' own ids.

    Raises:
        DataError: A row that names one wall stands at the place of another.
    """
    for number, (key, wall) in enumerate(zip(keys, walls, strict=False), start=1):
        if key != wall.id:
            raise DataError(
                f"a row names wall {key!r} and stands in the place of wall {wall.id!r}",
                where=f"{log.name}, row {number}",
                hint="leave --join order out: the rows say which walls they answer",
            )


def _by_id(
    log: Recorded, keys: Sequence[str | None], walls: Sequence[SolvedWall]
) -> tuple[list[tuple[SolvedWall, LogRow]], int]:
    by_id = {wall.id: wall for wall in walls}
    found: dict[str, LogRow] = {}
    repeated = 0
    for key, row in zip(keys, log.rows, strict=True):
        if key is None or key not in by_id:
            known = sum(one in by_id for one in keys)
            raise DataError(
                f"{known} of {len(keys):,} rows name a wall of the walls file; ids of the log look "
                f"like {str(key)[:60]!r}, those of the walls like {walls[0].id[:60]!r}",
                where=log.name,
                hint="give the walls' ids, or one row per wall, without ids, in the walls' order",
            )
        if found.get(key, row) != row:
            raise DataError(
                "a wall is answered twice", where=log.name, hint="keep one run in the file"
            )
        repeated += key in found
        found[key] = row
    return [(by_id[key], row) for key, row in found.items()], repeated


def _fields(log: Recorded, fields: Fields) -> tuple[Reading, str]:
    """From which fields grouping, id and connections are read.

    A row that also repeats the solution holds the solution's connections, too: with a second
    grouping in the row, they are read only from a field that the user names.
    """
    own = fields.of("predictions")
    reading = own.reading(log.rows, ("groups", "id", "connections"), log.name)
    used = reading.names.get("groups")
    others = sorted(
        name
        for name in ("groups", "gt_groups", "grouping")
        if name != used and any(row.get(name) is not None for row in log.rows)
    )
    field_is_named = own.told("connections") is not None or reading.form
    if "connections" in reading.names and others and not field_is_named:
        names = {role: name for role, name in reading.names.items() if role != "connections"}
        note = (
            f"not read: rows also hold {', '.join(others)}, so that "
            f"{reading.names['connections']} may be the solution's; --field connections=NAME"
        )
        return Reading(names, reading.form), note
    return reading, ""


LEAST_CLUES = 4
"""Clues of a wall that an answer must name to count as an answer to this wall: one group."""


def _speaks(row: LogRow, wall: SolvedWall, reading: Reading) -> bool:
    """Whether an answer names enough clues of this wall."""
    answer_text = normal(" ; ".join(_items(reading.value(row, "groups"))))
    clues = {normal(clue) for group in wall.groups for clue in group}
    return sum(contains(answer_text, clue) for clue in clues) >= min(LEAST_CLUES, len(clues))


def _items(value: object) -> list[str]:
    """The texts of nested lists and objects."""
    if isinstance(value, Mapping):
        return _items(list(value.values()))
    return (
        [text for one in value for text in _items(one)] if isinstance(value, list) else [str(value)]
    )


def _positions(keys: Sequence[str | None]) -> bool:
    """Whether rows have no ids, or only their positions as ids."""
    counted = [[str(at + first) for at in range(len(keys))] for first in (0, 1)]
    return set(keys) == {None} or list(keys) in counted


def _records(
    joined: _Joined, log: Recorded, parser: str, marks: Sequence[str]
) -> tuple[Record, ...]:
    return tuple(_record(wall, row, log, parser, joined.fields, marks) for wall, row in joined.rows)


def _record(
    wall: SolvedWall,
    row: LogRow,
    log: Recorded,
    parser: str,
    reading: Reading,
    marks: Sequence[str],
) -> Record:
    """One answered wall: its grouping as text or as lists, and its connections where given."""
    groups = reading.value(row, "groups")
    if groups is None:
        raise DataError(
            "a row holds no grouping",
            where=f"{log.name}: {', '.join(map(str, row))}",
            hint="name the field, for example --field groups=answer",
        )
    # Lists are not parsed; as JSON they keep the commas inside their clues.
    listed = isinstance(groups, list)
    outputs = [json.dumps(groups, ensure_ascii=False) if listed else as_text(groups)]
    names = reading.value(row, "connections")
    if names is not None:
        outputs.append(
            "\n".join(map(as_text, names)) if isinstance(names, list) else as_text(names)
        )
    target = {"groups": wall.groups, "connections": wall.connections}
    return lookup.scorer("walls").record(
        Document(wall.id, wall.id, {}, target=target),
        tuple(outputs),
        lookup.parser("walls_robust" if listed else parser),
        marks=marks,
    )
