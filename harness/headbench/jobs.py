"""What a run asks of a model: conditions, jobs, and the protocol of an adapter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from headbench.edits import Intervention, Rewrite
from headbench.nouns import Answer, Kind, ModelInfo, Request, Role, Site


@dataclass(frozen=True)
class Condition:
    """One resolved intervention of a run.

    Attributes:
        name: ``baseline``, or the canonical intervention; controls carry ``#control-<draw>``.
        interventions: ``()`` is the baseline.
        role: What the condition is for.
        of: For a control: the name of the intervention's condition.
        draw: For a control: its number.
        code: Name of an intervention that is not headbench's own -> digest of its code.
    """

    name: str
    interventions: tuple[Intervention, ...] = ()
    role: Literal["baseline", "toggle", "control"] = "baseline"
    of: str | None = None
    draw: int | None = None
    code: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Job:
    """A request under a condition.

    Attributes:
        request: What is asked.
        condition: Under which condition.
        rewritten: Whether the request is what the condition's rewriting method made of the task's.
        role: Whose answer it is.
    """

    request: Request
    condition: Condition
    rewritten: bool = False
    role: Role = "subject"


class Model(Protocol):
    """An adapter that answers requests. ``models.base_model.BaseModel`` keeps an own one short."""

    identity: Mapping[str, str]
    """Everything about the model that changes a number: weights fingerprint, dtype, device kind,
    attention path, library versions, chat-template flag."""
    info: ModelInfo | None
    kinds: frozenset[Kind]
    sites: frozenset[Site]
    branches: bool
    """Whether plans may compare branches."""
    gradients: bool
    """Whether probes may differentiate."""
    images: bool

    def key(self, job: Job) -> Mapping[str, object]:
        """The response key of a job, as JSON values (prompt token ids hashed)."""
        ...

    def bind(self, images: Callable[[str], bytes]) -> None:
        """Give the adapter a way to read images by content hash."""
        ...

    def rewrite(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Rewrite]]:
        """The requests that the rewriting interventions of one planned batch ask instead."""
        ...

    def plan(self, jobs: Sequence[Job]) -> Sequence[tuple[int, ...]]:
        """Batches over the whole run, as indices into ``jobs``; deterministic."""
        ...

    def answer(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Answer]]:
        """Answer one planned batch, any order, each answer as it comes."""
        ...
