"""Freeze figures of himalaya 0.4.11, the reference for banded ridge.

    pip install himalaya==0.4.11
    python tests/families/brain/make_himalaya_figures.py

writes ``himalaya_figures.json`` beside this file, inputs included; where himalaya is installed, a
test renews the figures and compares.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np

PLACE = Path(__file__).with_name("himalaya_figures.json")
TRAIN, TEST, FOLDS = 30, 12, 3
ALPHAS = [0.1, 1.0, 10.0, 100.0]
SHARES = [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.8, 0.2]]


def inputs() -> dict[str, Any]:
    """Two bands of features and four targets, of which one follows both, one each, one neither."""
    random = np.random.default_rng(11)
    one, two = random.standard_normal((TRAIN + TEST, 4)), random.standard_normal((TRAIN + TEST, 6))
    clean = np.stack([one[:, 0], two[:, 0], one[:, 1] + two[:, 1], 0 * one[:, 0]], axis=1)
    noisy = clean + 0.5 * random.standard_normal(clean.shape)
    return {
        "bands": [one.round(4).tolist(), two.round(4).tolist()],
        "responses": noisy.round(4).tolist(),
    }


def standardised(given: dict[str, Any]) -> tuple[list[np.ndarray], np.ndarray]:
    """Bands with mean 0 and variance 1 over the training part, as the ridge here has them."""
    bands = []
    for band in map(np.array, given["bands"]):
        train = band[:TRAIN]
        bands.append((band - train.mean(axis=0)) / train.std(axis=0))
    return bands, np.array(given["responses"])


def figures(given: dict[str, Any]) -> dict[str, Any]:
    """What himalaya predicts of the test part."""
    from himalaya.ridge import Ridge, solve_group_ridge_random_search

    warnings.simplefilter("ignore")
    bands, responses = standardised(given)
    train, test = slice(0, TRAIN), slice(TRAIN, None)
    whole = np.concatenate(bands, axis=1)
    single = [
        Ridge(alpha=alpha, fit_intercept=True, solver_params={"warn": False})
        .fit(whole[train], responses[train])
        .predict(whole[test])
        .tolist()
        for alpha in ALPHAS
    ]
    mean = responses[train].mean(axis=0)
    banded = []
    for share in SHARES:
        # One candidate, so that the solver has nothing to choose: its coefficients are compared.
        found = solve_group_ridge_random_search(
            [band[train] for band in bands],
            responses[train] - mean,
            n_iter=np.array([share]),
            alphas=np.array([ALPHAS[1]]),
            cv=FOLDS,
            return_weights=True,
            progress_bar=False,
            warn=False,
        )
        banded.append((whole[test] @ found[1] + mean).tolist())
    return {"single": single, "banded": banded}


if __name__ == "__main__":
    given = inputs()
    text = json.dumps({"inputs": given, "figures": figures(given)}, indent=1)
    PLACE.write_text(text + "\n", encoding="utf-8")
