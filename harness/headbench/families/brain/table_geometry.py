"""Geometry of a model's candidates (layers or heads) against each subject of a user's table.

Subjects may have seen different stimuli. Each is then compared over its own, and a ceiling is the
similarity to the mean of the others over the pairs that it has.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np

from headbench.errors import DataError
from headbench.families.brain.held_out_selection import folds
from headbench.families.brain.kept import Kept, digest_of
from headbench.families.brain.noise_ceiling import LEAST_SUBJECTS, pool
from headbench.families.brain.rdm import (
    Booleans,
    Floats,
    Integers,
    Kind,
    condense,
    constant_rows,
    rdm,
    square,
)
from headbench.families.brain.rdm_similarity import (
    Method,
    PreparedRdms,
    permuted_similarity,
    prepare,
    weighted_similarity,
)
from headbench.nouns import Record

MOST_DRAWN = 4
"""Draws whose values are kept: those of a bootstrap and the sample itself, with their ceilings."""
LEAST_OWN = 5
"""Stimuli that a subject must have: five give ten pairs."""
FOLDS = 5
REPEATS = 4
"""Folds over subjects, and how often they are drawn anew, where subjects choose the candidate."""


@dataclass(frozen=True)
class Block:
    """Subjects who saw the same stimuli.

    Attributes:
        subjects: ``[member]``, their places.
        stimuli: ``[own]``, places of what they saw.
        models: Candidates over these.
        people: The members over these.
    """

    subjects: Integers
    stimuli: Integers
    models: PreparedRdms
    people: PreparedRdms


class Geometries:
    """Candidates and subjects over one list of stimuli.

    Args:
        features: ``[stimulus, candidate, unit]``.
        people: ``[subject, stimulus, stimulus]``, dissimilarities; what is not seen is ignored.
        seen: ``[subject, stimulus]``; every subject at least :data:`LEAST_OWN`.
        kind: Dissimilarity of the features.
        method: The comparator.
    """

    def __init__(
        self, features: Floats, people: Floats, seen: Booleans, kind: Kind, method: Method
    ) -> None:
        self.candidates = features.shape[1]
        self._people, self._seen, self._method = people, seen, method
        # Every metric of a task asks for the same draws.
        self._drawn: Kept[tuple[Floats, ...]] = Kept(MOST_DRAWN)
        masks, owner = np.unique(seen, axis=0, return_inverse=True)
        self.blocks = []
        for number, mask in enumerate(masks):
            own, members = np.flatnonzero(mask), np.flatnonzero(owner.ravel() == number)
            rdms = [_geometry(one, kind) for one in features[own].swapaxes(0, 1)]
            theirs = condense(people[np.ix_(members, own, own)])
            models = prepare(np.array(rdms), method, constant="nan")
            block = Block(members, own, models, prepare(theirs, method, "subject's RDM"))
            self.blocks.append(block)

    def values(self, weights: Floats) -> Floats:
        """Weights ``[draw, stimulus]`` -> ``[draw, candidate, subject]``."""
        return self._drawn.get(_key("values", weights), lambda: (self._values(weights),))[0]

    def _values(self, weights: Floats) -> Floats:
        found = np.empty((len(weights), self.candidates, len(self._seen)))
        for block in self.blocks:
            own = weights[:, block.stimuli]
            found[:, :, block.subjects] = weighted_similarity(block.models, block.people, own)
        return found

    def permuted(self, orders: Integers) -> Floats:
        """Permutations of the model's stimuli -> ``[draw, candidate, subject]``."""
        found = np.empty((len(orders), self.candidates, len(self._seen)))
        for block in self.blocks:
            own = within(orders, block.stimuli)
            found[:, :, block.subjects] = permuted_similarity(block.models, block.people, own)
        return found

    def ceilings(self, weights: Floats) -> tuple[Floats, Floats]:
        """Lower and upper bound of each subject, ``[draw, subject]``; NaN where there is none.

        RDMs are pooled on the comparator's scale, each over the subject's own pairs. A subject
        has no bound where nobody else has one of its pairs.
        """
        made = self._drawn.get(_key("ceilings", weights), lambda: self._ceilings(weights))
        return made[0], made[1]

    def _ceilings(self, weights: Floats) -> tuple[Floats, Floats]:
        draws, subjects = len(weights), len(self._seen)
        lower, upper = (np.full((draws, subjects), np.nan) for _ in range(2))
        if subjects < LEAST_SUBJECTS:
            return lower, upper
        scaled, count = self._pooled
        total = np.sum(scaled, axis=0)
        for block in self.blocks:
            own = weights[:, block.stimuli]
            places = np.ix_(block.stimuli, block.stimuli)
            together = _prepared(total[places], count[places], self._method)
            for place, subject in enumerate(block.subjects):
                mine = block.people.pick(slice(place, place + 1))
                rest = total[places] - scaled[subject][places]
                others = _prepared(rest, count[places] - 1, self._method)
                if others is not None:
                    lower[:, subject] = weighted_similarity(others, mine, own)[:, 0, 0]
                if together is not None:
                    upper[:, subject] = weighted_similarity(together, mine, own)[:, 0, 0]
        return lower, upper

    @cached_property
    def _pooled(self) -> tuple[list[Floats], Floats]:
        """Each subject's pooled dissimilarities, 0 where unseen; how many have each pair."""
        size = self._seen.shape[1]
        scaled: list[Floats] = [np.zeros((size, size)) for _ in self._seen]
        count = np.zeros((size, size))
        for block in self.blocks:
            places = np.ix_(block.stimuli, block.stimuli)
            theirs = self._people[np.ix_(block.subjects, block.stimuli, block.stimuli)]
            for subject, row in zip(
                block.subjects, pool(condense(theirs), self._method), strict=True
            ):
                scaled[subject][places] = square(row)
            count[places] += len(block.subjects)
        return scaled, count


