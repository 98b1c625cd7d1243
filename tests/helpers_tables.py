"""Tables of simulated people for tests, whose stimuli are words that the shipped model reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from headbench.families.brain.concept_world import concept_world


def words(count: int) -> tuple[str, ...]:
    """Words of the packaged concepts."""
    return concept_world().words[:count]


def simulated(
    count: int = 30, subjects: int = 4, repeats: int = 1, noise: float = 3.0, seed: int = 0
) -> dict[str, np.ndarray]:
    """Columns of a table: noisy projections of the concepts' features, 12 units."""
    random = np.random.default_rng(seed)
    truth = concept_world().features[:count].astype(float)
    clean = truth @ random.standard_normal((truth.shape[1], 12))
    rows = [(s, w) for s in range(subjects) for _ in range(repeats) for w in range(count)]
    return {
        "subject": np.array([f"p{s}" for s, _ in rows]),
        "stimulus": np.array([words(count)[w] for _, w in rows]),
        "vector": np.array([clean[w] + noise * random.standard_normal(12) for _, w in rows]),
    }


def write(path: Path, columns: dict[str, np.ndarray]) -> Path:
    """Write an npz file."""
    np.savez(path, **columns)
    return path
