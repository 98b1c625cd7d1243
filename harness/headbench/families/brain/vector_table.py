"""A user's own human data: one vector per subject and stimulus, from npz or CSV.

fMRI betas, electrode responses, ratings or embeddings, whatever their meaning. Two forms:

* ``table.npz`` with ``subject`` ``[row]``, ``stimulus`` ``[row]`` and ``vector`` ``[row, unit]``;
  subjects whose vectors differ in length go into files of their own;
* ``table.csv`` with the columns ``subject`` and ``stimulus``; every other column is a unit.

Several rows of one subject and stimulus are repeats.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from headbench.errors import DataError
from headbench.families.brain.rdm import Floats, Kind, crossnobis, rdm

COLUMNS = ("subject", "stimulus")
ARRAYS = (*COLUMNS, "vector")


@dataclass(frozen=True)
class VectorTable:
    """Vectors of subjects over stimuli.

    Attributes:
        subjects: ``[row]``.
        stimuli: ``[row]``.
        vectors: ``[row, unit]``, finite.
        sha256: Of the file.
    """

    subjects: tuple[str, ...]
    stimuli: tuple[str, ...]
    vectors: Floats
    sha256: str

    @property
    def names(self) -> tuple[str, ...]:
        """Every subject once, in the order of first appearance."""
        return tuple(dict.fromkeys(self.subjects))

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


def read_vector_table(path: Path, sha256: str = "") -> VectorTable:
    """Read a table and check what it promises.

    Args:
        path: ``.npz`` or ``.csv``; a pickle inside an npz is refused.
        sha256: Expected hash of the file; empty: not checked.

    Raises:
        DataError: No such file, another hash, a missing column, or a value that is not finite.
    """
    if not path.is_file():
        raise DataError("the table is missing", where=str(path), hint="give an npz or CSV file")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if sha256 and digest != sha256:
        raise DataError(
            "the table is another file than the one named",
            where=f"{path}, sha256 {digest}",
            hint=f"expected sha256 {sha256}",
        )
    if path.suffix not in (".npz", ".csv"):
        raise DataError("a table is npz or CSV", where=str(path), hint="rename or convert it")
    subjects, stimuli, vectors = _npz(path) if path.suffix == ".npz" else _csv(path)
    if vectors.ndim != 2 or not (len(subjects) == len(stimuli) == len(vectors)) or not len(vectors):
        raise DataError(
            "the columns of a table differ in length",
            where=f"{path}: {len(subjects)} subjects, {len(stimuli)} stimuli, {vectors.shape}",
            hint="give one subject, stimulus and vector per row",
        )
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise DataError(
            "a vector holds a value that is not finite",
            where=f"{path}, row {bad[0]}, and {len(bad) - 1} more",
            hint="drop units outside the mask for all rows, or drop the row",
        )
    return VectorTable(subjects, stimuli, vectors, digest)


def _npz(path: Path) -> tuple[tuple[str, ...], tuple[str, ...], Floats]:
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [name for name in ARRAYS if name not in file.files]
            if missing:
                raise _missing(path, missing)
            subject, stimulus, vector = (file[name] for name in ARRAYS)
    except (ValueError, BadZipFile) as error:
        raise DataError(
            "the table cannot be read", where=f"{path}: {error}", hint="save it with numpy.savez"
        ) from error
    return (
        tuple(map(str, subject.tolist())),
        tuple(map(str, stimulus.tolist())),
        np.asarray(vector, dtype=np.float64),
    )


def _csv(path: Path) -> tuple[tuple[str, ...], tuple[str, ...], Floats]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    header = list(rows[0]) if rows else []
    missing = [name for name in COLUMNS if name not in header]
    if missing or len(header) < 3:
        raise _missing(path, missing or ["a unit"])
    units = [name for name in header if name not in COLUMNS]
    try:
        vectors = np.array([[float(row[name]) for name in units] for row in rows])
    except (TypeError, ValueError) as error:
        raise DataError(
            "a cell of the table is no number", where=f"{path}: {error}", hint="leave no cell empty"
        ) from error
    subjects, stimuli = (tuple(row[name] for row in rows) for name in COLUMNS)
    return subjects, stimuli, vectors


def _missing(path: Path, names: Sequence[str]) -> DataError:
    return DataError(
        f"the table lacks {', '.join(names)}",
        where=str(path),
        hint="an npz holds subject, stimulus and vector; a CSV those two columns and one per unit",
    )