@dataclass(frozen=True)
class Chosen:
    """Candidates against subjects, with the candidate that is scored chosen on other data.

    Attributes:
        whole: Over all stimuli.
        stimuli: Number of stimuli.
        halves: Where stimuli choose: places and geometries of both halves.
        parts: Where subjects choose: training and test subjects of each fold.
    """

    whole: Geometries
    stimuli: int
    halves: tuple[tuple[Integers, Geometries], ...] = ()
    parts: tuple[tuple[Integers, Integers], ...] = ()

    def values(self, weights: Floats) -> Floats:
        """Weights ``[draw, stimulus]`` -> ``[draw, subject]``."""
        if self.halves:
            one, two = (part.values(weights[:, places]) for places, part in self.halves)
            return _crossed(one, two)
        return self._over_subjects(self.whole.values(weights))

    def permuted(self, orders: Integers) -> Floats:
        """Permutations of the model's stimuli -> ``[draw, subject]``."""
        if self.halves:
            one, two = (part.permuted(within(orders, places)) for places, part in self.halves)
            return _crossed(one, two)
        return self._over_subjects(self.whole.permuted(orders))

    def naive(self, weights: Floats) -> Floats:
        """The best candidate, scored where it was chosen: ``[draw, subject]``."""
        values = self.whole.values(weights)
        return _take(values, _best(values.mean(axis=2)))

    def best(self, weights: Floats) -> Integers:
        """Place of the best candidate over all data: ``[draw]``."""
        return _best(self.whole.values(weights).mean(axis=2))

    def _over_subjects(self, values: Floats) -> Floats:
        if not self.parts:
            return np.asarray(values[:, 0])
        found = np.zeros((len(values), values.shape[2]))
        for train, test in self.parts:
            best = _best(np.median(values[:, :, train], axis=2))
            found[:, test] += _take(values[:, :, test], best) / REPEATS
        return found


@dataclass(frozen=True)
class TableRecords:
    """What records of a user's table hold.

    Attributes:
        takes_part: ``[record]``.
        chosen: Candidates against subjects.
        subjects: ``[subject]``, places of those that take part.
        people: ``[subject, stimulus, stimulus]`` of these.
        seen: ``[subject, stimulus]`` of these.
        method: The comparator.
        layers: ``[candidate]``.
        heads: ``[candidate]``; -1 for a layer's state.
    """

    takes_part: Booleans
    chosen: Chosen
    subjects: Integers
    people: Floats
    seen: Booleans
    method: Method
    layers: Integers
    heads: Integers


def read_records(
    records: Sequence[Record], arm: str = "", only: Integers | None = None
) -> TableRecords | None:
    """Prepare the records of one condition; the last few are kept.

    Args:
        records: Scored by ``table_rsa``; others take no part.
        arm: ``high`` or ``low``: only responses rated so.
        only: Places of the subjects to keep, where they have enough stimuli.

    Returns:
        ``None`` where fewer than :data:`LEAST_OWN` stimuli or no subject take part.
    """
    takes_part = np.array(["people" in one.parts and "features" in one.parts for one in records])
    taken = [one for one, takes in zip(records, takes_part, strict=True) if takes]
    if len(taken) < LEAST_OWN:
        return None
    key = digest_of(taken, (*_ARRAYS, *_STATED), arm, None if only is None else only.tolist())
    found = _KEPT.get(key, lambda: _read(taken, arm, only))
    return None if found is None else TableRecords(takes_part, *found)


_STATED = ("place", "kind", "method", "choose", "layers", "heads")
"""Parts that say how records are compared; all but the place are equal in all records."""
_ARRAYS = ("features", "people", "seen", "high")
_Found = tuple[Chosen, Integers, Floats, Booleans, Method, Integers, Integers]
_KEPT: Kept[_Found | None] = Kept()


