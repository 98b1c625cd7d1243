"""Files of human gaze: how long people looked at each word of a text, or each part of an image.

A file is JSON, ``headbench-gaze@1``::

    {"format": "headbench-gaze@1",
     "source": "who looked at what: a corpus and its version",
     "measure": "total fixation duration in ms, mean over readers",
     "documents": [
       {"id": "p1", "words": ["The", "old", "lamp"], "gaze": [180, 240.5, null]},
       {"id": "s1", "image": "kitchen.png", "gaze": [[0, 3], [1, 0]],
        "text": "Is there a cup in the image?"}]}

``gaze`` is in any unit and at least 0; ``null`` was not measured and is left out. A text has one
value per word; its words are joined by blanks, and ``text``, if any, follows them in a new line. A
picture has a grid of any size, rows from the top; ``text`` is what is asked about it. ``image`` is
the plain name of a file beside the gaze file, or in the folder that the detector is given.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from headbench._images import check_image
from headbench._json import strict_json
from headbench._reading import read_file
from headbench.detectors.detector import Marks, Trial, Trials
from headbench.errors import DataError
from headbench.nouns import Request

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FORMAT = "headbench-gaze@1"
IMAGE = "<image>"
LEAST = 3
"""Values of a document: over fewer nothing correlates."""

GazeRow = tuple[float | None, ...]
"""One line of a grid, or a text's words."""


class GazeDocument(BaseModel):
    """One text or one picture with its gaze."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    id: str = Field(min_length=1)
    gaze: GazeRow | tuple[GazeRow, ...]
    words: tuple[str, ...] = ()
    image: str = ""
    text: str = ""

    @property
    def grid(self) -> tuple[GazeRow, ...]:
        """The gaze as rows of a grid; a text's is one row."""
        rows = tuple(value for value in self.gaze if isinstance(value, tuple))
        return rows or (tuple(value for value in self.gaze if not isinstance(value, tuple)),)

    @model_validator(mode="after")
    def _consistent(self) -> GazeDocument:
        if bool(self.words) == bool(self.image):
            raise ValueError("a document has either words or an image")
        nested = [isinstance(value, tuple) for value in self.gaze]
        if any(nested) != bool(self.image) or (self.image and not all(nested)):
            raise ValueError("gaze is a list for words, and a list of rows for an image")
        if self.words and len(self.gaze) != len(self.words):
            raise ValueError(f"{len(self.words)} words have {len(self.gaze)} values of gaze")
        if self.words and any(not word or word.split() != [word] for word in self.words):
            raise ValueError("a word is empty or holds blanks")
        if len({len(row) for row in self.grid}) != 1:
            raise ValueError("the rows of the grid differ in length")
        known = [value for row in self.grid for value in row if value is not None]
        if any(value < 0 for value in known):
            raise ValueError("gaze is at least 0")
        if len(known) < LEAST or min(known) == max(known):
            raise ValueError(f"gaze has fewer than {LEAST} values, or all are the same")
        if Path(self.image).name != self.image or self.image in (".", ".."):
            raise ValueError("image is the plain name of a file, without folders")
        return self


class GazeFile(BaseModel):
    """A whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    format: Literal["headbench-gaze@1"]
    source: str = Field(min_length=1)
    measure: str = ""
    documents: tuple[GazeDocument, ...] = Field(min_length=1)


def read(path: Path) -> tuple[GazeFile, str]:
    """Read a file and its digest.

    Raises:
        DataError: It is missing, or not such a file; the first fault is named.
    """
    content = read_file(path, "the gaze file")
    try:
        value = strict_json(content.decode())
    except ValueError as error:
        raise DataError(f"the gaze file is not JSON: {error}", where=str(path)) from error
    try:
        found = GazeFile.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise DataError(
            f"the gaze file is not {FORMAT}: {first['msg']}",
            where=f"{path}: {key}",
            hint="docs/heads.md shows the format",
        ) from error
    ids = [document.id for document in found.documents]
    if twice := sorted({name for name in ids if ids.count(name) > 1}):
        raise DataError(f"the document {twice[0]!r} appears twice", where=str(path))
    return found, hashlib.sha256(content).hexdigest()


def trials_of(path: Path, images: Path | None, limit: int | None) -> Trials:
    """The documents of a file as trials with marks.

    Args:
        path: The file.
        images: Folder of its pictures; ``None`` is the file's own.
        limit: Take only the first ones.

    Raises:
        DataError: The file or a picture is missing or broken.
    """
    found, digest = read(path)
    documents = found.documents[:limit]
    store: dict[str, bytes] = {}
    trials = []
    for document in documents:
        if document.image:
            trials.append(_picture(document, images or path.parent, store))
        else:
            trials.append(_text(document))
    return Trials(
        tuple(trials),
        {
            "gaze": path.name,
            "sha256": digest,
            "source": found.source,
            "measure": found.measure,
            "documents": len(documents),
        },
        "image" if store else "words",
        store,
        {one.id: Marks("image" if one.image else "words", one.grid) for one in documents},
    )


def _text(document: GazeDocument) -> Trial:
    spans = {}
    start = 0
    for number, word in enumerate(document.words):
        spans[f"word {number}"] = ((0, start, start + len(word)),)
        start += len(word) + 1
    content = " ".join(document.words) + (f"\n{document.text}" if document.text else "")
    return _trial(document.id, content, spans, ())


def _picture(document: GazeDocument, folder: Path, store: dict[str, bytes]) -> Trial:
    path = folder / document.image
    hint = "put it beside the gaze file, or name its folder with --set images=FOLDER"
    content = read_file(path, f"the picture of document {document.id!r}", hint=hint)
    check_image(content, str(path))
    sha256 = hashlib.sha256(content).hexdigest()
    store[sha256] = content
    return _trial(document.id, f"{IMAGE}\n{document.text}", {}, (sha256,))


def _trial(
    name: str,
    content: str,
    spans: Mapping[str, tuple[tuple[int, int, int], ...]],
    images: tuple[str, ...],
) -> Trial:
    request = Request(
        document=name,
        step="detect",
        index=0,
        kind="represent",
        messages=({"role": "user", "content": content},),
        images=images,
        spans=spans,
    )
    return Trial(request, "")


def laid_over(grid: Sequence[Sequence[float]], rows: int, columns: int) -> list[list[float]]:
    """A grid of other cells over the same picture: each new cell is the mean of what it covers.

    Args:
        grid: Values of equal cells, constant within a cell.
        rows: Cells down.
        columns: Cells across.
    """
    down, across = _shares(len(grid), rows), _shares(len(grid[0]), columns)
    return [
        [
            math.fsum(
                one * other * grid[y][x]
                for y, one in enumerate(vertical)
                for x, other in enumerate(horizontal)
                if one and other
            )
            for horizontal in across
        ]
        for vertical in down
    ]


def _shares(old: int, new: int) -> list[list[float]]:
    """How much of each new cell lies in each old one, ``[new][old]``; rows sum to 1."""
    return [
        [
            max(0.0, min((i + 1) / new, (j + 1) / old) - max(i / new, j / old)) * new
            for j in range(old)
        ]
        for i in range(new)
    ]
