"""What the benchmarks share: alternation, and a median with its interval."""

from __future__ import annotations

import math
import os
import resource
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

ROUNDS = 15
"""Alternations; fewer give no interval worth printing."""


@dataclass(frozen=True)
class Median:
    """A median with the order statistics that bound it at 95 % or more (binomial, no model)."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """``0.212 [0.208, 0.219]``."""
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def median(values: Sequence[float]) -> Median:
    """The median; its interval runs between symmetric order statistics."""
    ordered = sorted(values)
    n, place = len(ordered), 0
    while place < n // 2 and 2 * _tail(n, place) <= 0.05:
        place += 1
    place = max(place - 1, 0)
    return Median(statistics.median(ordered), ordered[place], ordered[n - 1 - place])


def _tail(n: int, most: int) -> float:
    """P(X <= most) of Binomial(n, 1/2)."""
    return sum(math.comb(n, k) for k in range(most + 1)) / 2**n


def alternate(
    what: Mapping[str, Callable[[], float]], rounds: int = ROUNDS
) -> dict[str, list[float]]:
    """Measure each in turn, round after round, so that a slow spell of the machine hits all."""
    found: dict[str, list[float]] = {name: [] for name in what}
    for _ in range(rounds):
        for name, measure in what.items():
            found[name].append(measure())
    return found


def one_thread() -> dict[str, str]:
    """The environment for a measured process."""
    single = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return {**os.environ, **single, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


def child_cpu(command: Sequence[str]) -> float:
    """CPU seconds (user and system) of one command.

    Raises:
        subprocess.CalledProcessError: it failed, so its time means nothing.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=one_thread())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
