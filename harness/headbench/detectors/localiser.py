"""Heads that respond more to one kind of text than to another: a functional localiser.

For every unit of every head's output ``z``, Welch's t between two lists of stimuli (Fedorenko et
al. 2010 for people; arXiv 2406.15109 for models)::

    t = (mean_1 - mean_2) / sqrt(var_1 / n_1 + var_2 / n_2)

The units of all layers are ranked together by SIGNED t, and the best ``share`` of them are kept. A
head's score is the share of its units that are kept; by chance it is ``share``. The map names the
kept units. Random weights select units too, so an untrained model of the same shape
(``--model-args untrained=true``) is the control; how well a selection repeats is the agreement of
the two halves of the stimuli.

The packaged lists are texts of twelve words and the same words in another order. The published
localiser contrasts sentences with lists of non-words, which a user's files can do.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field, JsonValue

from headbench._reading import read_file, shown
from headbench.detectors import alignment
from headbench.detectors.detector import (
    Detector,
    DetectorParams,
    Measurement,
    Trial,
    Trials,
    attending_layers,
)
from headbench.errors import ConfigError, DataError
from headbench.families.brain.rdm import Floats, Integers
from headbench.models.base_model import digest_of
from headbench.nouns import Request
from headbench.worlds.needles import NeedleWorld

if TYPE_CHECKING:
    from headbench.detectors.detector import HeadModel

ONE, OTHER = "one", "other"
WORDS = 12
"""Words of a packaged stimulus, as in the published localiser."""
PACKAGED = 120
"""Packaged stimuli per list."""
LEAST = 10
"""Fewer stimuli per list give no variance worth dividing by."""


class LocaliserParams(DetectorParams):
    """The two lists, and how many units are kept."""

    one: str = "texts"
    """What the heads should respond to: a text file, one stimulus per line, or ``texts``, the
    packaged ones."""
    other: str = "shuffled"
    """What is subtracted: a text file, or ``shuffled``, the packaged texts' words out of order."""
    pool: alignment.Pool = "last"
    """As for the detector ``rsa``."""
    share: float = Field(0.1, gt=0, lt=1)
    """Share of all units that is kept; 0.1 in the released code, where earlier work kept 4,096."""


def load(params: LocaliserParams, limit: int | None, seed: int) -> Trials:
    """Both lists, in pairs as far as they go.

    Raises:
        DataError: A file is missing, or a list is too short.
    """
    lists = {ONE: _texts(params.one, seed), OTHER: _texts(params.other, seed)}
    if limit is not None:
        lists = {name: texts[: limit // 2] for name, texts in lists.items()}
    for name, texts in lists.items():
        if len(texts) < LEAST:
            raise DataError(
                f"{len(texts)} stimuli in the list {name!r}, at least {LEAST} are needed",
                where=f"--set {name}={getattr(params, name)}",
                hint="raise --limit, or add lines to the file",
            )
    trials = [
        Trial(
            Request(
                document=f"{name}-{number:04d}",
                step="detect",
                index=0,
                kind="represent",
                messages=({"role": "user", "content": text},),
                spans=alignment.spans_of(params.pool, "{}", text),
            ),
            "",
        )
        for name, texts in lists.items()
        for number, text in enumerate(texts)
    ]
    facts: dict[str, JsonValue] = {
        "documents": len(trials),
        **{name: len(texts) for name, texts in lists.items()},
        "sha256": digest_of(lists),
    }
    return Trials(tuple(trials), facts)


def _texts(name: str, seed: int) -> tuple[str, ...]:
    """The stimuli of a packaged list or of a file."""
    if name in ("texts", "shuffled"):
        return _packaged(seed, shuffled=name == "shuffled")
    path = Path(name)
    hint = "give a text file with one stimulus per line; or texts, shuffled"
    try:
        text = read_file(path, "the list of stimuli", hint=hint).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            "the list of stimuli is not UTF-8", where=shown(path), hint="save it as UTF-8"
        ) from error
    lines = [line.strip() for line in text.splitlines()]
    return tuple(line for line in lines if line)


def _packaged(seed: int, *, shuffled: bool) -> tuple[str, ...]:
    """Twelve words of the needle world's filler each, in order or not."""
    random = np.random.default_rng(seed)
    found: list[str] = []
    number = 0
    world = NeedleWorld("calibration", "words")
    while len(found) < PACKAGED:
        words = world.document(seed + number, 384, 0.5).context.split()
        number += 1
        for start in range(0, len(words) - WORDS, WORDS):
            piece = words[start : start + WORDS]
            found.append(" ".join(random.permutation(piece).tolist() if shuffled else piece))
    return tuple(found[:PACKAGED])


def run(model: HeadModel, trials: Trials, params: LocaliserParams) -> Measurement:
    """Score every head by the share of its units that are kept.

    Raises:
        ConfigError: The trials are not those of two lists.
    """
    import torch

    names = [trial.request.document.rpartition("-")[0] for trial in trials.trials]
    places = {name: np.flatnonzero([one == name for one in names]) for name in (ONE, OTHER)}
    if any(len(at) < LEAST for at in places.values()):
        raise ConfigError(
            "the localiser needs two lists of stimuli",
            where=f"documents named {', '.join(sorted(set(names)))}",
            hint=f"name documents {ONE}-... and {OTHER}-...",
        )
    features = alignment.head_features(model, trials, params.pool)
    layers, heads = features.shape[:2]
    t = _welch(features, places[ONE], places[OTHER])  # [layer, head, unit]
    kept = _kept(t, params.share)
    numbers = attending_layers(model)
    units: dict[str, JsonValue] = {
        f"{numbers[layer]}-{head}": list(np.flatnonzero(kept[layer, head]).tolist())
        for layer in range(layers)
        for head in range(heads)
        if kept[layer, head].any()
    }
    halves = [
        _kept(_welch(features, places[ONE][part::2], places[OTHER][part::2]), params.share)
        for part in range(2)
    ]
    both, either = (halves[0] & halves[1]).sum(), (halves[0] | halves[1]).sum()
    facts: dict[str, JsonValue] = {
        "units_kept": int(kept.sum()),
        "units": units,
        "least_t": round(float(t[kept].min()), alignment.DIGITS),
        "chance": params.share,
        "halves_jaccard": round(float(both / either), alignment.DIGITS),
    }
    return Measurement(torch.from_numpy(kept.mean(axis=-1)), len(names), facts)


def _welch(features: np.ndarray, one: Integers, other: Integers) -> Floats:
    """Welch's t of each unit: ``[layer, head, stimulus, unit]`` -> ``[layer, head, unit]``.

    A unit that varies in neither list has no t; it gets minus infinity, and so is kept last.
    """
    first, second = (features[:, :, at].astype(np.float64) for at in (one, other))
    spread = first.var(axis=2, ddof=1) / len(one) + second.var(axis=2, ddof=1) / len(other)
    difference = first.mean(axis=2) - second.mean(axis=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(spread > 0, difference / np.sqrt(spread), -np.inf))


def _kept(t: Floats, share: float) -> np.ndarray:
    """The units with the greatest t; of equal ones the first."""
    count = max(1, round(share * t.size))
    flat = np.zeros(t.size, dtype=bool)
    flat[np.argsort(-t.ravel(), kind="stable")[:count]] = True
    return flat.reshape(t.shape)


DETECTOR = Detector(
    "localiser",
    LocaliserParams,
    run,
    "needles",
    0,
    data=load,
    encoders=True,
    summary="many of its units respond more to one list of texts than to another",
)
