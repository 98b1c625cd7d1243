"""Scoring recorded groupings of walls, and the people who played them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from headbench.errors import DataError
from headbench.results.canonical import digest
from headbench.results.figures import Sampling
from headbench.results.recorded import Fields, Recorded, Row, as_text, read_rows
from headbench.running.rescore import metrics_of
from headbench.running.rescored import SAMPLING, Log, Rescored, rescored
from headbench.scoring import registry
from headbench.scoring.thoughts import DEFAULT
from headbench.scoring.walls_forms import Wall, wall_of
from headbench.types import Document, Record

HUMANS = "human"
"""In place of a predictions file: the people recorded in the walls file."""


def rescore_walls(
    predictions: Path | None,
    walls: Path,
    parser: str = "walls_ref",
    fields: Fields | None = None,
    sampling: Sampling = SAMPLING,
    marks: Sequence[str] = DEFAULT,
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

    Returns:
        ``solved_walls`` and ``correct_groups`` (counts), their rates, ``wd``, ``fms``, ``ari``,
        ``nmi``, ``ami``, and the connections where there are any. Of people only counts are known.

    Raises:
        DataError: Rows cannot be matched to walls, or nobody is recorded as a player.
    """
    fields = fields or Fields()
    asked = read_rows(walls)
    solved = [wall_of(row) for row in asked.rows]
    inputs = {"walls": asked}
    if predictions is None:
        records, reader = tuple(_human_record(wall) for wall in solved), "human@1"
        name = HUMANS
    else:
        log = read_rows(predictions)
        inputs["predictions"] = log
        records = _records(log, solved, parser, fields, marks)
        reader, name = "+".join(sorted({record.parser for record in records})), predictions.stem
    return rescored(
        Log(
            task="walls",
            scorer=registry.scorer("walls").id,
            parser=reader,
            metrics=metrics_of("walls"),
            records=records,
            expected=len(solved),
            inputs=inputs,
            name=name,
            data=digest([[wall.id, wall.groups] for wall in solved]),
            marks=marks,
        ),
        sampling,
    )


def _human_record(wall: Wall) -> Record:
    """What people did with a wall: counts, since their wrong groups are not recorded."""
    if not wall.human_groups:
        raise DataError(
            "nobody is recorded as having played this wall",
            where=f"wall {wall.id}",
            mend="give a predictions file",
        )
    parts: dict[str, object] = {
        "correct_groups": sum(wall.human_groups),
        "groups": len(wall.groups),
        "solved": int(all(wall.human_groups)),
        "connections_exact": sum(wall.human_connections),
        "connections_asked": len(wall.human_connections),
    }
    return Record(wall.id, wall.id, (), None, "human@1", parts)


def _records(
    log: Recorded, walls: Sequence[Wall], parser: str, fields: Fields, marks: Sequence[str]
) -> tuple[Record, ...]:
    """Records of the walls that a log answers, by wall id, or by order in a whole log.

    Other ids than these walls' are those of another version: such a log is never joined by order.
    """
    by_id = {wall.id: wall for wall in walls}
    keys = [None if (key := fields.find(row, "id")) is None else str(key) for row in log.rows]
    found: dict[str, Row] = {}
    if len(log.rows) == len(walls) and _positions(keys):
        found = dict(zip(by_id, log.rows, strict=True))
    for key, row in zip(keys, log.rows, strict=True) if not found else ():
        if key not in by_id:
            raise DataError(
                "the rows name walls that the walls file does not have",
                where=f"{log.name}: {sum(k in by_id for k in keys)} of {len(keys)} are known",
                mend="give the walls' ids, or one row a wall, without ids, in the walls' order",
            )
        if found.get(key, row) != row:
            raise DataError(
                "a wall is answered twice", where=log.name, mend="keep one run in the file"
            )
        found[key] = row
    return tuple(_record(by_id[key], row, log, parser, fields, marks) for key, row in found.items())


def _positions(keys: Sequence[str | None]) -> bool:
    """Whether rows are named by nothing, or by nothing but their place."""
    counted = [[str(at + first) for at in range(len(keys))] for first in (0, 1)]
    return set(keys) == {None} or list(keys) in counted


def _record(
    wall: Wall, row: Row, log: Recorded, parser: str, fields: Fields, marks: Sequence[str]
) -> Record:
    """One answered wall: its grouping as text or as lists, and its connections where given."""
    groups = fields.find(row, "groups")
    if groups is None:
        raise DataError(
            "a row holds no grouping",
            where=f"{log.name}: {', '.join(map(str, row))}",
            mend="name the field, for example --field groups=answer",
        )
    # Lists need no reading; as JSON they keep the commas inside their clues.
    listed = isinstance(groups, list)
    outputs = [json.dumps(groups, ensure_ascii=False) if listed else as_text(groups)]
    names = fields.find(row, "connections")
    if names is not None:
        outputs.append(
            "\n".join(map(as_text, names)) if isinstance(names, list) else as_text(names)
        )
    target = {"groups": wall.groups, "connections": wall.connections}
    return registry.scorer("walls").record(
        Document(wall.id, wall.id, {}, target=target),
        tuple(outputs),
        registry.parser("walls_robust" if listed else parser),
        marks=marks,
    )
