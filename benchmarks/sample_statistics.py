"""What resampling and permuting sample statistics costs, in seconds of one processor.

    OMP_NUM_THREADS=1 python benchmarks/sample_statistics.py [--stimuli 1854] [--draws 1000]

One pair of RDMs over as many stimuli as THINGS has: ranking both and a bootstrap interval within 3
s; the same with a permutation null within 10 s. Rank statistics of records stand below.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

import numpy as np

from headbench.families.brain.rdm import rdm
from headbench.families.brain.rdm_similarity import (
    permuted_similarity,
    prepare,
    weighted_similarity,
)
from headbench.nouns import Record
from headbench.scoring import lookup
from headbench.statistics import compare_paired, label_null, value_limits
from headbench.statistics.metric import SampleStatistic, Weighted

LIMITS = {"interval": 3.0, "null": 10.0}


def similarity_of(human: np.ndarray, method: str = "spearman") -> SampleStatistic:
    """The similarity of the RDM of the records' features and one of people's, ``[pair]``."""

    def of_records(records: Sequence[Record]) -> Weighted:
        features = np.array([record.parts["features"] for record in records])
        model, target = prepare(rdm(features, "correlation"), method), prepare(human, method)
        return Weighted(
            np.ones(len(records), dtype=bool),
            lambda weights: weighted_similarity(model, target, weights)[:, 0],
            permuted=lambda orders: permuted_similarity(model, target, orders)[:, 0],
        )

    return SampleStatistic("similarity", of_records, True, resampling="bootstrap")


def spent(work: Callable[[], object]) -> float:
    """Processor seconds of one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> int:
    """Measure, print, and say by the exit status whether the limits hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stimuli", type=int, default=1_854)
    parser.add_argument("--draws", type=int, default=1_000)
    asked = parser.parse_args()
    random = np.random.default_rng(0)
    states = random.normal(size=(2, asked.stimuli, 64)).astype(np.float16)
    base, other = (
        [
            Record(f"s{i:04}", f"s{i:04}", (), None, "", {"features": row})
            for i, row in enumerate(of)
        ]
        for of in states
    )
    human = rdm(random.normal(size=(asked.stimuli, 40)) + states[0, :, :40], "correlation")
    metric = similarity_of(human)
    draws = asked.draws
    times = {
        "interval": spent(lambda: value_limits(metric, base, draws=draws)),
        "null": spent(lambda: label_null(metric, base, seed=0, draws=draws)),
    }
    paired = spent(lambda: compare_paired(metric, base, other, seed=0, draws=draws))
    print(
        f"{asked.stimuli:,} stimuli, {draws:,} draws, one pair of RDMs, seconds of processor time"
    )
    for name, taken in times.items():
        print(f"{name:12} {taken:6.2f}   limit {LIMITS[name]:g}   ratio {taken / LIMITS[name]:.2f}")
    print(f"{'difference':12} {paired:6.2f}   two conditions, RDMs and ranks of both included")
    parts = [
        {"score": s, "positive": bool(s + e > 0), "predicted": s, "observed": e}
        for s, e in random.normal(size=(5_000, 2))
    ]
    records = [Record(f"d{i}", f"d{i}", (), None, "", part) for i, part in enumerate(parts)]
    for name in ("auroc", "spearman"):
        taken = spent(lambda name=name: value_limits(lookup.metric(name), records))
        print(f"{name:12} {taken:6.2f}   interval over 5,000 records, each left out once")
    return int(any(taken > LIMITS[name] for name, taken in times.items()))


if __name__ == "__main__":
    raise SystemExit(main())
