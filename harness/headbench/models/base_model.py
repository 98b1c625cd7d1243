"""What every adapter shares, so that a user's own needs twenty lines.

A subclass writes one method a request kind (``generate``, ``score``, ``nexttoken``, ``represent``);
the kinds it answers follow from the methods it wrote. Batching adapters override :meth:`answer`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Protocol, cast

from headbench._version import __version__
from headbench.edits import Intervention, Rewrite
from headbench.errors import DataError, RefusedError
from headbench.jobs import Job
from headbench.nouns import Answer, Capture, Kind, ModelInfo, Request, Site

if TYPE_CHECKING:
    from torch import Tensor

KINDS: tuple[Kind, ...] = ("generate", "score", "nexttoken", "represent")


class BaseModel:
    """A model that answers one request at a time and takes no interventions.

    Args:
        name: Display name.
        settings: Everything that changes an answer; it enters the response key.

    Attributes:
        identity: What the model is: adapter, name, headbench's version, settings. A run adds the
            digest of the adapter's code where that is not headbench's own.
        info: Shapes, for interventions; ``None`` where the inside cannot be reached.
        kinds: Request kinds that are answered.
        sites: Places that edits may reach.
        branches: Whether plans may compare branches.
        gradients: Whether probes may differentiate.
        images: Whether requests may hold images.
        continues: Whether `represent` requests may name an answer that follows the prompt.
    """

    kinds: frozenset[Kind] = frozenset()
    sites: frozenset[Site] = frozenset()
    branches: bool = False
    gradients: bool = False
    images: bool = False
    continues: ClassVar[bool] = False
    info: ModelInfo | None = None
    batch_size: ClassVar[int] = 1

    def __init_subclass__(cls, **keywords: object) -> None:
        """Read the answered kinds off the methods that the subclass wrote."""
        super().__init_subclass__(**keywords)
        if "kinds" not in cls.__dict__:
            cls.kinds = frozenset(k for k in KINDS if getattr(cls, k) is not getattr(BaseModel, k))

    def __init__(self, name: str, **settings: object) -> None:
        self.name = name
        self.identity: Mapping[str, str] = {
            "adapter": f"{type(self).__module__}.{type(self).__qualname__}",
            "name": name,
            "headbench": __version__,
            **{key: str(value) for key, value in sorted(settings.items())},
        }
        self._read_image: Callable[[str], bytes] | None = None

    # ------------------------------------------------------------- what a subclass writes

    def generate(self, request: Request) -> str | Answer:
        """The generated text."""
        raise self._unsupported("generate")

    def score(self, request: Request) -> Sequence[float] | Answer:
        """Summed log-probability of each of ``request.ask["continuations"]``."""
        raise self._unsupported("score")

    def nexttoken(self, request: Request) -> Sequence[float] | Answer:
        """Log-probability of each of ``request.ask["tokens"]`` as the next token."""
        raise self._unsupported("nexttoken")

    def represent(self, request: Request) -> Mapping[Capture, Tensor] | Answer:
        """One tensor for each of ``request.ask["captures"]``."""
        raise self._unsupported("represent")

    # ------------------------------------------------------------- the contract

    def bind(self, images: Callable[[str], bytes]) -> None:
        """Give the adapter a way to read images by content hash."""
        self._read_image = images

    def image(self, sha256: str) -> bytes:
        """Encoded bytes of one image.

        Raises:
            DataError: no image source was bound.
        """
        if self._read_image is None:
            raise DataError(
                "the model was given no way to read images",
                where=f"image {sha256[:12]}",
                hint="call model.bind(task.image) before answering",
            )
        return self._read_image(sha256)

    def key(self, job: Job) -> Mapping[str, object]:
        """The prompt's part of the response key: here a digest of the messages."""
        return {"messages": digest_of([dict(turn) for turn in job.request.messages])}

    def refuse(self, job: Job) -> None:
        """Stop a job that cannot be answered correctly, before anything runs.

        Raises:
            RefusedError: an unsupported kind, images without eyes, an edit out of reach, or needs
                that the adapter does not meet.
        """
        request = job.request
        where = f"document {request.document!r}, step {request.step!r}"
        if request.kind not in self.kinds:
            raise self._unsupported(request.kind, where)
        if "answer" in request.ask and not self.continues:
            raise RefusedError(
                f"{self.name} cannot read an answer behind its prompt",
                where=where,
                hint="load the weights of a decoder with --model hf, or leave out the step that "
                "says `continues`",
            )
        if request.images and not self.images:
            raise RefusedError(
                f"{self.name} takes no images",
                where=where,
                hint="choose a vision-language model, or a task without images",
            )
        if job.condition.interventions and not self.sites:
            raise RefusedError(
                f"{self.name} cannot be edited: its inside is out of reach",
                where=f"intervention {job.condition.name}",
                hint="run it without --intervention, or load the weights with --model hf",
            )
        for part in job.condition.interventions:
            refuse_needs(self, part, job.condition.name)

    def plan(self, jobs: Sequence[Job]) -> Sequence[tuple[int, ...]]:
        """Batches of ``batch_size`` jobs in the given order; refuses what cannot be answered."""
        for job in jobs:
            self.refuse(job)
        size = self.batch_size
        return [tuple(range(at, min(at + size, len(jobs)))) for at in range(0, len(jobs), size)]

    def answer(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Answer]]:
        """Answer each job by the method of its kind."""
        for index, job in enumerate(jobs):
            self.refuse(job)
            yield index, self._one(job.request)

    def rewrite(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Rewrite]]:
        """Requests that interventions rewrite: none here.

        Raises:
            RefusedError: always.
        """
        raise RefusedError(
            f"{self.name} cannot have its requests rewritten by an intervention",
            where=f"intervention {jobs[0].condition.name}" if jobs else "",
            hint="load the weights with --model hf",
        )

    def unknown_share(self, request: Request) -> float:
        """Share of the prompt's tokens that are the unknown token; 0 without a tokenizer."""
        return 0.0

    # ------------------------------------------------------------- inside

    def _one(self, request: Request) -> Answer:
        reply = getattr(self, request.kind)(request)
        if isinstance(reply, Answer):
            return reply
        if request.kind == "generate":
            return Answer(text=str(reply))
        if request.kind == "represent":
            return Answer(text=None, arrays=cast("Mapping[Capture, Tensor]", reply))
        return Answer(text=None, scores=tuple(float(value) for value in reply))

    def _unsupported(self, kind: str, where: str = "") -> RefusedError:
        answered = ", ".join(sorted(self.kinds)) or "nothing"
        return RefusedError(
            f"{getattr(self, 'name', type(self).__name__)} does not answer {kind!r} requests",
            where=where,
            hint=f"it answers: {answered}",
        )


class Offers(Protocol):
    """What of a model decides whether an intervention's needs can be met."""

    @property
    def branches(self) -> bool:
        """Whether plans may compare branches."""
        ...

    @property
    def gradients(self) -> bool:
        """Whether probes may differentiate."""
        ...


def refuse_needs(model: Offers, part: Intervention, name: str) -> None:
    """Stop an intervention that needs what a model does not offer.

    Raises:
        RefusedError: It compares branches or differentiates, and the model does not.
    """
    offered = {"branches": model.branches, "gradients": model.gradients}
    for need, what in (("branches", "compares branches"), ("gradients", "needs gradients")):
        if need in part.needs and not offered[need]:
            raise RefusedError(
                f"{part.canonical} {what}, which this model does not offer",
                where=f"intervention {name}",
                hint="load the weights with --model hf and attn=headbench",
            )


def digest_of(value: object) -> str:
    """SHA-256 of a value's canonical JSON."""
    from headbench.results.canonical import digest

    return digest(value)
