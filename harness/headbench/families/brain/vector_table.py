"""A user's own human data: one vector per subject and stimulus, from npz or CSV.

fMRI betas, electrode responses, ratings or embeddings, whatever their meaning. Two forms:

* ``table.npz`` with ``subject`` ``[row]``, ``stimulus`` ``[row]`` and ``vector`` ``[row, unit]``;
  subjects whose vectors differ in length go into files of their own. Several regions or networks
  are several arrays, ``vector_NAME``, of which a reader names one.
* ``table.csv`` with the columns ``subject`` and ``stimulus``; every other column is a unit, but for
  those of :data:`EXTRAS`.

Several rows of one subject and stimulus are repeats. Stimuli stand in the order of their first
appearance, which is taken for the order of presentation.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from headbench._csv import csv_errors
from headbench._npz import open_npz
from headbench._reading import is_file, read_file
from headbench.errors import DataError
from headbench.families.brain.rdm import Booleans, Floats, Kind, crossnobis, rdm

COLUMNS = ("subject", "stimulus")
VECTOR = "vector"
OF_STIMULI = ("text", "group", "word_frequency")
"""What a table may say of each stimulus: what a model reads instead of its name; its passage, story
or run; how often its words occur."""
OF_ROWS = ("creativity",)
"""What a table may say of each row: the rating of what the subject said there."""
EXTRAS = (*OF_STIMULI, *OF_ROWS)


@dataclass(frozen=True)
class VectorTable:
    """Vectors of subjects over stimuli.

    Attributes:
        subjects: ``[row]``.
        stimuli: ``[row]``.
        vectors: ``[row, unit]``, finite.
        sha256: Of the file.
        extras: Name of a further column (:data:`EXTRAS`) -> ``[row]``, as text.
        path: The file, for errors.
    """

    subjects: tuple[str, ...]
    stimuli: tuple[str, ...]
    vectors: Floats
    sha256: str
    extras: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    path: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Every subject once, in the order of first appearance."""
        return tuple(dict.fromkeys(self.subjects))

    @property
    def order(self) -> tuple[str, ...]:
        """Every stimulus once, in the order of first appearance."""
        return tuple(dict.fromkeys(self.stimuli))

    def of_stimuli(self, name: str) -> dict[str, str]:
        """A further column per stimulus; empty where the table has none.

        Raises:
            DataError: Two rows of a stimulus differ.
        """
        found: dict[str, str] = {}
        for stimulus, value in zip(self.stimuli, self.extras.get(name, ()), strict=False):
            if found.setdefault(stimulus, value) != value:
                raise DataError(
                    f"the stimulus {stimulus!r} has two values of {name!r}",
                    where=f"{self.path}: {found[stimulus]!r} and {value!r}",
                    hint="give all rows of a stimulus the same",
                )
        return found

    def numbers(self, name: str) -> Floats:
        """A further column per row as numbers, NaN for an empty cell; ``[row]``.

        Raises:
            DataError: The table has no such column, or it holds a text.
        """
        if name not in self.extras:
            raise _missing(Path(self.path), [name])
        try:
            return np.array([float(value or "nan") for value in self.extras[name]])
        except ValueError as error:
            raise DataError(
                f"the column {name!r} holds what is no number",
                where=f"{self.path}: {error}",
                hint="leave cells without a value empty",
            ) from error

    def seen(self, stimuli: Sequence[str]) -> Booleans:
        """Whether a subject has a stimulus: ``[subject, stimulus]``, subjects as in ``names``."""
        pairs = set(zip(self.subjects, self.stimuli, strict=True))
        return np.array([[(who, one) in pairs for one in stimuli] for who in self.names])

    def shared(self, stimuli: Sequence[str] | None = None) -> tuple[str, ...]:
        """Stimuli that all subjects have, in the order of first appearance.

        Args:
            stimuli: Only these, in this order: those that the model was shown.
        """
        having = [{s for who, s in zip(self.subjects, self.stimuli, strict=True) if who == name}
                  for name in self.names]  # fmt: skip
        order = dict.fromkeys(self.stimuli if stimuli is None else stimuli)
        return tuple(one for one in order if all(one in some for some in having))

    def repeats(self, subject: str, stimuli: Sequence[str]) -> Floats:
        """One subject's vectors: ``[repeat, stimulus, unit]``, as many repeats as all stimuli have.

        Raises:
            DataError: The subject lacks a stimulus.
        """
        rows: dict[str, list[int]] = {}
        for row, (who, stimulus) in enumerate(zip(self.subjects, self.stimuli, strict=True)):
            if who == subject:
                rows.setdefault(stimulus, []).append(row)
        missing = [stimulus for stimulus in stimuli if stimulus not in rows]
        if missing:
            raise DataError(
                f"subject {subject} lacks {len(missing)} stimuli",
                where=", ".join(missing[:5]),
                hint="use shared() for the stimuli that all subjects have",
            )
        least = min(len(rows[stimulus]) for stimulus in stimuli)
        index = np.array([rows[stimulus][:least] for stimulus in stimuli]).T
        return np.asarray(self.vectors[index])

    def rdms(self, stimuli: Sequence[str], kind: Kind | None = "correlation") -> Floats:
        """One RDM per subject: ``[subject, pair]``.

        Args:
            stimuli: In the order of the model's features.
            kind: Of the mean over repeats; ``None``: crossnobis over repeats.
        """
        patterns = [self.repeats(subject, stimuli) for subject in self.names]
        if kind is None:
            return np.array([crossnobis(one) for one in patterns])
        return np.array([rdm(one.mean(axis=0), kind) for one in patterns])


