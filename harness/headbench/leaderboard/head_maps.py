"""The page of head maps: what a detector found in each head, and how two maps of a model agree.

Maps are read as data. Scores of two detectors have different units, so two maps are compared by
the order they give to the heads, never by subtracting scores.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from headbench.errors import HeadbenchError
from headbench.heads.agreement import Agreement, agree, spearman
from headbench.heads.headmap import Head, HeadMap
from headbench.leaderboard.page import Asset, Page, Part, page_name
from headbench.leaderboard.sources import Sources

TOP_HEADS = 10
"""Heads that a map's table lists."""
Grid = tuple[tuple[float | None, ...], ...]
"""``[layer][head]``; ``None`` in a layer without attention."""


@dataclass(frozen=True)
class TopHead:
    """A line of a map's table.

    Attributes:
        rank: From 1; heads of one score share their mean rank.
        layer, head: Counted from 0.
        score: As the detector measured it.
        detected: Whether the score reaches the map's threshold; ``None``: it names none.
        elsewhere: The head's rank in each other map of the model that has the same shape.
    """

    rank: float
    layer: int
    head: int
    score: float
    detected: bool | None
    elsewhere: tuple[float, ...]


@dataclass(frozen=True)
class ShownMap:
    """A head map, ready to draw.

    Attributes:
        found: The map.
        file: Its canonical form on the board.
        settings: What it was measured with, as (name, value).
        low, high: Ends of the colours: 0, or the lowest score where that is below; the highest.
        top: The best heads.
        others: Detectors of the maps whose ranks ``top`` gives.
    """

    found: HeadMap
    file: str
    settings: tuple[tuple[str, str], ...]
    low: float
    high: float
    top: tuple[TopHead, ...]
    others: tuple[str, ...]

    @property
    def grid(self) -> Grid:
        """The scores, layers without attention filled with ``None``."""
        empty = (None,) * self.found.heads
        return tuple(empty if row is None else row for row in self.found.scores)


@dataclass(frozen=True)
class Overlap:
    """The best heads of two maps.

    Attributes:
        k: Length of both lists.
        shared: Heads that are on both.
        chance: Heads that two random lists of this length share on average.
        jaccard: Shared heads over all heads of the two lists.
        tied: Whether the end of a list cuts through heads of one score, so that the order of
            layers and heads chose among them.
    """

    k: int
    shared: int
    chance: float
    jaccard: float
    tied: bool


@dataclass(frozen=True)
class Compared:
    """Two maps of one model.

    Attributes:
        one, other: The maps.
        agreement: Their figures; ``None`` where they cannot be compared.
        reason: Why they cannot be.
        overlaps: Their best heads, by length of the lists.
        change: Rank share in ``other`` minus rank share in ``one``, -1 to 1.
        count: Heads that both score.
        within: Spearman's rank correlation in each layer with attention, as (layer, value);
            ``None`` where a map gives all heads of the layer one score.
    """

    one: ShownMap
    other: ShownMap
    agreement: Agreement | None = None
    reason: str = ""
    overlaps: tuple[Overlap, ...] = ()
    change: Grid = ()
    count: int = 0
    within: tuple[tuple[int, float | None], ...] = ()


def head_map_parts(sources: Sources) -> Iterator[Part]:
    """The page of head maps, and each map's file."""
    read, faults = read_maps(sources.maps)
    if not read and not faults:
        return
    models: dict[str, list[Path]] = {}
    for path, found in read.items():
        models.setdefault(found.model, []).append(path)
    groups = []
    for model, paths in sorted(models.items()):
        shown = [_shown(path, [read[one] for one in paths if one != path], read) for path in paths]
        pairs = [compare(one, other) for one, other in combinations(shown, 2)]
        groups.append((model, shown, pairs))
        yield from (Asset(one.file, one.found.text().encode()) for one in shown)
    context = {"groups": groups, "faults": faults}
    yield Page("head-maps", "Head maps", "head_maps.html", context, nav="Head maps", nav_order=35)


