"""What resampling and permuting RDMs costs, and how much less than in rsatoolbox.

    OMP_NUM_THREADS=1 python benchmarks/brain.py [--stimuli 1854] [--draws 1000]

One thread, one pair of RDMs. Goals: the resamples within 3 CPU seconds and the permutations within
10, ranking included; at 92 stimuli ten times faster than rsatoolbox 0.3.2 with equal means, where
that is installed.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import time
from collections.abc import Callable

import numpy as np

from headbench.families.brain.rdm import Floats, rdm
from headbench.families.brain.rdm_similarity import (
    permuted_similarity,
    prepare,
    weighted_similarity,
)

RESAMPLES, PERMUTATIONS, FASTER = 3.0, 10.0, 10.0
PEER_STIMULI = 92
METHODS = {"pearson": "corr", "rho_a": "rho-a"}
"""Our name -> rsatoolbox's."""


def two_rdms(stimuli: int) -> tuple[Floats, Floats]:
    """Two related geometries."""
    random = np.random.default_rng(0)
    features = random.standard_normal((stimuli, 64))
    return rdm(features), rdm(features + 1.5 * random.standard_normal((stimuli, 64)))


def resampled(one: Floats, two: Floats, stimuli: int, draws: int, method: str) -> Floats:
    """The bootstrap distribution over stimuli: ``[draw]``."""
    weights = np.random.default_rng(1).multinomial(stimuli, np.full(stimuli, 1 / stimuli), draws)
    sides = [prepare(side, method) for side in (one, two)]  # type: ignore[arg-type]
    return np.asarray(weighted_similarity(*sides, weights)[:, 0, 0])


def permuted(one: Floats, two: Floats, stimuli: int, draws: int) -> Floats:
    """The null of unrelated labels: ``[draw]``."""
    random = np.random.default_rng(2)
    orders = np.array([random.permutation(stimuli) for _ in range(draws)])
    return np.asarray(permuted_similarity(prepare(one), prepare(two), orders)[:, 0, 0])


def peer(one: Floats, two: Floats, draws: int, method: str) -> Floats:
    """The same bootstrap by rsatoolbox: ``[draw]``."""
    from rsatoolbox.inference import eval_bootstrap_pattern
    from rsatoolbox.model import ModelFixed
    from rsatoolbox.rdm import RDMs

    model = ModelFixed("one", RDMs(one[None]))
    with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
        found = eval_bootstrap_pattern(
            model, RDMs(two[None]), N=draws, method=METHODS[method], boot_noise_ceil=False
        )
    return np.asarray(found.evaluations).reshape(-1)


def timed(work: Callable[[], Floats]) -> tuple[float, Floats]:
    """CPU seconds and the outcome."""
    start = time.process_time()
    outcome = work()
    return time.process_time() - start, outcome


def main() -> None:
    """Print seconds, goals and ratios."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--stimuli", type=int, default=1854)
    options.add_argument("--draws", type=int, default=1000)
    given = options.parse_args()
    one, two = two_rdms(given.stimuli)
    size = given.stimuli, given.draws
    for method in ("rho_a", "pearson", "corr_cov"):
        seconds, _ = timed(lambda name=method: resampled(one, two, *size, name))  # type: ignore[misc]
        print(f"resamples {method}: {seconds:.2f} s, {seconds / RESAMPLES:.2f} of the goal")
    seconds, _ = timed(lambda: permuted(one, two, *size))
    print(f"permutations rho_a: {seconds:.2f} s, {seconds / PERMUTATIONS:.2f} of the goal")
    if not importlib.util.find_spec("rsatoolbox"):
        print("rsatoolbox is not installed: no ratio")
        return
    one, two = two_rdms(PEER_STIMULI)
    for method in METHODS:
        ours, mine = timed(
            lambda name=method: resampled(one, two, PEER_STIMULI, given.draws, name)  # type: ignore[misc]
        )
        theirs, other = timed(lambda name=method: peer(one, two, given.draws, name))  # type: ignore[misc]
        # Both draw on their own, so that the means differ by chance: in standard errors of that.
        error = np.hypot(mine.std(), np.nanstd(other)) / np.sqrt(given.draws)
        print(
            f"{PEER_STIMULI} stimuli, {method}: {theirs / ours:.0f} times faster"
            f" (goal {FASTER:.0f}); mean {mine.mean():.4f} and {np.nanmean(other):.4f},"
            f" {abs(mine.mean() - np.nanmean(other)) / error:.1f} standard errors apart;"
            f" standard deviation {mine.std():.4f} and {np.nanstd(other):.4f}"
        )


if __name__ == "__main__":
    main()
