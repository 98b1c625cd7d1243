"""Mutual nearest neighbours of every head with people's: the tasks ``mknn_heads``.

Everything is computed within halves of the stimuli (every other one): the head that one half
chooses is scored on the other, and neighbours of a stimulus lie in its own half.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from headbench.errors import ConfigError
from headbench.families.brain.captured_features import (
    WITHOUT_HEADS,
    arrays_of,
    candidates,
    numbered,
)
from headbench.families.brain.option_checks import (
    check_layer_numbers,
    check_one_of,
    check_one_row,
    check_whole,
)
from headbench.families.brain.sample_figures import nothing, of_the_sample
from headbench.nouns import Document, Record
from headbench.scoring.parser import Parser
from headbench.scoring.parts import number
from headbench.scoring.scorer import AskedStep, Scorer, refuse_unknown
from headbench.statistics.metric import SampleStatistic, Weighted

if TYPE_CHECKING:
    import numpy as np

    from headbench.families.brain.rdm import Floats, Integers
    from headbench.scoring.pictures import LayerProfile

OPTIONS = ("people", "k", "layers")


def _concepts() -> tuple[tuple[str, ...], Floats]:
    """Memberships of the packaged concepts."""
    from headbench.families.brain.concept_world import concept_world

    world = concept_world()
    return world.words, world.features


def _things() -> tuple[tuple[str, ...], Floats]:
    """The eleven rated properties of THINGS, z-scored."""
    import numpy as np

    from headbench.families.brain.vendored_data import things_concepts

    concepts = things_concepts()
    means = concepts.means
    return concepts.ids, np.asarray((means - means.mean(axis=0)) / means.std(axis=0))


TARGETS: Mapping[str, Callable[[], tuple[tuple[str, ...], Floats]]] = {
    "concept_memberships": _concepts,
    "things_properties": _things,
}
"""Names of human sides -> stimuli and their features ``[stimulus, unit]``."""


def check(options: Mapping[str, object], steps: Sequence[AskedStep]) -> None:
    """Refuse a wrong option, and captures that do not give the heads of layers at one row."""
    _options(options)
    captures = steps[0].captures if len(steps) == 1 else ()
    if len(captures) != 1 or captures[0].site in WITHOUT_HEADS:
        raise ConfigError(
            "the scorer mutual_neighbours reads one step that captures the heads of layers",
            where="captures",
            hint="one capture of `z`, with `pool: mean` or `rows: last`",
        )
    check_one_row(captures[0])
    check_layer_numbers(options, captures[0])


def _options(options: Mapping[str, object]) -> tuple[str, int, tuple[int, ...]]:
    refuse_unknown("mutual_neighbours", options, OPTIONS)
    people = check_one_of(options, "people", TARGETS)
    k, layers = check_whole(options, "k", least=1), options.get("layers")
    if not isinstance(layers, list | tuple) or not layers:
        raise ConfigError(
            "no layers are named", where="scorer_options.layers", hint="those that are captured"
        )
    return people, k, tuple(int(one) for one in layers)


def score(
    document: Document,
    outputs: tuple[str, ...],
    parser: Parser,
    options: Mapping[str, object],
) -> Mapping[str, object]:
    """The outputs of all heads for one stimulus.

    Returns:
        ``heads`` ``[candidate, unit]``; ``layers`` and ``head_numbers`` of the candidates;
        ``people`` and ``k``.

    Raises:
        DataError: A state that is not finite.
        ConfigError: A capture of another shape.
    """
    people, k, layers = _options(options)
    array = arrays_of(outputs[0], document.id)[0]
    features, heads = candidates(array, document.id)
    if array.ndim != 4 or array.shape[0] != len(layers):
        raise ConfigError(
            f"a capture of shape {list(array.shape)} holds no heads of {len(layers)} layers",
            where=f"document {document.id}: captures",
            hint="capture `z` at one row: a pooled one, or the last",
        )
    named = numbered(layers, heads)
    return {
        "heads": features,
        "layers": named["layers"],
        "head_numbers": named["heads"],
        "people": people,
        "k": k,
    }


class _Halves:
    """Neighbours of every head and of people, within the two halves of some records."""

    def __init__(self, records: Sequence[Record]) -> None:
        import numpy as np

        from headbench.families.brain.mutual_neighbours import neighbours

        taken = [record for record in records if "heads" in record.parts]
        self.takes_part = np.array(["heads" in record.parts for record in records], dtype=bool)
        self.count = len(taken)
        self.usable = False
        if not taken:
            return
        sides = {(str(one.parts["people"]), int(number(one, "k"))) for one in taken}
        if len(sides) > 1:
            raise ConfigError(
                "records of two human sides, or of two k, in one figure",
                where=f"record parts {sorted(sides)}",
                hint="score them as two tasks",
            )
        people, self.k = sides.pop()
        names, table = TARGETS[people]()
        place = {name: at for at, name in enumerate(names)}
        target = table[[place[one.document] for one in taken]]
        self.layers, self.numbers = (
            [int(one) for one in str(taken[0].parts[part]).split(",")]
            for part in ("layers", "head_numbers")
        )
        self.halves = [np.arange(start, self.count, 2) for start in (0, 1)]
        self.least = min(len(half) for half in self.halves)
        if self.least <= self.k:
            return
        self.usable = True
        features = np.array([one.parts["heads"] for one in taken], dtype=np.float64)
        # [head, item, item] of booleans per half; None for a head that is silent there
        self.own: list[list[np.ndarray | None]] = [
            [
                neighbours(features[half, head], self.k)
                if np.abs(features[half, head]).sum(axis=1).all()
                else None
                for head in range(features.shape[1])
            ]
            for half in self.halves
        ]
        self.people = [neighbours(target[half], self.k) for half in self.halves]

    def shares(self, half: int, order: Integers | None = None) -> Floats:
        """Share of common neighbours, ``[head, item]``; NaN for a silent head.

        Args:
            half: 0 or 1.
            order: Of people's stimuli within the half.
        """
        import numpy as np

        people = self.people[half]
        if order is not None:
            people = people[np.ix_(order, order)]
        rows, columns = np.nonzero(people)  # k per row
        found = np.full((len(self.own[half]), len(people)), np.nan)
        for head, near in enumerate(self.own[half]):
            if near is not None:
                found[head] = near[rows, columns].reshape(-1, self.k).mean(axis=1)
        return found


Read = Callable[["Floats", "Floats"], "Floats"]
"""Scores of two halves ``[draw, head]`` each -> ``[draw]``."""


def _over_heads(read: Read, *, sides: bool = True) -> Callable[[Sequence[Record]], Weighted]:
    def prepare(records: Sequence[Record]) -> Weighted:
        import numpy as np

        found = _Halves(records)
        if not found.usable:
            return nothing(records)
        shares = [found.shares(half) for half in (0, 1)]

        def values(weights: Floats) -> Floats:
            means = []
            for half, share in zip(found.halves, shares, strict=True):
                own = weights[:, half]
                total = own.sum(axis=1, keepdims=True)
                with np.errstate(divide="ignore", invalid="ignore"):
                    means.append(np.where(total > 0, own @ share.T / total, np.nan))
            return read(*means)

        def permuted(orders: Integers) -> Floats:
            # Stimuli are exchanged within their half: the order in which they come in `orders`.
            place = np.argsort(orders, axis=1)
            drawn = []
            for one in place:
                inner = [np.argsort(one[half]) for half in found.halves]
                each = [found.shares(half, inner[half]).mean(axis=1) for half in (0, 1)]
                drawn.append(read(*[mean[None] for mean in each])[0])
            return np.array(drawn)

        return Weighted(found.takes_part, values, permuted=permuted if sides else None)

    return prepare


def _held_out(one: Floats, two: Floats) -> Floats:
    """The head that a half chooses, scored on the other; mean of both ways."""
    import numpy as np

    found = []
    for chooses, scores in ((one, two), (two, one)):
        best = np.where(np.isfinite(chooses), chooses, -1.0).argmax(axis=1)
        found.append(scores[np.arange(len(scores)), best])
    return np.asarray((found[0] + found[1]) / 2)


def _best(one: Floats, two: Floats) -> Floats:
    """The best head of both halves together: chosen and scored on the same stimuli."""
    import numpy as np

    both = (one + two) / 2
    best = np.where(np.isfinite(both), both, -1.0).max(axis=1)
    return np.asarray(np.where(best < 0, np.nan, best))  # below 0: every head is silent


def _mean(one: Floats, two: Floats) -> Floats:
    """The mean over heads that are not silent."""
    import numpy as np

    both = (one + two) / 2
    known = np.isfinite(both)
    total = np.where(known, both, 0.0).sum(axis=1)
    return np.where(known.any(axis=1), total / np.maximum(known.sum(axis=1), 1), np.nan)


def _once(figure: Callable[[_Halves], float]) -> Callable[[Sequence[Record]], Weighted]:
    """A figure of the sample as it is: a resample of it says nothing."""

    def prepare(records: Sequence[Record]) -> Weighted:

        found = _Halves(records)
        if not found.usable:
            return nothing(records)
        return of_the_sample(found.takes_part, figure(found))

    return prepare


def _chosen(found: _Halves) -> int:
    import numpy as np

    both = sum(found.shares(half).mean(axis=1) for half in (0, 1))
    return int(np.where(np.isfinite(both), both, -1.0).argmax())


def _gap(found: _Halves) -> float:
    """What choosing the head on the stimuli that are scored would have added."""
    one, two = (found.shares(half).mean(axis=1)[None] for half in (0, 1))
    return float(_best(one, two)[0] - _held_out(one, two)[0])


def profiles(records: Sequence[Record]) -> list[LayerProfile]:
    """Shared neighbours of every head, the mean of both halves."""
    from headbench.scoring.pictures import LayerProfile

    found = _Halves(records)
    if not found.usable:
        return []
    both = sum(found.shares(half).mean(axis=1) for half in (0, 1)) / 2
    return [
        LayerProfile.of(
            "brain.mknn",
            list(zip(found.layers, found.numbers, strict=True)),
            both,
            chance=found.k / (found.least - 1),
            note="Each over both halves; the task's figure is of heads chosen on the other half.",
        )
    ]


def _statistic(name: str, prepare: Callable[[Sequence[Record]], Weighted], better: bool | None) -> (
    SampleStatistic
):  # fmt: skip
    return SampleStatistic(name, prepare, better, low=0.0, high=1.0, resampling="bootstrap")


def _count(name: str, figure: Callable[[_Halves], float]) -> SampleStatistic:
    return SampleStatistic(
        name, _once(figure), None, "count", low=None, high=None, resampling="bootstrap"
    )


HELD_OUT = _statistic("mknn", _over_heads(_held_out), True)
MEAN = _statistic("mknn_mean_head", _over_heads(_mean), True)
BEST = _statistic("mknn_same_stimuli", _over_heads(_best), None)
GAP = SampleStatistic(
    "mknn_optimism_gap", _once(_gap), None, low=-1.0, high=1.0, resampling="bootstrap"
)
CHANCE = _statistic("mknn_chance", _once(lambda found: found.k / (found.least - 1)), None)
LAYER = _count("mknn_best_layer", lambda found: float(found.layers[_chosen(found)]))
HEAD = _count("mknn_best_head", lambda found: float(found.numbers[_chosen(found)]))

MUTUAL_NEIGHBOURS = Scorer(
    "mutual_neighbours",
    1,
    score,
    (
        "brain.mknn",
        "brain.mknn_mean_head",
        "brain.mknn_same_stimuli",
        "brain.mknn_optimism_gap",
        "brain.mknn_chance",
        "brain.mknn_best_layer",
        "brain.mknn_best_head",
    ),
    summary="mutual nearest neighbours of every head with people's",
    check=check,
    profiles=profiles,
)
