"""Records of two conditions, paired by document and summed by cluster.

One place forms pairs and clusters; every test, interval and draw starts from here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headbench.errors import DataError, RefusedError
from headbench.nouns import Record
from headbench.statistics.metric import Floats, SumMetric

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Sums:
    """A metric's parts, summed within each cluster.

    Attributes:
        table: ``[cluster, part]``, clusters in the order of their names.
        sizes: ``[cluster]``, records of each.
    """

    table: Floats
    sizes: Floats

    @property
    def n(self) -> int:
        """Number of records."""
        return int(self.sizes.sum())

    @property
    def clusters(self) -> int:
        """Number of clusters."""
        return len(self.table)


def cluster_sums(metric: SumMetric, records: Sequence[Record]) -> Sums:
    """Sum a metric's rows within clusters; the order of the records does not matter."""
    owners = cluster_places(records)
    sizes = np.bincount(owners).astype(np.float64)
    table = np.zeros((len(sizes), len(metric.parts)), dtype=np.float64)
    np.add.at(table, owners, metric.rows(records))
    return Sums(table, sizes)


def cluster_places(records: Sequence[Record]) -> NDArray[np.intp]:
    """``[record]``, the place of its cluster among the clusters' sorted names."""
    names = sorted({record.cluster for record in records})
    place = {name: index for index, name in enumerate(names)}
    return np.array([place[record.cluster] for record in records], dtype=np.intp)


def pair(base: Sequence[Record], other: Sequence[Record]) -> list[tuple[Record, Record]]:
    """Pair two conditions' records by document, sorted by document id.

    Raises:
        DataError: A document occurs twice in one condition, or its cluster or ground truth differs.
        RefusedError: The conditions do not hold the same documents, or hold none.
    """
    left, right = _by_document(base), _by_document(other)
    if left.keys() != right.keys():
        missing = sorted(left.keys() ^ right.keys())
        raise RefusedError(
            f"{len(missing)} documents are in only one of the two results",
            where=f"{len(left)} and {len(right)} documents; first of them: {missing[0]}",
            hint="compare runs of the same task, data, seed and limit",
        )
    if not left:
        raise RefusedError(
            "there are no documents to compare", hint="run the task without a limit of 0"
        )
    pairs = [(left[document], right[document]) for document in sorted(left)]
    for one, two in pairs:
        if one.cluster != two.cluster or one.target != two.target:
            raise DataError(
                "the two results disagree about a document's cluster or ground truth",
                where=f"document {one.document}",
                hint="compare runs over the same version of the data",
            )
    return pairs


def _by_document(records: Sequence[Record]) -> Mapping[str, Record]:
    found: dict[str, Record] = {}
    for record in records:
        if record.document in found:
            raise DataError(
                "a document has two records in one result",
                where=f"document {record.document}",
                hint="give every document an id of its own",
            )
        found[record.document] = record
    return found
