"""Creative grouping: how near an answer's groups come to the wall's.

Formulas: Alavi Naeini et al. 2023 (arXiv 2306.11167) and its code. Every clue of the answer, read
group by group with the clues sorted inside, is labelled with the wall's group that it belongs to;
clues that the wall does not have get a fresh label each. ``ami``, ``ari``, ``fms`` and ``nmi``
compare this vector with 0,0,0,0,1,... ; ``wd`` compares it slice by slice. ``wd`` depends on the
numbers that groups happen to have, and ``nmi`` of a random grouping is .28: rank by
``correct_groups`` and ``ami``, and keep the others for comparison with papers.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from headbench.errors import DataError
from headbench.families.walls.walls_connections import connection_parts
from headbench.families.walls.walls_parse import Groups, fit, key, same_group
from headbench.nouns import Document, Record
from headbench.scoring.parser import Parser
from headbench.scoring.scorer import AskedStep, Scorer, refuse_unknown
from headbench.statistics.metric import Floats, SumMetric, column, ratio

GroupsLike = Sequence[Sequence[str]]


def labels(
    predicted: GroupsLike, gold: GroupsLike, *, whole: bool = True
) -> tuple[list[int], list[int]]:
    """The two label vectors that the clustering figures compare.

    Args:
        predicted: The answer's groups, as many and as large as the wall's.
        gold: The wall's groups.
        whole: Whether a group of the answer that IS a group of the wall gets its label as a whole.
            ``walls@1`` did not do this, and lost groups whose every clue stands in another one.

    Returns:
        ``(gold labels, predicted labels)``, one entry per clue of the answer. A clue that stands in
        several groups of the wall counts for the one that its neighbours belong to.
    """
    homes: dict[str, list[int]] = {}
    for index, group in enumerate(gold):
        for clue in group:
            homes.setdefault(key(clue), []).append(index)
    fresh = itertools.count(len(gold))
    same = _same_groups(predicted, gold) if whole else {}
    found: list[int] = []
    for place, group in enumerate(predicted):
        if place in same:
            found += [same[place]] * len(group)
            continue
        clues = sorted(key(clue) for clue in group)
        votes = Counter(homes[clue][0] for clue in clues if len(homes.get(clue, ())) == 1)
        for clue in clues:
            if clue in homes:
                found.append(max(homes[clue], key=lambda home: (votes[home], -home)))
            else:
                found.append(next(fresh))
    truth = [index for index, group in enumerate(gold) for _ in group]
    return truth, found


def _same_groups(predicted: GroupsLike, gold: GroupsLike) -> dict[int, int]:
    """Places of the answer's groups that are groups of the wall -> the wall's, each once."""
    left = list(range(len(predicted)))
    same: dict[int, int] = {}
    for index, group in enumerate(gold):
        place = next((one for one in left if same_group(predicted[one], group)), None)
        if place is not None:
            left.remove(place)
            same[place] = index
    return same


def wasserstein(truth: Sequence[int], found: Sequence[int], size: int) -> float:
    """``wd`` of one wall: 0 solved, 1 worst.

    Both vectors are cut into slices of ``size``; slices that both have are taken away; of the rest,
    aligned by position, the 1-D Wasserstein distances are summed, each at most 1, and divided by
    the number of slices.
    """
    gold = [sorted(truth[at : at + size]) for at in range(0, len(truth), size)]
    rest: list[list[int]] = []
    left = list(gold)
    for at in range(0, len(found), size):
        part = sorted(found[at : at + size])
        if part in left:
            left.remove(part)
        else:
            rest.append(part)
    moved = [
        sum(abs(one - other) for one, other in zip(a, b, strict=True)) / size
        for a, b in zip(left, rest, strict=True)
    ]
    return sum(min(distance, 1.0) for distance in moved) / len(gold)


def grouping_parts(
    predicted: GroupsLike | None, gold: GroupsLike, *, whole: bool = True
) -> dict[str, object]:
    """The score parts of one wall.

    Args:
        predicted: The answer's groups; ``None``: unparsed, which counts as four empty groups.
        gold: The wall's groups, all of one size.
        whole: See :func:`labels`.

    Returns:
        ``correct_groups``, ``groups``, ``solved`` (0 or 1), ``unparsed`` (0 or 1), ``wd``, ``fms``,
        ``ari``, ``nmi``, ``ami``.

    Raises:
        DataError: The wall's groups differ in size, or a clue is empty.
    """
    from sklearn.metrics import (
        adjusted_mutual_info_score,
        adjusted_rand_score,
        fowlkes_mallows_score,
        normalized_mutual_info_score,
    )

    size = len(gold[0]) if gold else 0
    if not size or any(len(group) != size for group in gold):
        raise DataError("the groups of a wall must be of one size", where=f"{len(gold)} groups")
    if not all(key(clue) for group in gold for clue in group):
        raise DataError("a clue of the wall is empty", where=f"{len(gold)} groups")
    groups: Groups = fit(tuple(tuple(group) for group in predicted or ()), gold)
    truth, found = labels(groups, gold, whole=whole)
    correct = len(_same_groups(groups, gold))
    return {
        "correct_groups": correct,
        "groups": len(gold),
        "solved": int(correct == len(gold)),
        "unparsed": int(predicted is None),
        "wd": wasserstein(truth, found, size),
        "fms": float(fowlkes_mallows_score(truth, found)),
        "ari": float(adjusted_rand_score(truth, found)),
        "nmi": float(normalized_mutual_info_score(truth, found)),
        "ami": float(adjusted_mutual_info_score(truth, found)),
    }


def _score(
    document: Document, outputs: tuple[str, ...], parser: Parser, options: Mapping[str, object]
) -> Mapping[str, object]:
    """Parts of one wall; a second output, where there is one, names the connections."""
    refuse_unknown("walls", options)
    return _parts(document, outputs, parser, whole=True)


def _score_1(
    document: Document, outputs: tuple[str, ...], parser: Parser, options: Mapping[str, object]
) -> Mapping[str, object]:
    """Parts of one wall by the labels of version 1."""
    refuse_unknown("walls", options)
    return _parts(document, outputs, parser, whole=False)


def _check(options: Mapping[str, object], steps: Sequence[AskedStep]) -> None:
    refuse_unknown("walls", options)


def _parts(
    document: Document, outputs: tuple[str, ...], parser: Parser, *, whole: bool
) -> Mapping[str, object]:
    target = document.target
    groups = target.get("groups") if isinstance(target, Mapping) else target
    if not isinstance(groups, list | tuple) or not groups:
        raise DataError(
            "a wall needs its groups as the target",
            where=f"document {document.id}",
            hint="let doc_to_target give {groups: [[clue, ...], ...], connections: [...]}",
        )
    read = parser.read(outputs[0])
    parts = grouping_parts(read if isinstance(read, tuple) else None, groups, whole=whole)
    names = target.get("connections") if isinstance(target, Mapping) else None
    if len(outputs) > 1 and isinstance(names, list | tuple):
        parts.update(connection_parts(outputs[1], [str(name) for name in names]))
    return parts


def _part(record: Record, name: str) -> float:
    value = record.parts.get(name, 0)
    return float(value) if isinstance(value, int | float) else 0.0


def _first(sums: Floats) -> Floats:
    return column(sums, 0)


def _share(sums: Floats) -> Floats:
    return ratio(sums[..., 0], sums[..., 1])


def _count(name: str, part: str, whole: str = "") -> SumMetric:
    return SumMetric(
        name=name,
        parts=(part,),
        row=lambda record: (_part(record, part),),
        value=_first,
        higher_is_better=True,
        unit="count",
        high=None,
        trials=(lambda record: _part(record, whole)) if whole else None,
    )


def _mean(name: str, *, better: bool = True, low: float = 0.0, part: str = "") -> SumMetric:
    part = part or name
    return SumMetric(
        name=name,
        parts=(part, "walls"),
        row=lambda record: (_part(record, part), 1.0) if part in record.parts else (0.0, 0.0),
        value=_share,
        higher_is_better=better,
        low=low,
    )


def _of(name: str, part: str, whole: str) -> SumMetric:
    return SumMetric(
        name=name,
        parts=(part, whole),
        row=lambda record: (
            (_part(record, part), _part(record, whole)) if part in record.parts else (0.0, 0.0)
        ),
        value=_share,
        higher_is_better=True,
    )


SOLVED_WALLS = _count("solved_walls", "solved")
CORRECT_GROUPS = _count("correct_groups", "correct_groups", "groups")
GROUP_RATE = _of("group_rate", "correct_groups", "groups")
SOLVED_RATE = SumMetric(
    name="solved_rate",
    parts=("solved", "walls"),
    row=lambda record: (_part(record, "solved"), 1.0),
    value=_share,
    higher_is_better=True,
    outcome=lambda record: bool(_part(record, "solved")),
)
WD = _mean("wd", better=False)
FMS = _mean("fms")
ARI = _mean("ari", low=-1.0)
NMI = _mean("nmi")
AMI = _mean("ami", low=-1.0)
UNPARSED_RATE = _mean("unparsed_rate", better=False, part="unparsed")
CONNECTIONS = _count("connections", "connections_exact", "connections_asked")
CONNECTION_RATE = _of("connection_rate", "connections_exact", "connections_asked")
CONNECTION_ROUGE1 = _of("connection_rouge1", "connections_rouge1", "connections_asked")
"""Over walls whose written names are known; of people only the outcome is recorded."""

WALLS = Scorer(
    name="walls",
    version=2,
    score=_score,
    metrics=(
        "walls.group_rate",
        "walls.ami",
        "walls.solved_rate",
        "walls.solved_walls",
        "walls.correct_groups",
        "walls.wd",
        "walls.fms",
        "walls.ari",
        "walls.nmi",
        "walls.unparsed_rate",
        "walls.connections",
        "walls.connection_rate",
        "walls.connection_rouge1",
    ),
    default_parser="walls_robust",
    summary="groups of clues, and the names of their connections in a second step",
    check=_check,
)
"""Scorer of walls; the target is ``{groups: [[clue, ...], ...], connections: [name, ...]}``."""

WALLS_1 = replace(WALLS, version=1, score=_score_1)
"""Named by golden cells; agrees with version 2 on walls in which no clue is repeated."""
