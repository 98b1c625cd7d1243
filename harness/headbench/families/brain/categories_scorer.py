"""Categories in states of concepts: found by clustering, and as a code (arXiv 2505.17117)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from headbench.errors import ConfigError, DataError
from headbench.families.brain.one_state import check_state, state_of
from headbench.families.brain.sample_figures import nothing
from headbench.nouns import Document, Record
from headbench.scoring.parser import Parser
from headbench.scoring.parts import number
from headbench.scoring.scorer import AskedStep, Scorer
from headbench.statistics.metric import SampleStatistic, Weighted

if TYPE_CHECKING:
    import numpy as np

    from headbench.families.brain.rdm import Floats, Integers

REPEATS = 10
"""Clusterings: one alone has a standard deviation of .01 to .03."""


def check_categories(options: Mapping[str, object], steps: Sequence[AskedStep]) -> None:
    """Refuse a wrong beta, and captures that do not give one state."""
    check_state("categories", options, steps, ("beta",))
    _beta(options)


def score_categories(
    document: Document,
    outputs: tuple[str, ...],
    parser: Parser,
    options: Mapping[str, object],
) -> Mapping[str, object]:
    """The state of one concept.

    Returns:
        ``features`` ``[unit]``; ``category``; ``beta``; ``characters`` of the word.

    Raises:
        DataError: The document has no category.
    """
    if len(outputs) != 1 or not isinstance(document.target, str) or not document.target:
        raise DataError(
            "a concept needs one answer, and its category as the target",
            where=f"document {document.id}",
            hint="use `dataset_path: concept_categories`",
        )
    return {
        "features": state_of(outputs[0], options, document.id),
        "category": document.target,
        "beta": _beta(options),
        "characters": len(str(document.fields.get("word", ""))),
    }


def _beta(options: Mapping[str, object]) -> float:
    beta = options.get("beta", 1.0)
    if isinstance(beta, bool) or not isinstance(beta, int | float) or not beta >= 0:
        raise ConfigError(
            f"beta cannot be {beta!r}",
            where="scorer_options.beta",
            hint="a number of 0 or more; the paper has 1",
        )
    return float(beta)


def _taken(records: Sequence[Record]) -> tuple[np.ndarray, list[Record], Floats]:
    import numpy as np

    part = np.array(["features" in record.parts for record in records], dtype=bool)
    taken = [record for record, one in zip(records, part, strict=True) if one]
    return part, taken, np.array([record.parts["features"] for record in taken], np.float64)


@lru_cache(64)
def _packed(table: bytes, units: int, clusters: int) -> tuple[int, ...]:
    """The tightest of ten k-means of the states as they are, whose D the paper compares."""
    import numpy as np

    from headbench.families.brain.concept_partition import kmeans

    rows = np.frombuffer(table, dtype=np.float64).reshape(-1, units)
    return tuple(kmeans(rows, clusters, seed=0, restarts=REPEATS).tolist())


@lru_cache(64)
def _clusterings(table: bytes, units: int, clusters: int) -> tuple[tuple[int, ...], ...]:
    """The same for the same features: several metrics, draws and tests ask."""
    import numpy as np

    from headbench.families.brain.concept_partition import kmeans

    rows = np.frombuffer(table, dtype=np.float64).reshape(-1, units)
    return tuple(
        tuple(kmeans(rows, clusters, seed=seed, restarts=1).tolist()) for seed in range(REPEATS)
    )


def _found(features: Floats, labels: np.ndarray) -> list[Integers]:
    """Clusterings of the unit vectors into as many clusters as there are categories."""
    import numpy as np

    rows = np.ascontiguousarray(features / np.linalg.norm(features, axis=1, keepdims=True))
    found = _clusterings(rows.tobytes(), rows.shape[1], len(np.unique(labels)))
    return [np.array(one, dtype=np.intp) for one in found]


class _Recovered:
    """AMI of fixed clusters with labels, for any weights of the items and order of the labels.

    The expectation by chance is that of the items as they are: it moves all draws alike.
    """

    def __init__(self, clusters: Integers, labels: Integers) -> None:
        import numpy as np

        from headbench.families.brain.concept_partition import expected_mutual_information

        self.left, self.right = (
            np.unique(one, return_inverse=True)[1] for one in (clusters, labels)
        )
        self.sides = int(self.left.max()) + 1, int(self.right.max()) + 1
        self.expected = expected_mutual_information(np.bincount(self.left), np.bincount(self.right))

    def values(self, weights: Floats) -> Floats:
        """``[draw]`` for ``[draw, item]``."""
        import numpy as np

        cells = np.zeros((len(self.left), self.sides[0] * self.sides[1]))
        cells[np.arange(len(self.left)), self.left * self.sides[1] + self.right] = 1
        return self._of(weights @ cells)

    def permuted(self, orders: Integers) -> Floats:
        """``[draw]``, with the labels in the order of ``[draw, item]``."""
        import numpy as np

        size = self.sides[0] * self.sides[1]
        at = self.left * self.sides[1] + self.right[orders]  # [draw, item]
        at += size * np.arange(len(orders))[:, None]
        counts = np.bincount(at.ravel(), minlength=size * len(orders))
        return self._of(counts.reshape(len(orders), size).astype(np.float64))

    def _of(self, counts: Floats) -> Floats:
        """From tables of counts, flat: ``[draw, cluster x label]``."""
        import numpy as np

        shares = (counts / counts.sum(axis=1, keepdims=True)).reshape(-1, *self.sides)
        a, b, both = (
            _entropy(one)
            for one in (shares.sum(axis=2), shares.sum(axis=1), shares.reshape(len(shares), -1))
        )
        room = (a + b) / 2 - self.expected
        return np.where(room > 0, (a + b - both - self.expected) / np.where(room > 0, room, 1), 0)


def _entropy(shares: Floats) -> Floats:
    """In nats, over the last axis."""
    import numpy as np

    return np.asarray(-(shares * np.log(np.where(shares > 0, shares, 1.0))).sum(axis=-1))


def _clustered(summary: Callable[[list[Floats]], Floats], *, sides: bool) -> (
    Callable[[Sequence[Record]], Weighted]
):  # fmt: skip
    """A summary over ten clusterings, which stay as they are."""

    def prepare(records: Sequence[Record]) -> Weighted:
        import numpy as np

        part, taken, features = _taken(records)
        labels = np.array([str(record.parts.get("category")) for record in taken])
        if len(taken) < 3 or len(set(labels)) < 2 or not features.any(axis=1).all():
            return nothing(records)
        every = [_Recovered(one, labels) for one in _found(features, labels)]
        return Weighted(
            part,
            lambda weights: summary([one.values(weights) for one in every]),
            permuted=(lambda orders: summary([one.permuted(orders) for one in every]))
            if sides
            else None,
        )

    return prepare


def _mean(each: list[Floats]) -> Floats:
    import numpy as np

    return np.asarray(np.mean(each, axis=0))


def _deviation(each: list[Floats]) -> Floats:
    import numpy as np

    return np.asarray(np.std(each, axis=0, ddof=1))


def _by_length(records: Sequence[Record]) -> Weighted:
    """AMI of the categories with a partition that knows the number of characters alone."""
    import numpy as np

    part, taken, _ = _taken(records)
    labels = np.array([str(record.parts.get("category")) for record in taken])
    length = np.array([record.parts.get("characters", 0) for record in taken], dtype=np.intp)
    if len(taken) < 3 or len(set(labels)) < 2:
        return nothing(records)
    found = _Recovered(length, labels)
    return Weighted(part, found.values, permuted=found.permuted)


def _partition(read: Callable[[Floats, Floats, Floats, float], Floats], clustered: bool) -> (
    Callable[[Sequence[Record]], Weighted]
):  # fmt: skip
    """A figure of I, D and the total variance, of people's partition or of k-means."""

    def prepare(records: Sequence[Record]) -> Weighted:
        import numpy as np

        part, taken, features = _taken(records)
        labels = np.array([str(record.parts.get("category")) for record in taken])
        if len(taken) < 3 or not features.any(axis=1).all():
            return nothing(records)
        beta = number(taken[0], "beta")
        groups = labels
        if clustered:
            rows = np.ascontiguousarray(features)
            groups = np.array(_packed(rows.tobytes(), rows.shape[1], len(np.unique(labels))))
        member = (groups[:, None] == np.unique(groups)).astype(np.float64)  # [item, cluster]
        centred = features - features.mean(axis=0)
        sizes = (centred**2).sum(axis=1)

        def values(weights: Floats) -> Floats:
            total = weights.sum(axis=1)
            counts = weights @ member  # [draw, cluster]
            with np.errstate(divide="ignore", invalid="ignore"):
                bits = np.where(counts > 0, counts * np.log2(counts), 0.0).sum(axis=1)
            information = np.log2(total) - bits / total
            length = weights @ sizes / total
            middle = weights @ centred / total[:, None]
            explained = np.zeros(len(weights))
            for at in range(member.shape[1]):
                sums = (weights * member[:, at]) @ centred  # [draw, unit]
                share = np.where(counts[:, at] > 0, counts[:, at], 1.0)
                explained += (sums**2).sum(axis=1) / share
            distortion = np.maximum(length - explained / total, 0.0)
            variance = np.maximum(length - (middle**2).sum(axis=1), 0.0)
            return read(information, distortion, variance, beta)

        return Weighted(part, values)

    return prepare


