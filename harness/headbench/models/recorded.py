"""Stored outputs as a model: other people's answers, scored by our tasks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from headbench.errors import ConfigError, DataError, RefusedError
from headbench.models.base import BaseModel
from headbench.models.registry import check_args
from headbench.results.recorded import Fields, Row, as_text, read_rows
from headbench.types import Job, Request

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")  # as records of sensitive tasks hold outputs
ARGS = ("path", "id", "output", "name")


class RecordedModel(BaseModel):
    """Answers ``generate`` requests from a file.

    Args:
        path: JSON, JSON lines or CSV, gzipped or not; also headbench's own records.
        fields: Names of the fields of the document id and of the output, where they are not
            the common ones.
        name: Display name; by default the file's.
    """

    images = True  # whoever made the outputs saw them

    def __init__(self, path: Path, fields: Mapping[str, str], name: str = "") -> None:
        recorded = read_rows(path)
        super().__init__(name or path.name.split(".")[0], file=recorded.sha256)
        self._path = path
        self._outputs: dict[str, Sequence[str]] = {}
        self._step: dict[str, str] = {}
        for number, row in enumerate(recorded.rows):
            document, outputs = self._read(row, fields, number)
            if document in self._outputs:
                raise DataError(
                    f"document {document!r} is recorded twice",
                    where=f"{path}, row {number + 1}",
                    mend="keep one output a document",
                )
            self._outputs[document] = outputs

    def has(self, document: str) -> bool:
        """Whether there is an output for a document."""
        return document in self._outputs

    def generate(self, request: Request) -> str:
        """The stored output of the request's document."""
        outputs = self._outputs[request.document]
        return outputs[request.index]

    def key(self, job: Job) -> Mapping[str, object]:
        """Which stored output it is: rows are found by document, whatever the prompt."""
        return {"document": job.request.document, "index": job.request.index}

    def refuse(self, job: Job) -> None:
        """Also: a document without a stored output."""
        super().refuse(job)
        step = self._step.setdefault(job.request.document, job.request.step)
        if step != job.request.step:
            raise RefusedError(
                f"the task asks in several steps ({step!r}, {job.request.step!r}), and a recorded "
                "row does not say which step its outputs answer",
                where=str(self._path),
                mend="score it with `headbench rescore`, or record one file a step",
            )
        outputs = self._outputs.get(job.request.document, ())
        if job.request.index >= len(outputs):
            raise DataError(
                f"no output is recorded for document {job.request.document!r}",
                where=str(self._path),
                mend="score a partial file with `headbench rescore`, which states its coverage",
            )

    def _read(self, row: Row, fields: Mapping[str, str], number: int) -> tuple[str, Sequence[str]]:
        given = Fields({role: fields[name] for role, name in _ROLES if fields.get(name)})
        document = row.get("document") if "id" not in fields else None
        found = as_text(document) if document is not None else given.text(row, "id")
        outputs = row.get("outputs") if "output" not in fields else None
        if isinstance(outputs, Sequence) and not isinstance(outputs, str):
            texts = [as_text(text) for text in outputs]
        else:
            text = given.text(row, "response")
            texts = [] if text is None else [text]
        if found is None or not texts:
            raise DataError(
                "a row has no document id or no output",
                where=f"{self._path}, row {number + 1}: {', '.join(map(str, row))}",
                mend="name the fields: --model-args path=FILE,id=FIELD,output=FIELD",
            )
        if any(_DIGEST.fullmatch(text) for text in texts):
            raise DataError(
                "the recorded outputs are digests: they were withheld",
                where=f"{self._path}, row {number + 1}",
                mend="score the outputs themselves; the store of the run that made them has them",
            )
        return found, texts


_ROLES = (("id", "id"), ("response", "output"))


def create(args: Mapping[str, str]) -> RecordedModel:
    """Build the adapter from ``--model-args path=FILE[,id=FIELD][,output=FIELD][,name=NAME]``."""
    check_args("recorded", args, ARGS)
    if not args.get("path"):
        raise ConfigError(
            "the 'recorded' adapter needs a file",
            where="--model-args",
            mend="add path=FILE (JSON, JSON lines or CSV)",
        )
    fields = {key: args[key] for key in ("id", "output") if args.get(key)}
    return RecordedModel(Path(args["path"]).expanduser(), fields, args.get("name", ""))
