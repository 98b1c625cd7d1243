"""Documents over a user's own table: one stimulus each, with what every subject gave for it.

``dataset_path: vector_table``. Stimuli are read in the order of presentation; what the model reads
is the column ``text``, or else the stimulus's own name. Next to the human side stand the nuisance
columns that belong beside every score (:mod:`headbench.families.brain.nuisance_features`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from pydantic import Field

from headbench.errors import DataError, RefusedError
from headbench.families.brain.external_data import refuse_named_set
from headbench.families.brain.nuisance_features import positions
from headbench.families.brain.packed_rows import pack
from headbench.families.brain.rdm import Booleans, Floats, Kind, crossnobis, rdm, square
from headbench.families.brain.ridge_encoding import FoldKind, response_folds
from headbench.families.brain.vector_table import VectorTable, read_vector_table
from headbench.results.arrays import MOST_BYTES
from headbench.statistics.permutation import LEAST_LABELS
from headbench.tasks.data.source import AbsentDataError, DataRow, DataSpec
from headbench.tasks.images import Images
from headbench.tasks.schema import Strict

Given = Literal["geometry", "responses"]


class TableOptions(Strict):
    """``dataset_kwargs`` of a user's table."""

    table: str = Field("", description="npz or CSV file: `headbench.families.brain.vector_table`.")
    sha256: str = Field("", description="Expected hash of the file; empty: not checked.")
    vectors: str = Field("", description="NAME of the array `vector_NAME`; empty: `vector`.")
    give: Given = Field(
        "geometry", description="Dissimilarities to the other stimuli, or the vectors themselves."
    )
    kind: Kind | Literal["crossnobis"] = Field(
        "correlation",
        description="Dissimilarity of people's vectors, of the mean over repeats; `crossnobis` "
        "across repeats.",
    )
    stimuli: Literal["shared", "own"] = Field(
        "shared",
        description="`shared`: those that every subject has. `own`: all; each subject is compared "
        "over its own.",
    )
    cutoff: float | None = Field(
        None, description="Splits the column `creativity`: high is at least this; null: no split."
    )
    folds: int | None = Field(None, ge=2, description="Folds of an encoding model, to check them.")
    fold_kind: FoldKind = Field("grouped", description="How they are made, to check them.")


def table_rows(spec: DataSpec, images: Images) -> Iterator[DataRow]:
    """One row per stimulus.

    Raises:
        AbsentDataError: The run names no table, or the file is not there.
        DataError: A wrong table, fewer than 20 stimuli, or more folds than groups.
        RefusedError: More numbers than a result may hold, or shuffled folds over passages.
    """
    options = spec.options(TableOptions)
    if not options.table:
        raise AbsentDataError(
            "this task reads a table of your own, and none is named",
            where=spec.where("table"),
            hint="add --task-args table=FILE: an npz or CSV of subject, stimulus and vector",
        )
    refuse_named_set(options.table)
    path = spec.locate("table", options.table)
    table = read_vector_table(path, options.sha256, options.vectors)
    stimuli = table.order if options.stimuli == "own" else table.shared()
    if len(stimuli) < LEAST_LABELS:
        whose, hint = "", "use more stimuli"
        if options.stimuli == "shared":
            whose = " that all subjects have"
            hint = "leave out subjects who miss many, or compare each over its own: stimuli=own"
        raise DataError(
            f"{len(stimuli)} stimuli{whose} are too few",
            where=f"{path}: {len(table.order)} stimuli, {len(table.names)} subjects; at least "
            f"{LEAST_LABELS} are needed",
            hint=hint,
        )
    seen = table.seen(stimuli)
    numbers = _geometry if options.give == "geometry" else _responses
    human = numbers(table, stimuli, seen, options)  # [stimulus, subject, number]
    high = None if options.cutoff is None else _split(table, stimuli, options.cutoff)
    texts, groups, counts = (table.of_stimuli(name) for name in ("text", "group", "word_frequency"))
    clusters = [groups.get(one, one) for one in stimuli]
    if options.folds is not None:
        response_folds(clusters, options.folds, kind=options.fold_kind)
    places = positions(clusters)
    for at, stimulus in enumerate(stimuli):
        text = texts.get(stimulus, stimulus)
        fields: dict[str, object] = {
            "id": stimulus,
            "cluster": clusters[at],
            "text": text,
            "place": at,
            "subjects": len(seen),
            "seen": pack(seen[:, at]),
            "people": pack(human[at]),
            "people_are": options.kind if options.give == "geometry" else options.give,
            "nuisance": _nuisance(text, places[at], counts.get(stimulus), spec),
        }
        if high is not None:
            fields["high"] = pack(high[:, at])
        yield DataRow({**fields, "target": None}, place=f"{path.name}, stimulus {stimulus}")