def read_maps(root: Path) -> tuple[dict[Path, HeadMap], tuple[tuple[str, str], ...]]:
    """The maps below a folder of models.

    Args:
        root: Folder with a folder per model; maps are its files ``heads-*.json``.

    Returns:
        File -> map, in order of their paths; and (file, reason) of those that cannot be read.
    """
    read: dict[Path, HeadMap] = {}
    faults = []
    for path in sorted(root.glob("*/heads-*.json")):
        try:
            read[path] = HeadMap.load(path)
        except HeadbenchError as error:
            faults.append((path.relative_to(root).as_posix(), error.what))
    return read, tuple(faults)


def ranks(found: HeadMap) -> dict[Head, float]:
    """Every head's rank, 1 for the highest score; heads of one score share their mean rank."""
    flat = sorted(-score for row in found.scores for score in row or ())
    return {
        (layer, head): (bisect_left(flat, -score) + 1 + bisect_right(flat, -score)) / 2
        for layer, row in enumerate(found.scores)
        for head, score in enumerate(row or ())
    }


def compare(one: ShownMap, other: ShownMap) -> Compared:
    """Two maps of one model against each other; the reason where they have other heads."""
    try:
        agreement = agree(one.found, other.found)
    except HeadbenchError as error:
        return Compared(one, other, reason=error.what)
    first, second = ranks(one.found), ranks(other.found)
    count = len(first)
    # Rank 1 has share 1, the last rank share 0; a map of one head has no order.
    steps = max(count - 1, 1)
    change = tuple(
        tuple(
            None if row is None else (first[layer, head] - second[layer, head]) / steps
            for head in range(one.found.heads)
        )
        for layer, row in enumerate(one.found.scores)
    )
    overlaps = tuple(
        Overlap(
            k,
            len({*one.found.top(k)} & {*other.found.top(k)}),
            k * k / count,
            jaccard,
            _cuts_a_tie(one.found, k) or _cuts_a_tie(other.found, k),
        )
        for k, jaccard in agreement.top.items()
    )
    within = tuple(
        (layer, spearman(_layer(one.found, layer), _layer(other.found, layer)))
        for layer in one.found.attending
    )
    return Compared(one, other, agreement, "", overlaps, change, count, within)


def _layer(found: HeadMap, layer: int) -> HeadMap:
    """A map of one layer: some detectors' scores have another scale in each."""
    return found.model_copy(update={"layers": 1, "scores": (found.scores[layer],)})


def _cuts_a_tie(found: HeadMap, k: int) -> bool:
    order = found.ranked()
    return k < len(order) and found.score(*order[k - 1]) == found.score(*order[k])


def _shown(path: Path, others: Sequence[HeadMap], read: Mapping[Path, HeadMap]) -> ShownMap:
    found = read[path]
    alike = [one for one in others if _shape(one) == _shape(found)]
    elsewhere = [ranks(one) for one in alike]
    scores = [score for row in found.scores for score in row or ()]
    own = ranks(found)
    count = min(TOP_HEADS, len(scores))
    top = tuple(
        TopHead(
            own[layer, head],
            layer,
            head,
            score := found.score(layer, head),
            None if found.threshold is None else score >= found.threshold,
            tuple(one[layer, head] for one in elsewhere),
        )
        for layer, head in (found.top(count) if count else ())
    )
    name = page_name("heads", f"{path.parent.name}-{path.stem.removeprefix('heads-')}")
    return ShownMap(
        found,
        f"data/{name}.json",
        tuple(_settings(found)),
        min(0.0, *scores) if scores else 0.0,
        max(scores, default=0.0),
        top,
        tuple(one.detector for one in alike),
    )


def _shape(found: HeadMap) -> tuple[object, ...]:
    return found.layers, found.heads, found.unit, found.attending


def _settings(found: HeadMap) -> Iterator[tuple[str, str]]:
    unit = "query heads" if found.unit == "query" else "key/value heads"
    yield "Heads", f"{found.layers} layers x {found.heads} {unit}"
    yield "Trials", "not recorded" if found.trials is None else f"{found.trials:,}"
    if found.threshold is None:
        yield "Threshold", "the detector names none"
    else:
        yield "Threshold", f"{found.threshold:g}; {len(found.above())} heads reach it"
    yield "Seed", "not recorded" if found.seed is None else str(found.seed)
    for key, value in sorted(found.data.items()):
        yield f"Data: {key}", value if isinstance(value, str) else json.dumps(value)
    yield "SHA-256 of the map", found.sha256