def _read(records: Sequence[Record], arm: str, only: Integers | None) -> _Found | None:
    stated = {tuple(one.parts[name] for name in _STATED[1:]) for one in records}
    if len(stated) > 1:
        raise DataError(
            "records were scored in different ways",
            where=f"parts {', '.join(_STATED[1:])}",
            hint="run the cell again",
        )
    kind, method, choose, layers, heads = stated.pop()
    features = np.array([one.parts["features"] for one in records], dtype=np.float64)
    places = np.array([one.parts["place"] for one in records], dtype=np.int64)
    # Rows hold all stimuli of the table: [subject, stimulus, stimulus] of those asked about.
    people = np.array([one.parts["people"] for one in records], dtype=np.float64)[:, :, places]
    people = people.transpose(1, 0, 2)
    seen = np.array([one.parts["seen"] for one in records], dtype=np.float64).T > 0
    if arm:
        rated = np.array([one.parts["high"] for one in records], dtype=np.float64).T
        seen &= rated == (1.0 if arm == "high" else 0.0)
    candidates = features.shape[1]
    by_halves = candidates > 1 and choose == "stimuli"
    halves = _halves([one.document for one in records]) if by_halves else ()
    enough = seen.sum(axis=1) >= LEAST_OWN
    for half in halves:
        enough &= seen[:, half].sum(axis=1) >= LEAST_OWN
    if only is not None:
        enough &= np.isin(np.arange(len(enough)), only)
    kept = np.flatnonzero(enough)
    if not len(kept):
        return None
    people, seen = people[kept], seen[kept]
    how = cast("Kind", kind), cast("Method", method)
    parts: tuple[tuple[Integers, Integers], ...] = ()
    if candidates > 1 and choose == "subjects":
        if len(kept) < FOLDS:
            return None
        parts = tuple(
            (split.choose, split.score)
            for repeat in range(REPEATS)
            for split in folds(np.arange(len(kept)), FOLDS, repeat)
        )
    if by_halves:
        chosen = halved(features, people, seen, *how, [one.document for one in records])
    else:
        chosen = Chosen(Geometries(features, people, seen, *how), len(records), (), parts)
    of_layer, of_head = (np.array(str(one).split(","), dtype=np.int64) for one in (layers, heads))
    return chosen, kept, people, seen, how[1], of_layer, of_head


def halved(
    features: Floats,
    people: Floats,
    seen: Booleans,
    kind: Kind,
    method: Method,
    names: Sequence[str],
) -> Chosen:
    """Candidates, each half of the stimuli choosing for the other.

    Args:
        features: ``[stimulus, candidate, unit]``.
        people: ``[subject, stimulus, stimulus]``.
        seen: ``[subject, stimulus]``.
        kind: Dissimilarity of the features.
        method: The comparator.
        names: ``[stimulus]``, on which alone the halves depend.
    """
    whole = Geometries(features, people, seen, kind, method)
    halves = tuple(
        (half, Geometries(features[half], people[:, half][:, :, half], seen[:, half], kind, method))
        for half in _halves(names)
    )
    return Chosen(whole, len(names), halves)


def _key(name: str, weights: Floats) -> str:
    return name + hashlib.sha256(np.ascontiguousarray(weights).tobytes()).hexdigest()


def within(orders: Integers, places: Integers) -> Integers:
    """Permutations of all stimuli as permutations of some: ``[draw, place]``."""
    return np.asarray(np.argsort(orders[:, places], axis=1, kind="stable"), dtype=np.int64)


def _halves(names: Sequence[str]) -> tuple[Integers, Integers]:
    """Two halves of stimuli that depend on their names alone, each in the records' order."""
    order = np.argsort([hashlib.sha256(name.encode()).hexdigest() for name in names])
    return np.sort(order[::2]), np.sort(order[1::2])


def _geometry(features: Floats, kind: Kind) -> Floats:
    """An RDM; zeros, which no comparator takes, where one is undefined (a silenced head)."""
    if kind in ("correlation", "cosine") and constant_rows(features).any():
        return np.zeros(len(features) * (len(features) - 1) // 2)
    return rdm(features, kind)


def _prepared(total: Floats, count: Floats, method: Method) -> PreparedRdms | None:
    """The mean of pooled RDMs, ready to be compared; ``None`` where nobody has a pair."""
    counts = condense(count)
    if (counts < 1).any():
        return None
    return prepare(condense(total) / counts, method, constant="nan")


def _crossed(one: Floats, two: Floats) -> Floats:
    """Each half chooses for the other, ``[draw, candidate, subject]`` -> ``[draw, subject]``."""
    first, second = (_best(half.mean(axis=2)) for half in (one, two))
    return (_take(two, first) + _take(one, second)) / 2


def _best(scores: Floats) -> Integers:
    """Place of the greatest of ``[draw, candidate]``; 0 where none is defined."""
    return np.asarray(np.argmax(np.where(np.isfinite(scores), scores, -np.inf), axis=1))


def _take(values: Floats, best: Integers) -> Floats:
    """``[draw, candidate, subject]`` at one candidate per draw: ``[draw, subject]``."""
    return np.asarray(values[np.arange(len(values)), best])
