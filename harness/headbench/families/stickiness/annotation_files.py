"""``dataset_path: annotations``: labelled texts in the layout in which they were released.

* ``vicomtech``: the folder with ``annotations_metadata.csv`` and ``all_files/ID.txt``, or that CSV
  file;
* ``olid``: the folder with ``testset-levela.tsv``, ``labels-levela.csv`` (ids and labels, without a
  header) and, for the training split, ``olid-training-v1.0.tsv``; or one of the two ``.tsv`` files.
  Tweets hold quotation marks that nobody closed, so in ``.tsv`` files none means anything;
* ``gametox``: the CSV file with ``message`` and ``label``, or the folder that holds it alone.

A CSV file with the columns ``text``, ``label`` and perhaps ``id`` is read for each. Rows have the
fields ``id``, ``text`` and ``label``; labels stay as released, and the task says what they mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from headbench._reading import is_file, is_folder
from headbench.errors import DataError
from headbench.tasks.data.source import DataRow, DataSpec
from headbench.tasks.data.tables import Table, read_table, read_text
from headbench.tasks.data.user_files import drawn, named
from headbench.tasks.images import Images
from headbench.tasks.schema import Strict

_TRAIN, _TEST, _LABELS = "olid-training-v1.0.tsv", "testset-levela.tsv", "labels-levela.csv"
_METADATA, _TEXTS = "annotations_metadata.csv", "all_files"


class AnnotationOptions(Strict):
    """``dataset_kwargs`` of released annotations."""

    data_files: str = Field(description="The released folder, or the file in it.")
    layout: Literal["gametox", "olid", "vicomtech"] = Field(description="Whose layout it is.")
    sample: int | None = Field(None, ge=1, description="Draw so many rows, in a seeded order.")
    sample_seed: int = Field(0, description="Seed of the draw.")


def rows(spec: DataSpec, images: Images) -> Iterator[DataRow]:
    """Yield ``id``, ``text`` and ``label`` of each item.

    Raises:
        DataError: A file is missing or of another layout, a text has no label or is missing, or
            two items have one id.
    """
    options = spec.options(AnnotationOptions)
    place = spec.locate("data_files", options.data_files)
    read = {"gametox": _gametox, "olid": _olid, "vicomtech": _vicomtech}[options.layout]
    path, table = read(place, spec.split)
    seen: dict[str, int] = {}
    for number in drawn(len(table), options.sample, options.sample_seed):
        where = f"{path.name}, row {number + 1}"
        fields = table[number]
        if not str(fields["text"]).strip():
            raise DataError("an item has no text", where=where)
        yield DataRow(named(fields, seen), place=where)


def _gametox(place: Path, split: str) -> tuple[Path, Table]:
    path = _only(place, "*.csv") if is_folder(place) else place
    return path, _plain(path, read_table(path), text="message")


def _vicomtech(place: Path, split: str) -> tuple[Path, Table]:
    path = place / _METADATA if is_folder(place) else place
    table = read_table(path)
    if table and "file_id" not in table[0]:
        return path, _plain(path, table)
    folder = path.parent / _TEXTS
    found: Table = []
    for number, row in enumerate(table, start=1):
        name = str(row["file_id"])
        file = folder / f"{name}.txt"
        if "/" in name or not is_file(file):
            raise DataError(
                f"the text of item {name!r} is not there",
                where=f"{path.name}, row {number}",
                hint=f"keep {_METADATA} beside the folder {_TEXTS}, as released",
            )
        found.append({"id": name, "text": read_text(file).strip(), "label": row.get("label")})
    return path, _unique(path, found)


def _olid(place: Path, split: str) -> tuple[Path, Table]:
    path = place
    if is_folder(place):
        training = place / _TRAIN
        path = training if split == "train" and is_file(training) else place / _TEST
    if path.suffix != ".tsv":
        return path, _plain(path, read_table(path))
    table = _unquoted(path)
    if "subtask_a" in table[0]:
        found = [{"id": r["id"], "text": r["tweet"], "label": r["subtask_a"]} for r in table]
        return path, _unique(path, found)
    labels = _olid_labels(path.parent / _LABELS)
    missing = [str(row["id"]) for row in table if str(row["id"]) not in labels]
    if missing or len(labels) != len(table):
        raise DataError(
            f"{len(table)} texts and {len(labels)} labels are not of the same items",
            where=f"{path.name} and {_LABELS}" + (f", e.g. id {missing[0]}" if missing else ""),
            hint="give both files of one release",
        )
    found = [{"id": r["id"], "text": r["tweet"], "label": labels[str(r["id"])]} for r in table]
    return path, _unique(path, found)


def _olid_labels(path: Path) -> Mapping[str, str]:
    labels: dict[str, str] = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        name, comma, label = line.strip().partition(",")
        if not line.strip():
            continue
        if not comma or name in labels:
            raise DataError(
                "two labels have one id" if comma else "a line is id,label",
                where=f"{path.name}, line {number}",
            )
        labels[name] = label
    return labels


def _unquoted(path: Path) -> Table:
    """A tab-separated table in which quotation marks are text."""
    lines = [line.rstrip("\r") for line in read_text(path).split("\n")]
    lines = [line for line in lines if line]
    header = lines[0].split("\t") if lines else []
    if not {"id", "tweet"} <= set(header):
        raise DataError(
            "the table has no columns id and tweet", where=f"{path}: {', '.join(header)}"
        )
    found: Table = []
    for number, line in enumerate(lines[1:], start=1):
        cells = line.split("\t")
        if len(cells) != len(header):
            raise DataError(
                f"a row has {len(cells)} cells under {len(header)} columns",
                where=f"{path.name}, row {number}",
            )
        found.append(dict(zip(header, cells, strict=True)))
    return found


def _plain(path: Path, table: Table, text: str = "text") -> Table:
    """Rows of a table with the columns ``text`` (or another name for it), ``label`` and ``id``."""
    if not table:
        raise DataError("the file holds no rows", where=str(path))
    column = text if text in table[0] and "text" not in table[0] else "text"
    if not {column, "label"} <= table[0].keys():
        raise DataError(
            "the table has no columns text and label",
            where=f"{path}: {', '.join(table[0])}",
            hint="give the released files, or a CSV file with text, label and perhaps id",
        )
    named_rows = [
        {**({"id": row["id"]} if "id" in row else {}), "text": row[column], "label": row["label"]}
        for row in table
    ]
    return _unique(path, named_rows)


def _unique(path: Path, table: Table) -> Table:
    names = [str(row["id"]) for row in table if "id" in row]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"two items have the id {twice!r}", where=path.name)
    return table


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise DataError(
            f"{len(found)} files fit {pattern}, one must", where=str(folder), hint="name the file"
        )
    return found[0]
