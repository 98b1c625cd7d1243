"""Published POPE figures recomputed from released answers, or from printed counts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from headbench.errors import DataError
from headbench.families.pope.pope_rescoring import RESCORER, PopeOptions
from headbench.nouns import Document, Record
from headbench.results.joins import Vouched, unproven
from headbench.results.recipe import (
    VALUES_ONLY,
    Facts,
    Figures,
    Recipe,
    Recomputed,
    Stated,
    recomputed,
)
from headbench.scoring import lookup

PARSER = "pope_ref"
"""Reads the answers where the table states no parser."""


class Pope(Recipe):
    """Answers against labelled questions."""

    files: ClassVar = ("predictions", "questions")
    kind: Literal["pope"]
    predictions: str
    questions: str
    join: Vouched | None = None
    """How rows belong together, where the recipe's author vouches for it."""

    def recompute(self, paths: Mapping[str, Path], stated: Stated) -> Recomputed:
        """The figures of ``rescore --task pope``, with the table's parser.

        Raises:
            DataError: Nothing but ids or an order joins the files, and the recipe does not say that
                this is enough.
        """
        log = paths["predictions"]
        options = PopeOptions(
            questions=(paths["questions"],), parser=stated.parser or PARSER, join=self.join
        )
        found = RESCORER.score(log, options, VALUES_ONLY)
        reason = unproven(found.result.source["joined by"], self.join)
        if reason:
            raise DataError(
                reason, where=log.name, hint="let the recipe say join: id, or join: order"
            )
        return recomputed(found)


class Confusion(Recipe):
    """A pair of counts; guards the metrics where answers were never released."""

    kind: Literal["confusion"]
    tp: int = Field(ge=0)
    fp: int = Field(ge=0)
    positives: int = Field(gt=0)
    negatives: int = Field(gt=0)

    def recompute(self, paths: Mapping[str, Path], stated: Stated) -> Recomputed:
        """POPE's metrics over records made from the counts.

        Raises:
            DataError: There are more right or wrong answers than questions.
        """
        if self.tp > self.positives or self.fp > self.negatives:
            raise DataError(
                f"{self.tp} of {self.positives} and {self.fp} of {self.negatives} cannot be",
                where=stated.table,
            )
        answers = {
            ("yes", "Yes"): self.tp,
            ("yes", "No"): self.positives - self.tp,
            ("no", "Yes"): self.fp,
            ("no", "No"): self.negatives - self.fp,
        }
        scorer, parser = lookup.scorer("pope"), lookup.parser(stated.parser or PARSER)
        records: list[Record] = []
        for (label, answer), count in answers.items():
            document = Document("", "", {}, target=label)
            records += [scorer.record(document, (answer,), parser)] * count
        figures: Figures = {
            metric.name: (metric.of(records), metric.unit) for metric in lookup.metrics_of(scorer)
        }
        return Recomputed(figures, Facts(n=len(records), parser=parser.id))
