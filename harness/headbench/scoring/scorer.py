"""What a scorer is: from a document and its raw outputs to the parts that metrics read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from headbench.errors import ConfigError
from headbench.nouns import Capture, Document, Kind, ModelInfo, Record
from headbench.scoring import thoughts
from headbench.scoring.parser import Parser

if TYPE_CHECKING:
    from headbench.scoring.pictures import LayerProfile, Matrices

Score = Callable[[Document, tuple[str, ...], Parser, Mapping[str, object]], Mapping[str, object]]
"""``(document, outputs, parser, options) -> parts``."""


@dataclass(frozen=True)
class AskedStep:
    """One step of a task, as far as it is known before anything runs.

    Attributes:
        name: Its name.
        kind: What it asks.
        outputs: How many outputs the scorer gets of it per document; ``None`` where the documents
            decide (``for_each``).
        captures: What a ``represent`` step captures; layers as the file writes them.
        model: Shapes of the model that answers; ``None`` before they are known.
    """

    name: str
    kind: Kind
    outputs: int | None = 1
    captures: tuple[Capture, ...] = ()
    model: ModelInfo | None = None


Check = Callable[[Mapping[str, object], Sequence[AskedStep]], None]
"""``(options, steps) -> None``; raises ``ConfigError``."""


@dataclass(frozen=True)
class Scorer:
    """How one family of tasks turns outputs into records.

    Attributes:
        name: Registry name.
        version: Raised whenever any output would be scored differently.
        score: ``(document, outputs, parser, options) -> parts``. Parts are JSON values: numbers,
            strings, lists of strings; or numpy arrays of one shape in all documents. Every metric
            is recomputed from them, without the model.
        metrics: Registry names of all metrics that read these parts (``pope.f1``), headline first.
        breakdowns: Parts by which a result is split into a table (``length``, ``depth``).
        default_parser: Registry name of the parser that is used where a task names none.
        check: ``(options, steps)``; raises ``ConfigError`` where an option is wrong or the steps do
            not give what the scorer reads. A run calls it before it reads data, again when the
            model's shapes are known, and ``headbench validate`` calls it too. ``None``: nothing is
            checked before the first answer is scored.
        summary: One line for ``headbench ls``.
        picture: Records -> what ``headbench show result --plot`` draws of them; ``None`` of either:
            nothing is drawn.
        profiles: Records -> its metric of every layer or head, which results keep; ``None`` or
            nothing: there is one candidate only.
    """

    name: str
    version: int
    score: Score
    metrics: tuple[str, ...]
    breakdowns: tuple[str, ...] = ()
    default_parser: str = "verbatim"
    summary: str = ""
    check: Check | None = None
    picture: Callable[[Sequence[Record]], Matrices | None] | None = None
    profiles: Callable[[Sequence[Record]], Sequence[LayerProfile]] | None = None

    @property
    def id(self) -> str:
        """``name@version``, as results carry it."""
        return f"{self.name}@{self.version}"

    def check_options(self, options: Mapping[str, object], steps: Sequence[AskedStep]) -> None:
        """Refuse what cannot be scored, before anything runs.

        Args:
            options: The task's ``scorer_options``.
            steps: What the task asks, in order.

        Raises:
            ConfigError: An option is wrong, or the steps do not fit.
        """
        if self.check is not None:
            self.check(options, steps)

    def record(
        self,
        document: Document,
        outputs: tuple[str, ...],
        parser: Parser,
        options: Mapping[str, object] | None = None,
        tokens: tuple[tuple[int, ...], ...] = (),
        marks: Sequence[str] = thoughts.DEFAULT,
        counted: Sequence[bool] | None = None,
    ) -> Record:
        """Score one document.

        Args:
            document: What was asked about.
            outputs: Raw outputs, one per request, in step order.
            parser: How to read them.
            options: The task's ``scorer_options``.
            tokens: Token ids of each output, where the model gives them.
            marks: Marks of thoughts, which are cut before anything is read
                (:func:`headbench.scoring.thoughts.marks_of`).
            counted: Whose thoughts are counted in the parts: the evaluated model's; ``None``: all.

        Returns:
            The record. ``outputs`` are whole, thoughts included. ``parsed`` is the reading of the
            only output, or a tuple of one reading per output. ``parts`` hold
            ``closed_thoughts`` and ``unclosed_thoughts``, counts of outputs, where there were any.

        Raises:
            HeadbenchError: The document lacks what the scorer needs, or an option is wrong.
        """
        given = options or {}
        answers = thoughts.cut(outputs, marks, counted)
        unfinished = any(isinstance(text, thoughts.Unfinished) for text in answers.texts)
        reader = _leaving_unfinished(parser) if unfinished else parser
        readings = tuple(reader.read(text) for text in answers.texts)
        parts = self.score(document, answers.texts, _having_read(reader, answers, readings), given)
        return Record(
            document=document.id,
            cluster=document.cluster,
            outputs=outputs,
            parsed=readings[0] if len(readings) == 1 else readings,
            parser=parser.id,
            parts={**parts, **answers.parts()} if answers.parts() else parts,
            target=document.target,
            tokens=tokens,
        )


def _leaving_unfinished(parser: Parser) -> Parser:
    """The parser, with outputs whose thought never ended left unparsed."""
    read = parser.read
    return replace(
        parser, read=lambda text: None if isinstance(text, thoughts.Unfinished) else read(text)
    )


def _having_read(parser: Parser, answers: thoughts.Cut, readings: Sequence[object]) -> Parser:
    """The parser, which gives the readings of these very answers without reading them again."""
    known = {id(text): reading for text, reading in zip(answers.texts, readings, strict=True)}
    read = parser.read
    return replace(parser, read=lambda text: known[id(text)] if id(text) in known else read(text))


def refuse_unknown(scorer: str, options: Mapping[str, object], known: Sequence[str] = ()) -> None:
    """Refuse options that a scorer does not have.

    Raises:
        ConfigError: There is one.
    """
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ConfigError(
            f"the {scorer} scorer has no option {unknown[0]!r}",
            where=f"scorer_options.{unknown[0]}",
            hint=f"it knows {', '.join(known)}" if known else "it has none: remove them",
        )
