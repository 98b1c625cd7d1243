"""What a scorer is: from a document and its raw outputs to the parts that metrics sum."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from headbench.scoring.parser import Parser
from headbench.types import Document, Record

Score = Callable[[Document, tuple[str, ...], Parser, Mapping[str, object]], Mapping[str, object]]
"""``(document, outputs, parser, options) -> parts``."""


@dataclass(frozen=True)
class Scorer:
    """How one family of tasks turns outputs into records.

    Attributes:
        name: Registry name.
        version: Raised whenever any output would be scored differently.
        score: ``(document, outputs, parser, options) -> parts``. Parts are JSON values: numbers,
            strings, lists of strings. Every metric is recomputed from them, without the model.
        metrics: Registry names of all metrics that read these parts (``pope.f1``), headline first.
        breakdowns: Parts by which a result is split into a table (``length``, ``depth``).
        default_parser: Registry name of the parser that is used where a task names none.
        summary: One line for ``headbench ls``.
    """

    name: str
    version: int
    score: Score
    metrics: tuple[str, ...]
    breakdowns: tuple[str, ...] = ()
    default_parser: str = "verbatim"
    summary: str = ""

    @property
    def id(self) -> str:
        """``name@version``, as results carry it."""
        return f"{self.name}@{self.version}"

    def record(
        self,
        document: Document,
        outputs: tuple[str, ...],
        parser: Parser,
        options: Mapping[str, object] | None = None,
        tokens: tuple[tuple[int, ...], ...] = (),
    ) -> Record:
        """Score one document.

        Args:
            document: What was asked about.
            outputs: Raw outputs, one a request, in step order.
            parser: How to read them.
            options: The task's ``scorer_options``.
            tokens: Token ids of each output, where the model gives them.

        Returns:
            The record. ``parsed`` is the reading of the only output, or a tuple of one reading an
            output where there are several.

        Raises:
            HeadbenchError: The document lacks what the scorer needs, or an option is wrong.
        """
        readings = tuple(parser.read(output) for output in outputs)
        return Record(
            document=document.id,
            cluster=document.cluster,
            outputs=outputs,
            parsed=readings[0] if len(readings) == 1 else readings,
            parser=parser.id,
            parts=self.score(document, outputs, parser, options or {}),
            target=document.target,
            tokens=tokens,
        )
