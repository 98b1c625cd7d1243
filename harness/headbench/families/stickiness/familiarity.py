"""How well a model knows a data set's definition, through models in the ``encoder`` role.

Casanova, Kocielnik and Alvarez (arXiv 2606.00467): a model's own description of a concept is
compared with the definition of a data set, by sentence encoders. Encoders run on their own, beside
the answers of any ``stickiness`` run: a run holds one model, and needs no encoder to be scored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from headbench.errors import DataError
from headbench.families.stickiness.concept_familiarity import Consensus, consensus
from headbench.jobs import Condition, Job, Model
from headbench.nouns import Capture, Request

if TYPE_CHECKING:
    from headbench.statistics.metric import Floats

SENTENCE = Capture("residual", (-1,), rows="all", pool="mean")
"""One vector per text: the mean over its tokens of the last hidden state."""


def familiarity(
    descriptions: Mapping[str, str], definitions: Mapping[str, str], encoders: Sequence[Model]
) -> dict[str, Consensus]:
    """Definition-specific familiarity of each data set.

    Args:
        descriptions: Data set -> the model's own description of its concept.
        definitions: Data set -> the definition that its annotators worked by.
        encoders: Sentence encoders, such as ``headbench.load_model("encoder", pretrained=FOLDER)``.
            The paper uses six; the result says how many were asked.

    Returns:
        Data set -> mean cosine over encoders, cut to 0..1, and their number.

    Raises:
        DataError: No encoder, an empty text, or data sets that stand on one side only.
    """
    if not encoders:
        raise DataError(
            "familiarity needs at least one encoder",
            where="encoders",
            hint='pass [headbench.load_model("encoder", pretrained=FOLDER)]',
        )
    alone = set(descriptions) ^ set(definitions)
    if alone or not definitions:
        raise DataError(
            f"descriptions and definitions do not name the same data sets: {sorted(alone)}",
            where="descriptions, definitions",
            hint="give one description and one definition for each",
        )
    names = sorted(definitions)
    texts = [side[name] for name in names for side in (descriptions, definitions)]
    if not all(text.strip() for text in texts):
        raise DataError(
            "a text is empty", where="descriptions, definitions", hint="leave its data set out"
        )
    vectors_by_encoder = [vectors(encoder, texts) for encoder in encoders]
    return {
        name: consensus([(found[2 * row], found[2 * row + 1]) for found in vectors_by_encoder])
        for row, name in enumerate(names)
    }


def vectors(encoder: Model, texts: Sequence[str]) -> list[Floats]:
    """One vector ``[width]`` per text, in order.

    Args:
        encoder: A model that answers ``represent`` requests.
        texts: What to embed.
    """
    jobs = [
        Job(
            Request(
                document=str(index),
                step="familiarity",
                index=0,
                kind="represent",
                messages=({"role": "user", "content": text},),
                ask={"captures": (SENTENCE,)},
            ),
            Condition("baseline"),
        )
        for index, text in enumerate(texts)
    ]
    found: dict[int, Floats] = {}
    for batch in encoder.plan(jobs):
        for place, answer in encoder.answer([jobs[index] for index in batch]):
            array = np.asarray(answer.arrays[SENTENCE], dtype=np.float64)
            found[batch[place]] = array.reshape(-1)
    return [found[index] for index in range(len(texts))]
