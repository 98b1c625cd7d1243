"""What a random grouping scores, so that no figure is read without its floor."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from headbench.families.walls.walls_scorer import grouping_parts

CHANCE: Mapping[str, float] = MappingProxyType(
    {
        "group_rate": 0.0022,
        "correct_groups": 0.0088,
        "solved_rate": 0.0,
        "wd": 0.919,
        "fms": 0.2,
        "ari": 0.0,
        "nmi": 0.282,
        "ami": 0.0,
    }
)
"""Means over random groupings of a wall of 4 x 4, a wall each; :func:`simulate` recomputes them.

Two are exact: a gold group is among four random ones with probability 4 / C(16, 4), and ``fms`` is
3/15. A wall is solved by chance once in 2,627,625.
"""


def simulate(draws: int, seed: int, groups: int = 4, size: int = 4) -> dict[str, float]:
    """Mean score of random groupings of a wall.

    Args:
        draws: How many groupings; 20,000 settle the third decimal.
        seed: Of the shuffles.
        groups: Groups of the wall.
        size: Clues of a group.
    """
    rng = np.random.default_rng(seed)
    clues = np.array([f"{group}.{at}" for group in range(groups) for at in range(size)])
    gold = clues.reshape(groups, size).tolist()
    names = ("correct_groups", "solved", "wd", "fms", "ari", "nmi", "ami")
    sums = dict.fromkeys(names, 0.0)
    for _ in range(draws):
        parts = grouping_parts(rng.permutation(clues).reshape(groups, size).tolist(), gold)
        for name in names:
            sums[name] += float(str(parts[name]))
    means = {name: total / draws for name, total in sums.items()}
    means["solved_rate"] = means.pop("solved")
    return {**means, "group_rate": means["correct_groups"] / groups}
