"""Categories in embeddings: information against distortion, typicality (arXiv 2505.17117).

    L(X, C; beta) = I(X; C) + beta D                                                     (eq. 3)
    I = log2 |X| - (1 / |X|) sum_c |C_c| log2 |C_c|                              (eq. 4, in bits)
    D = (1 / |X|) sum_c sum_{i in c} |e_i - mean_c|^2                   (eq. 5, squared Euclidean)

I sees the sizes of the clusters only. D depends on the scale of the embedding, so that L does not
compare models: scale rows to length 1, or read :attr:`Partition.distortion_share`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headbench.errors import DataError
from headbench.families.brain.rdm import Floats, Integers
from headbench.families.brain.weighted_correlation import spearman

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Partition:
    """One partition of embedded items.

    Attributes:
        information: I, bits.
        distortion: D, in squared units of the embedding.
        distortion_share: D over the total variance, 0..1: comparable across models.
        objective: L at the given beta, from the raw D.
    """

    information: float
    distortion: float
    distortion_share: float
    objective: float


@dataclass(frozen=True)
class Recovery:
    """Human categories found by clustering.

    Attributes:
        mean: Adjusted mutual information with the categories, mean over clusterings.
        deviation: Its standard deviation over clusterings; NaN for one.
        repeats: Clusterings.
    """

    mean: float
    deviation: float
    repeats: int


def information(labels: ArrayLike) -> float:
    """Complexity I of a partition in bits: log2 n for singletons, 0 for one cluster."""
    sizes = np.unique(np.asarray(labels), return_counts=True)[1].astype(np.float64)
    total = float(sizes.sum())
    return float(np.log2(total) - (sizes * np.log2(sizes)).sum() / total)


def distortion(vectors: ArrayLike, labels: ArrayLike) -> float:
    """Mean squared distance of items to the mean of their cluster: 0 for singletons."""
    table, codes = _items(vectors, labels)
    sizes = np.bincount(codes).astype(np.float64)
    means = np.zeros((len(sizes), table.shape[1]))
    np.add.at(means, codes, table)
    means /= sizes[:, None]
    return float(((table - means[codes]) ** 2).sum() / len(table))


def partition(vectors: ArrayLike, labels: ArrayLike, beta: float = 1.0) -> Partition:
    """I, D and L of one partition.

    Args:
        vectors: ``[item, unit]``.
        labels: ``[item]``, any names.
        beta: Weight of D; the paper's experiments use 1.
    """
    complexity, error = information(labels), distortion(vectors, labels)
    total = distortion(vectors, np.zeros(len(np.asarray(labels)), dtype=np.int64))
    share = error / total if total > 0 else float("nan")
    return Partition(complexity, error, share, complexity + beta * error)


def adjusted_mutual_information(one: ArrayLike, two: ArrayLike) -> float:
    """Mutual information of two partitions, corrected for chance (Vinh, Epps and Bailey 2010).

    AMI = (MI - E[MI]) / (mean(H1, H2) - E[MI]), the expectation over partitions with the same
    cluster sizes (hypergeometric).

    Args:
        one: ``[item]``.
        two: ``[item]``.

    Returns:
        At most 1; about 0 by chance; 1 where both are one cluster or both all singletons.
    """
    left, right = (np.unique(np.asarray(p), return_inverse=True)[1] for p in (one, two))
    if left.shape != right.shape or not len(left):
        raise DataError(
            f"partitions of {len(left)} and {len(right)} items",
            where="labels",
            hint="give the same items",
        )
    n = len(left)
    table = np.zeros((left.max() + 1, right.max() + 1))
    np.add.at(table, (left, right), 1.0)
    a, b = table.sum(axis=1), table.sum(axis=0)
    if len(a) == len(b) and len(a) in (1, n):
        return 1.0
    full = table > 0
    ratio = np.where(full, table * n / np.outer(a, b), 1.0)
    mutual = float((table / n * np.log(ratio)).sum())
    expected = expected_mutual_information(a, b)
    entropy = [-float((p / n * np.log(p / n)).sum()) for p in (a, b)]
    scale = (entropy[0] + entropy[1]) / 2 - expected
    return (mutual - expected) / scale if abs(scale) > 1e-15 else 0.0


def expected_mutual_information(one: ArrayLike, two: ArrayLike) -> float:
    """Mutual information of unrelated partitions with these cluster sizes, in nats.

    Args:
        one: Sizes of the clusters of one partition, above 0.
        two: Sizes of the other's, of the same sum.
    """
    from scipy.special import gammaln

    a, b = np.asarray(one, dtype=np.float64), np.asarray(two, dtype=np.float64)
    n = float(a.sum())
    expected = 0.0
    fixed = gammaln(a + 1)[:, None] + gammaln(b + 1) + gammaln(n - a + 1)[:, None]
    fixed = fixed + gammaln(n - b + 1) - gammaln(n + 1)
    for common in range(1, int(min(a.max(), b.max())) + 1):
        # Probability that a cluster of a and one of b share `common` items; 0 where impossible.
        possible = (np.minimum(a[:, None], b) >= common) & (a[:, None] + b - n <= common)
        rows, columns = np.nonzero(possible)
        x, y = a[rows], b[columns]
        log_p = fixed[rows, columns] - gammaln(common + 1) - gammaln(x - common + 1)
        log_p -= gammaln(y - common + 1) + gammaln(n - x - y + common + 1)
        expected += float((common / n * np.log(n * common / (x * y)) * np.exp(log_p)).sum())
    return expected


def kmeans(
    vectors: ArrayLike, clusters: int, *, seed: int, restarts: int = 10, steps: int = 300
) -> Integers:
    """Lloyd's k-means from k-means++ starts; the tightest of the restarts.

    Args:
        vectors: ``[item, unit]``.
        clusters: k, at most the number of items.
        seed: Of the starts.
        restarts: How many.
        steps: At most so many per start.

    Returns:
        ``[item]``, cluster numbers.
    """
    table, _ = _items(vectors, np.zeros(len(np.asarray(vectors)), dtype=np.int64))
    if not 1 <= clusters <= len(table):
        raise DataError(
            f"{clusters} clusters of {len(table)} items", where="clusters", hint="1 to the items"
        )
    table = table - table.mean(axis=0)
    random = np.random.default_rng(seed)
    best, tightest = np.zeros(len(table), dtype=np.int64), np.inf
    for _ in range(restarts):
        labels, error = _lloyd(table, _spread_start(table, clusters, random), steps)
        if error < tightest:
            best, tightest = labels, error
    return best


def recovered_categories(
    vectors: ArrayLike, labels: ArrayLike, *, seed: int, repeats: int = 10
) -> Recovery:
    """How well k-means with as many clusters as categories finds the categories.

    One clustering is noisy (a standard deviation of .01 to .03 on 697 THINGS concepts), so several
    are averaged.

    Args:
        vectors: ``[item, unit]``, scaled to length 1 first: clusters follow the cosine.
        labels: ``[item]``, human categories.
        seed: Of the first clustering; the next ones count up.
        repeats: Clusterings.
    """
    table = _unit(_items(vectors, labels)[0])
    clusters = len(np.unique(np.asarray(labels)))
    found = [
        adjusted_mutual_information(kmeans(table, clusters, seed=seed + one), labels)
        for one in range(repeats)
    ]
    spread = float(np.std(found, ddof=1)) if repeats > 1 else float("nan")
    return Recovery(float(np.mean(found)), spread, repeats)


def typicality(
    items: ArrayLike, categories: ArrayLike, labels: ArrayLike, human: ArrayLike
) -> dict[int, float]:
    """Per category, Spearman of human typicality with the cosine of item and category name.

    Args:
        items: ``[item, unit]``.
        categories: ``[category, unit]``, embeddings of the category words in the same template.
        labels: ``[item]``, rows of ``categories``.
        human: ``[item]``, typicality, greater is more typical.

    Returns:
        Category -> rho; NaN for one of fewer than three items.
    """
    table, names = np.asarray(items, np.float64), np.asarray(categories, np.float64)
    codes, rated = np.asarray(labels, np.int64), np.asarray(human, np.float64)
    near = np.einsum("iu,iu->i", _unit(table), _unit(names)[codes])
    found = {}
    for code in np.unique(codes):
        mine = codes == code
        rho = spearman(near[mine], rated[mine]) if mine.sum() > 2 else float("nan")
        found[int(code)] = rho
    return found


def _unit(table: Floats) -> Floats:
    sizes = np.linalg.norm(table, axis=1, keepdims=True)
    if not sizes.all():
        raise DataError("a zero vector has no cosine", where="embeddings", hint="leave it out")
    return np.asarray(table / sizes)


def _items(vectors: ArrayLike, labels: ArrayLike) -> tuple[Floats, Integers]:
    table = np.asarray(vectors, dtype=np.float64)
    codes = np.unique(np.asarray(labels), return_inverse=True)[1]
    if table.ndim != 2 or len(table) != len(codes) or not len(table):
        raise DataError(
            f"vectors {table.shape} for {len(codes)} labels", where="shape", hint="one per item"
        )
    if not np.isfinite(table).all():
        raise DataError("an embedding is not finite", where="vectors", hint="drop the item")
    return table, np.asarray(codes, dtype=np.int64)


def _spread_start(table: Floats, clusters: int, random: np.random.Generator) -> Floats:
    """Greedy k-means++: of a few far items, the one that leaves the least distance comes next."""
    chosen = [int(random.integers(len(table)))]
    gaps = ((table - table[chosen[0]]) ** 2).sum(axis=1)
    tries = 2 + int(np.log(clusters))
    while len(chosen) < clusters:
        total = gaps.sum()
        drawn = random.choice(len(table), size=tries, p=gaps / total if total > 0 else None)
        left = [np.minimum(gaps, ((table - table[new]) ** 2).sum(axis=1)) for new in drawn]
        best = int(np.argmin([one.sum() for one in left]))
        chosen.append(int(drawn[best]))
        gaps = left[best]
    return table[chosen]


def _lloyd(table: Floats, centres: Floats, steps: int) -> tuple[Integers, float]:
    sizes = (table**2).sum(axis=1)
    labels = np.full(len(table), -1)
    gaps = np.zeros((len(table), len(centres)))
    for _ in range(steps):
        gaps = sizes[:, None] + (centres**2).sum(axis=1) - 2 * table @ centres.T
        new = gaps.argmin(axis=1)
        if (new == labels).all():
            break
        labels = new
        counts = np.bincount(labels, minlength=len(centres))
        sums = np.zeros_like(centres)
        np.add.at(sums, labels, table)
        # A cluster that lost all its items keeps its centre.
        centres = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], centres)
    return np.asarray(labels, dtype=np.int64), float(gaps[np.arange(len(table)), labels].sum())
