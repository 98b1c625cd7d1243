"""Stored outputs as a model: other people's answers, scored by our tasks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from headbench._reading import user_path
from headbench.errors import ConfigError, DataError, RefusedError
from headbench.jobs import Job
from headbench.models.adapter_catalogue import check_args
from headbench.models.base_model import BaseModel
from headbench.nouns import Request, Role
from headbench.results.fields import Fields, LogRow, Reading, as_text, contains, normal
from headbench.results.recorded import log_name, read_rows

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")  # as records of sensitive tasks hold outputs
ARGS = ("path", "id", "output", "question", "name", "join")


class RecordedModel(BaseModel):
    """Answers ``generate`` requests from a file.

    Rows are found by document id. Where every row also says what was asked, that is held against
    the request; where not, ids alone join them, and results have no headline unless ``join=id``
    says that the file answers this very task.

    Args:
        path: JSON, JSON lines or CSV, gzipped or not; also headbench's own records.
        fields: Names of the fields of the document id, the output and the question, where they are
            not the common ones: roles ``id``, ``response``, ``question``.
        name: Display name; by default the file's.
        join: ``id``: the user says that ids are enough.

    Attributes:
        source: For results: how rows were joined, and from which fields they were read.
        no_headline: Why results have no headline, or empty.
        notes: What a run should print.
    """

    images = True  # whoever made the outputs saw them
    one_step = True
    """A row does not say which step of a task its outputs answer."""

    def __init__(
        self, path: Path, fields: Mapping[str, str], name: str = "", join: str = ""
    ) -> None:
        recorded = read_rows(path)
        reading = _reading(recorded.rows, fields, recorded.name)
        super().__init__(name or log_name(path), file=recorded.sha256, fields=str(reading))
        self._path = path
        self._outputs: dict[str, Sequence[str]] = {}
        self._asked: dict[str, str] = {}
        self._step: dict[str, str] = {}
        for number, row in enumerate(recorded.rows):
            document, outputs = self._read(row, reading, number)
            if document in self._outputs:
                raise DataError(
                    f"document {document!r} is recorded twice",
                    where=f"{path}, row {number + 1}",
                    hint="keep one output a document",
                )
            self._outputs[document] = outputs
            question = reading.text(row, "question")
            if question is not None and normal(question):
                self._asked[document] = normal(question)
        proven = len(self._asked) == len(self._outputs)
        how = "id and question" if proven else "id only"
        self.source = {"joined by": how, "predictions.fields": str(reading)}
        self.no_headline = (
            ""
            if proven or join == "id"
            else "joined by id only, and ids alone cannot show that the file answers this task: "
            "--model-args join=id says that it does"
        )
        headline = f"; no headline: {self.no_headline}" if self.no_headline else ""
        self.notes = (f"{path.name} read: {reading}; joined by {how}{headline}",)

    def has(self, document: str) -> bool:
        """Whether there is an output for a document."""
        return document in self._outputs

    def generate(self, request: Request) -> str:
        """The stored output of the request's document."""
        outputs = self._outputs[request.document]
        return outputs[request.index]

    def key(self, job: Job) -> Mapping[str, object]:
        """Which stored output it is; for a judge or an encoder also what was asked.

        The subject's prompt follows from its document, which finds the row. What another role is
        asked follows from the subject's answers, and so differs between conditions.
        """
        place = {"document": job.request.document, "index": job.request.index}
        return place if job.role == "subject" else {**super().key(job), **place}

    def refuse(self, job: Job) -> None:
        """Also: a document without a stored output."""
        super().refuse(job)
        step = self._step.setdefault(job.request.document, job.request.step)
        if step != job.request.step:
            raise RefusedError(
                f"the task asks in several steps ({step!r}, {job.request.step!r}), and a recorded "
                "row does not say which step its outputs answer",
                where=str(self._path),
                hint="score it with `headbench rescore`, or record one file per step",
            )
        self._check_question(job.request, job.role)
        outputs = self._outputs.get(job.request.document, ())
        if job.request.index >= len(outputs):
            raise DataError(
                f"no output is recorded for document {job.request.document!r}",
                where=str(self._path),
                hint="score a partial file with `headbench rescore`, which states its coverage",
            )

    def _check_question(self, request: Request, role: Role) -> None:
        """Refuse a row that says that something else was asked.

        For the subject, the row may hold the question alone, without the words around it. A judge
        is asked about an answer, so that the whole prompt decides which verdict it is.
        """
        asked = self._asked.get(request.document)
        if asked is None:
            return
        prompt = normal("\n".join(turn["content"] for turn in request.messages))
        if role != "subject":
            if asked != prompt:
                raise DataError(
                    f"the recorded {role} of document {request.document!r} was asked something "
                    "else",
                    where=str(self._path),
                    hint="what it is asked depends on the subject's answers: leave the "
                    f"interventions out, or load a model as {role}; a row's question must hold the "
                    "whole prompt",
                )
            return
        marked = [
            normal(request.messages[turn]["content"][start:end])
            for turn, start, end in request.spans.get("question", ())
        ]
        within = any(text and contains(asked, text) for text in marked)
        if not within and not contains(prompt, asked):
            raise DataError(
                f"the recorded row of document {request.document!r} answers another question",
                where=str(self._path),
                hint="give the outputs of this task, or name the question: question=FIELD",
            )

    def _read(self, row: LogRow, reading: Reading, number: int) -> tuple[str, Sequence[str]]:
        document, outputs = reading.text(row, "id"), reading.value(row, "response")
        if isinstance(outputs, list | tuple) and reading.names["response"] == OWN_OUTPUTS:
            texts = [as_text(text) for text in outputs]
        else:
            texts = [] if outputs is None else [as_text(outputs)]
        if document is None or not texts:
            raise DataError(
                "a row has no document id or no output",
                where=f"{self._path}, row {number + 1}: {', '.join(map(str, row))}",
                hint="name the fields: --model-args path=FILE,id=FIELD,output=FIELD",
            )
        if any(_DIGEST.fullmatch(text) for text in texts):
            raise DataError(
                "the recorded outputs are digests: they were withheld",
                where=f"{self._path}, row {number + 1}",
                hint="score the outputs themselves; the store of the run that made them has them",
            )
        return document, texts


