"""Encoding models over records of a user's table, fitted once and resampled as they predict.

A ridge model is fitted on all folds but one and predicts that one. Resampling weighs the stimuli of
the test folds; models are not fitted again, so an interval holds for new stimuli under these
models, and leaves out how much another training set would change them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np

from headbench.errors import DataError
from headbench.families.brain.held_out_selection import Split
from headbench.families.brain.kept import Kept, digest_of
from headbench.families.brain.nuisance_features import autocorrelation_features
from headbench.families.brain.rdm import Booleans, Floats, Integers
from headbench.families.brain.ridge_encoding import (
    FoldKind,
    delayed,
    held_out_predictions,
    response_folds,
)
from headbench.nouns import Record
from headbench.statistics.resamplable import CELLS

ARRAYS = ("features", "people")
STATED = ("folds", "fold_kind", "delays", "seed")
"""Parts that say how a model is fitted; equal in all records."""
NUISANCE = "nuisance_"
"""How the names of parts begin that hold the nuisance columns."""
MOST_WORK = 1_000_000
"""Stimuli squared times targets up to which permutations are made: 60 stimuli with 277 targets."""


@dataclass(frozen=True)
class Predicted:
    """Held-out predictions of every subject's targets.

    Attributes:
        splits: The folds.
        by_fold: ``[stimulus of the fold, subject * target]`` per fold.
        responses: ``[stimulus, subject * target]``.
        subjects: How many.
    """

    splits: tuple[Split, ...]
    by_fold: tuple[Floats, ...]
    responses: Floats
    subjects: int

    def values(self, weights: Floats) -> Floats:
        """Mean over targets and folds of Pearson r, ``[draw, stimulus]`` -> ``[draw, subject]``.

        Folds in which a target or its prediction does not vary under a draw are left out; NaN where
        none is left.
        """
        targets = self.responses.shape[1]
        step = max(1, CELLS // targets)
        return np.concatenate(
            [self._chunk(weights[at : at + step]) for at in range(0, len(weights), step)]
        )

    def _chunk(self, weights: Floats) -> Floats:
        total = np.zeros((len(weights), self.responses.shape[1]))
        known = np.zeros_like(total)
        for split, predicted in zip(self.splits, self.by_fold, strict=True):
            r = _weighted_columns(predicted, self.responses[split.score], weights[:, split.score])
            total += np.nan_to_num(r)
            known += np.isfinite(r)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(known > 0, total / known, np.nan)
        by_subject = mean.reshape(len(weights), self.subjects, -1)  # [draw, subject, target]
        defined = np.isfinite(by_subject)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.nansum(by_subject, axis=2) / defined.sum(axis=2))


@dataclass(frozen=True)
class EncodingRecords:
    """What records of an encoding task hold, with the models that are fitted when asked for.

    Attributes:
        takes_part: ``[record]``.
        bands: ``[stimulus, unit]`` per captured layer, delayed where asked.
        nuisance: ``[stimulus, column]``; no column where nothing varies.
        responses: ``[stimulus, subject, target]``.
        groups: ``[stimulus]``.
        splits: The folds.
        order: Places of the records in the order of presentation.
        seed: Of inner folds and of shares of bands.
    """

    takes_part: Booleans
    bands: tuple[Floats, ...]
    nuisance: Floats
    responses: Floats
    groups: Integers
    splits: tuple[Split, ...]
    order: Integers
    seed: int

    @property
    def subjects(self) -> int:
        """How many people."""
        return int(self.responses.shape[1])

    @cached_property
    def model(self) -> Predicted:
        """From the model's features; several layers are bands."""
        return self._fit(self.bands)

    @cached_property
    def bare(self) -> Predicted | None:
        """From the nuisance columns alone; ``None`` where there are none."""
        return self._fit([self.nuisance]) if self.nuisance.shape[1] else None

    @cached_property
    def both(self) -> Predicted | None:
        """From features and nuisance columns, each a band."""
        if not self.nuisance.shape[1]:
            return None
        return self._fit([*self.bands, self.nuisance])

    @cached_property
    def nearness(self) -> Predicted:
        """From nearness in time alone."""
        return self._fit([autocorrelation_features(self.groups)])

    @cached_property
    def ceiling(self) -> Predicted | None:
        """Each subject from all others; ``None`` for one subject."""
        if self.subjects < 2:
            return None
        found = []
        for subject in range(self.subjects):
            others = np.delete(self.responses, subject, axis=1).reshape(len(self.groups), -1)
            found.append(self._predictions([others], self.responses[:, subject]))
        by_fold = tuple(np.concatenate(parts, axis=1) for parts in zip(*found, strict=True))
        return self._predicted(by_fold)

    def weighted(self, of: Predicted) -> Callable[[Floats], Floats]:
        """Values for weights in the order of the records."""
        return lambda weights: of.values(weights[:, self.order])

    @property
    def testable(self) -> bool:
        """Whether :meth:`permuted` takes seconds and not hours."""
        count, targets = len(self.groups), self.responses[0].size
        return bool(count**2 * targets <= MOST_WORK)

    def permuted(self, orders: Integers) -> Floats:
        """The model fitted to responses in other orders: ``[draw, record]`` -> ``[draw, subject]``.

        Every order is fitted anew, penalties included. Permuting what a fitted model predicts would
        be cheap and wrong: a fold's training responses lean away from its test responses, and 16 %
        of unrelated features were "significant" so.
        """
        place = np.argsort(self.order)
        moved = place[orders[:, self.order]]  # [draw, stimulus], in the order of presentation
        flat = self.responses.reshape(len(self.groups), -1)  # [stimulus, target]
        step = max(1, CELLS // flat.size)
        found = []
        for at in range(0, len(moved), step):
            some = moved[at : at + step]
            draws = len(some)
            shuffled = flat[some].transpose(1, 0, 2).reshape(len(flat), -1)
            by_fold = self._predictions(self.bands, shuffled)
            every = Predicted(self.splits, by_fold, shuffled, draws * self.subjects)
            values = every.values(np.ones((1, len(flat))))
            found.append(values.reshape(draws, self.subjects))
        return np.concatenate(found)

    def _fit(self, bands: Sequence[Floats]) -> Predicted:
        flat = self.responses.reshape(len(self.groups), -1)
        return self._predicted(self._predictions(bands, flat))

    def _predictions(self, bands: Sequence[Floats], responses: Floats) -> tuple[Floats, ...]:
        return held_out_predictions(
            list(bands), responses, self.splits, self.groups, seed=self.seed
        ).by_fold

    def _predicted(self, by_fold: tuple[Floats, ...]) -> Predicted:
        flat = self.responses.reshape(len(self.groups), -1)
        return Predicted(self.splits, by_fold, flat, self.subjects)


_KEPT: Kept[EncodingRecords] = Kept()


def read_records(records: Sequence[Record]) -> EncodingRecords | None:
    """Prepare the records of one condition; ``None`` where no record is of such a task.

    Raises:
        DataError: Records were scored in different ways.
        RefusedError: Shuffled folds over passages.
    """
    takes_part = np.array(["people" in one.parts and "folds" in one.parts for one in records])
    taken = [one for one, takes in zip(records, takes_part, strict=True) if takes]
    if not taken:
        return None
    names = sorted({name for one in taken for name in one.parts if name.startswith(NUISANCE)})
    key = digest_of(taken, (*ARRAYS, *STATED, "place", *names), names, takes_part.tolist())
    return _KEPT.get(key, lambda: _read(taken, takes_part))


def _read(taken: Sequence[Record], takes_part: Booleans) -> EncodingRecords:
    stated = {tuple(one.parts[name] for name in STATED) for one in taken}
    if len(stated) > 1:
        raise DataError(
            "records were scored in different ways",
            where=f"parts {', '.join(STATED)}",
            hint="run the cell again",
        )
    count, kind, delays, seed = stated.pop()
    order = np.argsort([cast("int", one.parts["place"]) for one in taken], kind="stable")
    shown = [taken[at] for at in order]
    groups = np.unique([one.cluster for one in shown], return_inverse=True)[1].ravel()
    features = np.array([one.parts["features"] for one in shown], dtype=np.float64)
    bands = [features[:, layer] for layer in range(features.shape[1])]
    if delays:
        steps = [int(step) for step in str(delays).split(",")]
        bands = [delayed(band, steps, groups) for band in bands]
    names = sorted(name for name in shown[0].parts if name.startswith(NUISANCE))
    columns = np.array([[one.parts[name] for name in names] for one in shown], dtype=np.float64)
    people = np.array([one.parts["people"] for one in shown], dtype=np.float64)
    splits = response_folds(
        groups, cast("int", count), kind=cast("FoldKind", kind), seed=cast("int", seed)
    )
    return EncodingRecords(
        takes_part,
        tuple(bands),
        columns[:, np.ptp(columns, axis=0) > 0],
        people,
        groups,
        tuple(splits),
        order,
        cast("int", seed),
    )


def _weighted_columns(one: Floats, two: Floats, weights: Floats) -> Floats:
    """Pearson r of matching columns under weights of the rows: ``[draw, column]``.

    NaN where fewer than three rows have weight, or a column does not vary over them.
    """
    one, two = one - one.mean(axis=0), two - two.mean(axis=0)
    total = weights.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(total > 0, weights / total, 0.0)
        means = share @ one, share @ two
        spreads = [share @ side**2 - mean**2 for side, mean in zip((one, two), means, strict=True)]
        cross = share @ (one * two) - means[0] * means[1]
        flat = (spreads[0] <= _FLAT * (share @ one**2)) | (spreads[1] <= _FLAT * (share @ two**2))
        flat |= ((weights > 0).sum(axis=1) < _LEAST)[:, None]
        return np.where(flat, np.nan, cross / np.sqrt(np.where(flat, 1.0, spreads[0] * spreads[1])))


_FLAT = 1e-12
_LEAST = 3
"""Two points always lie on a line."""