def _share(information: Floats, distortion: Floats, variance: Floats, beta: float) -> Floats:
    import numpy as np

    return np.where(variance > 0, distortion / np.where(variance > 0, variance, 1), np.nan)


def _statistic(
    name: str,
    prepare: Callable[[Sequence[Record]], Weighted],
    better: bool | None = None,
    low: float | None = 0.0,
    high: float | None = None,
) -> SampleStatistic:
    # Clusters of a mixture of two conditions are those of neither: conditions are not swapped.
    return SampleStatistic(
        name, prepare, better, "points", low=low, high=high, resampling="bootstrap"
    )


AMI = SampleStatistic(
    "ib_ami", _clustered(_mean, sides=True), True, low=-1.0, high=1.0, resampling="bootstrap"
)
AMI_SPREAD = _statistic("ib_ami_spread", _clustered(_deviation, sides=False), high=1.0)
AMI_CHARACTERS = SampleStatistic(
    "ib_ami_characters", _by_length, None, low=-1.0, high=1.0, resampling="bootstrap"
)
INFORMATION = _statistic("ib_information", _partition(lambda i, d, v, b: i, False))
DISTORTION = _statistic("ib_distortion", _partition(lambda i, d, v, b: d, False))
SHARE = _statistic("ib_distortion_share", _partition(_share, False), high=1.0)
OBJECTIVE = _statistic("ib_objective", _partition(lambda i, d, v, b: i + b * d, False))
KMEANS_INFORMATION = _statistic("ib_kmeans_information", _partition(lambda i, d, v, b: i, True))
KMEANS_SHARE = _statistic("ib_kmeans_distortion_share", _partition(_share, True), high=1.0)

CATEGORIES = Scorer(
    "categories",
    1,
    score_categories,
    (
        "brain.ib_ami",
        "brain.ib_ami_spread",
        "brain.ib_ami_characters",
        "brain.ib_information",
        "brain.ib_distortion",
        "brain.ib_distortion_share",
        "brain.ib_objective",
        "brain.ib_kmeans_information",
        "brain.ib_kmeans_distortion_share",
    ),
    summary="people's categories in the states of concepts: AMI, information, distortion",
    check=check_categories,
)