def read_vector_table(path: Path, sha256: str = "", vectors: str = "") -> VectorTable:
    """Read a table and check what it promises.

    Args:
        path: ``.npz`` or ``.csv``; a pickle inside an npz is refused.
        sha256: Expected hash of the file; empty: not checked.
        vectors: ``NAME`` of the array ``vector_NAME`` of an npz; empty: ``vector``.

    Raises:
        DataError: No such file, another hash, a missing column, or a value that is not finite.
    """
    if not is_file(path):
        raise DataError("the table is missing", where=str(path), hint="give an npz or CSV file")
    digest = hashlib.sha256(read_file(path, "the table")).hexdigest()
    if sha256 and digest != sha256:
        raise DataError(
            "the table is another file than the one named",
            where=f"{path}, sha256 {digest}",
            hint=f"expected sha256 {sha256}",
        )
    if path.suffix not in (".npz", ".csv"):
        raise DataError("a table is npz or CSV", where=str(path), hint="rename or convert it")
    if path.suffix == ".csv" and vectors:
        raise DataError(
            f"a CSV table has no vectors of its own for {vectors!r}",
            where=str(path),
            hint=f"save an npz with the array vector_{vectors}",
        )
    columns, units = _npz(path, vectors) if path.suffix == ".npz" else _csv(path)
    lengths = {name: len(column) for name, column in columns.items()}
    if units.ndim != 2 or not len(units) or set(lengths.values()) != {len(units)}:
        told = ", ".join(f"{count} of {name}" for name, count in lengths.items())
        raise DataError(
            "the columns of a table differ in length",
            where=f"{path}: {told}, vectors {units.shape}",
            hint="give one subject, stimulus and vector per row",
        )
    for name in COLUMNS:
        empty = [row for row, cell in enumerate(columns[name]) if not cell.strip()]
        if empty:
            raise DataError(
                f"a cell of {name!r} is empty",
                where=f"{path}, row {empty[0]}, and {len(empty) - 1} more",
                hint="leave the row out",
            )
    bad = np.flatnonzero(~np.isfinite(units).all(axis=1))
    if len(bad):
        raise DataError(
            "a vector holds a value that is not finite",
            where=f"{path}, row {bad[0]}, and {len(bad) - 1} more",
            hint="drop units outside the mask for all rows, or drop the row",
        )
    extras = {name: column for name, column in columns.items() if name in EXTRAS}
    return VectorTable(columns["subject"], columns["stimulus"], units, digest, extras, str(path))


Columns = dict[str, tuple[str, ...]]


def _npz(path: Path, vectors: str) -> tuple[Columns, Floats]:
    wanted = f"{VECTOR}_{vectors}" if vectors else VECTOR
    with open_npz(path, "the table") as file:
        missing = [name for name in (*COLUMNS, wanted) if name not in file]
        others = [name.removeprefix(f"{VECTOR}_") for name in file if name.startswith(f"{VECTOR}_")]
        if missing == [wanted] and others:
            raise DataError(
                f"the table has vectors of {', '.join(others)}, and none called {wanted}",
                where=str(path),
                hint=f"name one of them: vectors={others[0]}",
            )
        if missing:
            raise _missing(path, missing)
        names = [name for name in (*COLUMNS, *EXTRAS) if name in file]
        # A number that is missing is an empty cell, as in a CSV.
        columns = {
            name: tuple("" if one != one else str(one) for one in file[name].tolist())
            for name in names
        }
        units = file[wanted]
        if np.iscomplexobj(units):
            raise DataError(
                "the vectors are complex numbers",
                where=f"{path}, {wanted}",
                hint="save real numbers, such as magnitudes",
            )
        return columns, np.asarray(units, dtype=np.float64)


def _csv(path: Path) -> tuple[Columns, Floats]:
    try:
        text = read_file(path, "the table").decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"the table is no CSV: {error}", where=str(path), hint="save it as UTF-8 CSV"
        ) from error
    with csv_errors(str(path), "the table is no CSV"):
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        names = next(csv.reader(io.StringIO(text, newline="")), [])
    header = list(rows[0]) if rows else []
    twice = [name for name in names if names.count(name) > 1]
    if twice:  # a reader by names keeps the last of them
        raise DataError(
            f"the table has two columns {twice[0]!r}",
            where=str(path),
            hint="give every unit a name of its own",
        )
    for number, row in enumerate(rows, start=1):
        if None in row or None in row.values():
            raise DataError(
                "a row has not as many cells as the header",
                where=f"{path}, row {number}",
                hint="quote cells that hold a comma",
            )
    missing = [name for name in COLUMNS if name not in header]
    units = [name for name in header if name not in (*COLUMNS, *EXTRAS)]
    if missing or not units:
        raise _missing(path, missing or ["a unit"])
    try:
        vectors = np.array([[float(row[name]) for name in units] for row in rows])
    except (TypeError, ValueError) as error:
        raise DataError(
            "a cell of the table is no number", where=f"{path}: {error}", hint="leave no cell empty"
        ) from error
    known = [name for name in (*COLUMNS, *EXTRAS) if name in header]
    return {name: tuple(row[name] for row in rows) for name in known}, vectors


def _missing(path: Path, names: Sequence[str]) -> DataError:
    return DataError(
        f"the table lacks {', '.join(names)}",
        where=str(path),
        hint="an npz holds subject, stimulus and vector; a CSV those two columns and one per unit",
    )
