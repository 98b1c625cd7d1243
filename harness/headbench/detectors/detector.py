"""What a detector is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, JsonValue

from headbench.errors import DataError, RefusedError
from headbench.nouns import Request

if TYPE_CHECKING:
    from torch import Tensor

    from headbench.models.encoder import EncoderModel
    from headbench.models.hf.adapter import HFModel
    from headbench.models.hf.engine import Engine

    HeadModel: TypeAlias = HFModel | EncoderModel

World = Literal["needles", "scenes"]
BATCH_TOKENS = 4096
"""Trials run together up to this many tokens, padding counted."""


@dataclass(frozen=True)
class Trial:
    """One prompt whose right continuation is known.

    Attributes:
        request: The prompt; its spans name ``question`` and, for text, ``evidence``.
        answer: What should be said.
    """

    request: Request
    answer: str


@dataclass(frozen=True)
class Marks:
    """Where something lies in a document, for instance where people looked.

    Attributes:
        over: ``words``: a weight for each of the spans ``word 0``, ``word 1``...; ``image``: a
            weight for each cell of a grid laid over the picture.
        weights: Rows of the grid, from the top; words are one row. ``None`` was not measured.
    """

    over: Literal["words", "image"]
    weights: tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True)
class Trials:
    """What a detector measures on.

    Attributes:
        trials: The prompts.
        facts: Name, split, lengths, digest: what a head map records of its data.
        evidence: Name of the span that holds the evidence: ``evidence``, or ``image``.
        images: Encoded images by content hash.
        marks: Document id -> what lies where in it, for detectors that compare with it.
    """

    trials: tuple[Trial, ...]
    facts: Mapping[str, JsonValue]
    evidence: str = "evidence"
    images: Mapping[str, bytes] = field(default_factory=dict)
    marks: Mapping[str, Marks] = field(default_factory=dict)


@dataclass(frozen=True)
class Measurement:
    """What a detector measured.

    Attributes:
        scores: ``[layer with attention, head]``, the mean over trials; the layers are those of
            :func:`attending_layers`.
        trials: Trials behind the mean; fewer than were given where a detector drops some.
        facts: What else belongs in the head map.
    """

    scores: Tensor
    trials: int
    facts: Mapping[str, JsonValue] = field(default_factory=dict)


class DetectorParams(BaseModel):
    """Base of every detector's parameters: frozen, unknown keys forbidden."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class Detector:
    """A named way to score heads.

    Attributes:
        name: As in ``--detector``.
        params_model: Its parameters, with defaults and documentation.
        run: Measures: adapter, trials, parameters -> scores.
        world: Packaged world it measures on by default.
        limit: Trials by default.
        threshold: Score from which a head counts as detected; ``None``: take the best by number.
        data: Where its trials come from, if not from a packaged world: parameters, limit (``None``:
            all there are), seed.
        summary: What a high score says of a head, in one line.
        encoders: Whether it reads sentence encoders too: it captures states of texts, and neither
            generates nor looks at an order of tokens.
    """

    name: str
    params_model: type[DetectorParams]
    run: Callable[[HFModel, Trials, Any], Measurement]
    world: World
    limit: int
    threshold: float | None = None
    data: Callable[[Any, int | None, int], Trials] | None = None
    summary: str = ""
    encoders: bool = False


def engine_of(model: HeadModel) -> Engine:
    """The engine that records activations.

    Raises:
        RefusedError: The model was loaded without it.
    """
    engine = model.runtime.engine
    if engine is None:
        raise RefusedError(
            f"{model.name} was loaded without the intervention engine, so heads cannot be recorded",
            where=getattr(model, "unreachable", "") or "--model-args attn=sdpa",
            hint="use attn=headbench, or another encoder",
        )
    return engine


def attending_layers(model: HeadModel) -> tuple[int, ...]:
    """Every decoder layer with attention, by its number among all decoder layers."""
    return engine_of(model).shape.attending


def mean_of(scores: Sequence[Tensor], what: str) -> Tensor:
    """The mean over trials.

    Raises:
        DataError: There is no trial.
    """
    import torch

    if not scores:
        raise DataError(what, hint="take more trials, or easier ones")
    return torch.stack(list(scores)).mean(0)


def chunks(model: HeadModel, trials: Sequence[Trial]) -> Iterator[tuple[Trial, ...]]:
    """Trials in batches of at most :data:`BATCH_TOKENS` tokens, in their order."""
    batch: list[Trial] = []
    longest = 0
    for trial in trials:
        length = len(model.prompter.resolve(trial.request).tokens)
        if batch and max(longest, length) * (len(batch) + 1) > BATCH_TOKENS:
            yield tuple(batch)
            batch, longest = [], 0
        batch.append(trial)
        longest = max(longest, length)
    if batch:
        yield tuple(batch)
