"""Freeze figures of rsatoolbox 0.3.2, the reference for RDMs, comparators and noise ceilings.

    pip install rsatoolbox==0.3.2
    python tests/families/brain/make_rsatoolbox_figures.py

writes ``rsatoolbox_figures.json`` beside this file. Inputs are stored with the figures, so that the
tests need neither rsatoolbox nor its random numbers; where it is installed, a test renews the
figures and compares.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np

PLACE = Path(__file__).with_name("rsatoolbox_figures.json")
STIMULI, UNITS, SUBJECTS, REPEATS = 12, 5, 3, 4
METHODS = {
    "spearman": "spearman",
    "rho_a": "rho-a",
    "tau_a": "tau-a",
    "pearson": "corr",
    "cosine": "cosine",
    "corr_cov": "corr_cov",
    "cosine_cov": "cosine_cov",
}
"""Our name -> theirs."""


def inputs() -> dict[str, Any]:
    """Patterns of three noisy subjects with repeats, and a coarse theory with many ties."""
    random = np.random.default_rng(7)
    truth = random.standard_normal((STIMULI, UNITS))
    noise = random.standard_normal((SUBJECTS, REPEATS, STIMULI, UNITS))
    theory = np.arange(STIMULI) // 4
    return {
        "patterns": (truth + noise).round(4).tolist(),
        "theory": (theory[:, None] != theory[None, :]).astype(int).tolist(),
        "drawn": sorted(random.integers(STIMULI, size=STIMULI).tolist()),
    }


def figures(given: dict[str, Any]) -> dict[str, Any]:
    """What rsatoolbox says of the inputs."""
    from rsatoolbox.data import Dataset
    from rsatoolbox.inference import boot_noise_ceiling
    from rsatoolbox.rdm import RDMs, calc_rdm, compare

    warnings.simplefilter("ignore")
    patterns = np.array(given["patterns"])
    found: dict[str, Any] = {"rdms": {}, "compare": {}, "resampled": {}, "ceiling": {}}
    one = Dataset(patterns[0, 0])
    for method in ("correlation", "euclidean"):
        found["rdms"][method] = calc_rdm(one, method=method).dissimilarities[0].tolist()
    labels = {
        "stimulus": np.tile(np.arange(STIMULI), REPEATS),
        "repeat": np.repeat(np.arange(REPEATS), STIMULI),
    }
    crossed = []
    for subject in patterns:
        rows = Dataset(subject.reshape(-1, UNITS), obs_descriptors=labels)
        crossed.append(
            calc_rdm(rows, method="crossnobis", descriptor="stimulus", cv_descriptor="repeat")
        )
    found["rdms"]["crossnobis"] = [one.dissimilarities[0].tolist() for one in crossed]
    upper = np.triu_indices(STIMULI, 1)
    models = RDMs(
        np.stack(
            [
                np.array(given["theory"], dtype=float)[upper],
                calc_rdm(one, method="correlation").dissimilarities[0],
                crossed[0].dissimilarities[0],
            ]
        )
    )
    subjects = RDMs(
        np.stack(
            [
                calc_rdm(Dataset(one.mean(axis=0)), method="correlation").dissimilarities[0]
                for one in patterns
            ]
        )
    )
    for ours, theirs in METHODS.items():
        found["compare"][ours] = compare(models, subjects, method=theirs).tolist()
        found["ceiling"][ours] = [float(one) for one in boot_noise_ceiling(subjects, method=theirs)]
        sides = [side.subsample_pattern("index", given["drawn"]) for side in (models, subjects)]
        found["resampled"][ours] = compare(*sides, method=theirs).tolist()
    found["models"] = models.dissimilarities.tolist()
    found["subjects"] = subjects.dissimilarities.tolist()
    return found


if __name__ == "__main__":
    stored = inputs()
    PLACE.write_text(json.dumps({"inputs": stored, "figures": figures(stored)}) + "\n")