def _geometry(
    table: VectorTable, stimuli: tuple[str, ...], seen: Booleans, options: TableOptions
) -> Floats:
    """Dissimilarity of each stimulus to all: ``[stimulus, subject, stimulus]``; 0 where unseen."""
    count = len(stimuli)
    _refuse_size(len(seen) * count**2, count, "average subjects, or choose stimuli")
    found = np.zeros((count, len(seen), count))
    for subject, (name, mask) in enumerate(zip(table.names, seen, strict=True)):
        own = np.flatnonzero(mask)
        patterns = table.repeats(name, [stimuli[at] for at in own])  # [repeat, stimulus, unit]
        if options.kind == "crossnobis":
            if len(patterns) < 2:
                raise DataError(
                    f"crossnobis needs two rows or more of every stimulus; subject {name} has one",
                    where=table.path,
                    hint="use kind=correlation",
                )
            pairs = crossnobis(patterns)
        else:
            pairs = rdm(patterns.mean(axis=0), options.kind)
        found[np.ix_(own, np.array([subject]), own)] = square(pairs)[:, None]
    return found


def _responses(
    table: VectorTable, stimuli: tuple[str, ...], seen: Booleans, options: TableOptions
) -> Floats:
    """The mean over repeats: ``[stimulus, subject, unit]``."""
    if not seen.all():
        raise DataError(
            "an encoding model needs every subject's response to every stimulus",
            where=f"{table.path}: {int((~seen).sum())} are missing",
            hint="leave stimuli at `shared`",
        )
    count, units = len(stimuli), table.vectors.shape[1]
    _refuse_size(len(seen) * count * units, count, "average voxels to regions, or choose the best")
    means = [table.repeats(name, stimuli).mean(axis=0) for name in table.names]
    return np.stack(means, axis=1)


def _split(table: VectorTable, stimuli: tuple[str, ...], cutoff: float) -> Floats:
    """1 where a subject's response was rated at least ``cutoff``, 0 below it, -1 without a rating.

    Returns:
        ``[subject, stimulus]``; ratings of repeats are averaged.
    """
    rated = table.numbers("creativity")
    sums: dict[tuple[str, str], list[float]] = {}
    for who, stimulus, value in zip(table.subjects, table.stimuli, rated.tolist(), strict=True):
        if np.isfinite(value):
            sums.setdefault((who, stimulus), []).append(value)
    found = np.full((len(table.names), len(stimuli)), -1.0)
    for s, who in enumerate(table.names):
        for at, stimulus in enumerate(stimuli):
            if values := sums.get((who, stimulus)):
                found[s, at] = float(np.mean(values) >= cutoff)
    return found


def _nuisance(
    text: str, position: float, frequency: str | None, spec: DataSpec
) -> dict[str, float]:
    """What knows nothing of meaning: characters, words, position, log_frequency."""
    found = {
        "characters": float(len(text)),
        "words": float(len(text.split())),
        "position": float(position),
    }
    if frequency is not None:
        try:
            found["log_frequency"] = float(np.log(float(frequency)))
        except ValueError:
            found["log_frequency"] = float("nan")
        if not np.isfinite(found["log_frequency"]):
            raise DataError(
                f"a word frequency must be a number above 0, not {frequency!r}",
                where=f"{spec.where('table')}, text {text!r}",
                hint="add one to counts that may be 0",
            )
    return found


def _refuse_size(numbers: int, stimuli: int, hint: str) -> None:
    size = 4 * numbers
    if size > MOST_BYTES:
        raise RefusedError(
            f"the human side takes {size / 2**20:,.0f} MiB; a result holds at most "
            f"{MOST_BYTES // 2**20} MiB",
            where=f"{numbers // stimuli:,} numbers for each of {stimuli:,} stimuli",
            hint=hint,
        )
