"""Documents of the needle world."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, cast

from pydantic import Field

from headbench.families.needles.haystack import Words
from headbench.tasks.data.source import DataRow, DataSpec
from headbench.tasks.images import Images
from headbench.tasks.schema import Strict
from headbench.worlds.needles import NeedleDocument, NeedleWorld, Split


class NeedleOptions(Strict):
    """``dataset_kwargs`` of the world ``needles``."""

    lengths: tuple[Words, ...] = Field((128, 256, 512), description="Words of the longest prompt.")
    depths: tuple[float, ...] = Field(
        (0.0, 0.25, 0.5, 0.75, 1.0), description="Share of the filler before the needle."
    )
    needles: tuple[int, ...] = Field((1,), description="Hidden facts; all but one distract.")
    queries: int = Field(1, ge=1, description="Facts asked about, each in a document of its own.")
    family: Literal["words", "numbers", "mixed"] = Field("words", description="What is hidden.")
    repeats: int = Field(3, ge=1, le=10_000, description="Documents per cell of the grid.")
    seed: int = Field(0, description="Which documents.")


def needle_rows(spec: DataSpec, images: Images) -> Iterator[DataRow]:
    """Yield the grid of lengths, depths and needle counts, repetition by repetition.

    A cut after any number of documents therefore still spreads over the grid.
    """
    options = spec.options(NeedleOptions)
    world = NeedleWorld(cast("Split", spec.split), options.family)
    for repeat in range(options.repeats):
        seed = options.seed * 10_000 + repeat
        for depth in options.depths:
            for length in options.lengths:
                for needles in options.needles:
                    queries = min(options.queries, needles)
                    document = world.document(seed, length, depth, needles, queries)
                    for query in range(queries):
                        yield _row(document, query, length, needles)


def _row(document: NeedleDocument, query: int, length: int, needles: int) -> DataRow:
    """One question about one document; the asked needle has its own field, for its span."""
    question = document.questions[query]
    placed = document.needles[question.needle]
    start, end = placed.span
    return DataRow(
        {
            "id": f"{document.id}-q{query}",
            "cluster": document.id,
            "before": document.context[:start],
            "needle": document.context[start:end],
            "after": document.context[end:],
            "question": question.text,
            "prefix": question.prefix,
            "length": length,
            "words": document.length,
            # Only the first needle is placed at the grid's depth; others report their own.
            "depth": document.depth if query == 0 else round(placed.depth, 3),
            "needles": needles,
            "target": question.answer,
        }
    )
