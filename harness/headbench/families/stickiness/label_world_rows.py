"""Documents of the label world."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, cast

from pydantic import Field

from headbench.tasks.data.source import DataRow, DataSpec
from headbench.tasks.images import Images
from headbench.tasks.schema import Strict
from headbench.worlds.labels import DEFINITIONS, QUESTION, LabelWorld, Message, Split

_SEEDS_APART = 1_000_000

Meaning = Literal["prior", "animal", "food", "water"]


class LabelOptions(Strict):
    """``dataset_kwargs`` of the world ``labels``."""

    n: int = Field(120, ge=1, le=100_000, description="Messages.")
    definition: Meaning = Field("animal", description="What the label means in this data set.")
    misaligned: Meaning = Field("food", description="Another data set's meaning.")
    seed: int = Field(0, ge=0, description="Which messages.")


def label_rows(spec: DataSpec, images: Images) -> Iterator[DataRow]:
    """Yield messages with their label under the data set's own definition."""
    options = spec.options(LabelOptions)
    world = LabelWorld(cast("Split", spec.split))
    for number in range(options.n):
        yield _row(world.message(options.seed * _SEEDS_APART + number), options)


def _row(message: Message, options: LabelOptions) -> DataRow:
    own, other = DEFINITIONS[options.definition], DEFINITIONS[options.misaligned]
    return DataRow(
        {
            "id": message.id,
            "cluster": message.id,
            "text": message.text,
            "question": QUESTION,
            "definition": own.text,
            "misaligned_definition": other.text,
            "prior": "yes" if DEFINITIONS["prior"].holds(message) else "no",
            "target": "yes" if own.holds(message) else "no",
        }
    )
