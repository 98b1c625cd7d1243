"""``dataset_path: pope_files``: released POPE questions and a folder of their images."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from headbench.errors import DataError
from headbench.tasks.data.source import DataRow, DataSpec
from headbench.tasks.data.tables import read_table
from headbench.tasks.data.user_files import ImageFolder
from headbench.tasks.images import Images
from headbench.tasks.schema import Strict

_OBJECT = re.compile(r"Is there an? (.+?) in the im[a-z]*\?", re.IGNORECASE)
"""The published template. Regenerated files may say "imange": the reference code's own slip."""


class PopeFilesOptions(Strict):
    """``dataset_kwargs`` of released question files."""

    questions: dict[str, str] = Field(description="Setting -> file of questions.")
    images: str = Field(description="Folder of the images.")


def rows(spec: DataSpec, images: Images) -> Iterator[DataRow]:
    """Yield questions image by image, the settings of an image together.

    The order lets a limited run see all settings, and one image is one cluster.

    Raises:
        DataError: A file is not questions, or an image is missing.
    """
    options = spec.options(PopeFilesOptions)
    questions_of_image: dict[str, list[dict[str, object]]] = {}
    for setting, name in options.questions.items():
        path = spec.locate("questions", name)
        for fields in _questions(path, setting):
            questions_of_image.setdefault(str(fields["image"]), []).append(fields)
    folder = ImageFolder(spec, options.images, "images")
    for image, questions in questions_of_image.items():
        sha256 = folder.add(image, images, f"question {questions[0]['id']}")
        for fields in questions:
            yield DataRow(fields, {"picture": sha256})


def _questions(path: Path, setting: str) -> Iterator[dict[str, object]]:
    seen: dict[object, int] = {}
    for number, row in enumerate(read_table(path)):
        where = f"{path}, row {number + 1}"
        missing = {"image", "text", "label"} - set(row)
        if missing:
            raise DataError(
                f"a POPE question has image, text and label; this one lacks {sorted(missing)[0]!r}",
                where=where,
            )
        if not str(row["text"] or "").strip():
            raise DataError("a question has no text", where=where)
        label = str(row["label"]).strip().lower()
        if label not in ("yes", "no"):
            raise DataError(f"a label is yes or no, not {row['label']!r}", where=where)
        known = row.get("question_id", number)
        if not isinstance(known, str | int | float):
            raise DataError(f"question_id is a {type(known).__name__}, not an id", where=where)
        # Two released files ask one question twice, under one id.
        seen[known] = seen.get(known, 0) + 1
        repeat = "" if seen[known] == 1 else f"-{seen[known]}"
        match = _OBJECT.search(str(row["text"]))
        yield {
            "id": f"{setting}-{known}{repeat}",
            "cluster": row["image"],
            "image": row["image"],
            "setting": setting,
            "object": match.group(1) if match else "",
            "question": row["text"],
            "target": label,
        }