OWN_OUTPUTS = "outputs"
"""Field of headbench's own records, one text a request."""


def _reading(rows: Sequence[LogRow], fields: Mapping[str, str], where: str) -> Reading:
    """Where ids, outputs and questions stand: as told, as in headbench's own records, as found."""
    told = dict(fields)
    if all({"document", OWN_OUTPUTS} <= row.keys() for row in rows):
        told = {"id": "document", "response": OWN_OUTPUTS} | told
    return Fields(told).reading(rows, ("response", "id", "question"), where)


def check_args_early(args: Mapping[str, str]) -> None:
    """Refuse arguments without which no output is found, before any task is read.

    Raises:
        ConfigError: An argument is unknown, wrong or missing.
    """
    check_args("recorded", args, ARGS)
    if not args.get("path"):
        raise ConfigError(
            "the 'recorded' adapter needs a file of outputs, one row per document of the task",
            where="--model-args",
            hint="path=FILE (JSON, JSON lines or CSV); id=FIELD, output=FIELD and question=FIELD "
            "where its fields have other names; join=id for a headline where rows hold no question",
        )
    if args.get("join", "id") != "id":
        raise ConfigError(
            "recorded rows are joined by id",
            where=f"--model-args join={args['join']}",
            hint="write join=id, or leave it out",
        )


def create(args: Mapping[str, str]) -> RecordedModel:
    """Build the adapter from its ``--model-args``.

    Args:
        args: ``path=FILE``, and where needed ``id=``, ``output=``, ``question=`` (fields),
            ``name=`` and ``join=id``.
    """
    check_args_early(args)
    roles = {"id": "id", "response": "output", "question": "question"}
    fields = {role: args[key] for role, key in roles.items() if args.get(key)}
    path = user_path(args["path"])
    return RecordedModel(path, fields, args.get("name", ""), args.get("join", ""))
