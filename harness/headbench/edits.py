"""Edits and plans: what an author of an intervention works with.

An edit is data and not a hook, so that edits stack over the rows of a batch, hash, print and fold
into weights. One row of a batch goes ``Case -> probes -> Plan -> edits | branches + combine``; a
method that rewrites requests does so before that. A leaf above :mod:`headbench.nouns`; torch is
named for the type checker only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from headbench.errors import ConfigError, RefusedError
from headbench.nouns import Capture, HeadTable, ModelInfo, Phase, Positions, Request, Rows, Site
from headbench.site_names import site_of

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor


Objective = Callable[["Tensor"], "Tensor"]
"""Logits ``[vocabulary]`` of the last prompt token -> scalar that a probe differentiates."""


@dataclass(frozen=True)
class Probe:
    """An unedited pass before the main one.

    With ``gradient`` its captures hold, in the place of values, the gradients of a figure of the
    logits at the last prompt token: of ``objective``, by default the log-probability of the most
    likely token. The method that asks for one has ``gradients`` among its ``needs``.

    A ``companion`` of the request runs in a batch with it under the method's own edits and brings
    nothing home: selections read it (:attr:`View.companion`), serve both rows, and are remembered.
    """

    name: str
    request: Request
    captures: tuple[Capture, ...]
    gradient: bool = False
    companion: bool = False
    objective: Objective | None = None


@dataclass(frozen=True)
class Case:
    """One row as the adapter resolved it: token ids, token spans, shapes.

    ``spans`` always holds ``first`` (first unpadded position), ``last`` (last prompt token) and,
    where there are images, ``image``; the template's own spans (``question``, ``needle``) follow.
    """

    request: Request
    tokens: tuple[int, ...]
    spans: Mapping[str, Positions]
    info: ModelInfo
    read: Callable[[str], Image] | None = field(default=None, compare=False, repr=False)
    """Content hash -> image, upright, in 8-bit RGB."""

    def image(self, number: int = 0) -> Image:
        """One of the request's images, upright, in 8-bit RGB.

        Raises:
            RefusedError: the request has no such image, or images cannot be read here.
        """
        names = self.request.images
        if self.read is None or not 0 <= number < len(names):
            raise RefusedError(
                "images can be read under `headbench run` only"
                if self.read is None
                else f"the request has {len(names)} images, and image {number} was asked for",
                where=f"document {self.request.document!r}, step {self.request.step!r}",
            )
        return self.read(names[number])


@dataclass(frozen=True)
class View:
    """What an operation's callback may read: one row of the batch, one layer.

    Attributes:
        layer: 0-based layer index.
        start: Position of the first query row of this call.
        prompt: Prompt length of the row (unpadded).
        spans: Span name -> positions.
        layer_input: ``[position, width]`` at prefill, on demand, else ``None``.
        memory: Lives as long as this row's answer: chosen heads, sinks.
        probes: What the row's probes captured.
        companion: This layer's z at the last prompt token of the companion row, before edits,
            ``[head, dim]``; ``None`` without a companion.
        column_mass: ``[head, position]`` at prefill, on demand: mean weight each prompt key gets.
    """

    layer: int
    start: int
    prompt: int
    spans: Mapping[str, Positions]
    layer_input: Tensor | None
    memory: dict[str, Tensor]
    probes: Mapping[str, Mapping[Capture, Tensor]]
    companion: Tensor | None = None
    column_mass: Tensor | None = None


Select = Callable[[View, "Tensor"], "Tensor"]
"""z of the last prompt token ``[head, dim]`` -> bool ``[head]``; called once per layer and kept."""


@dataclass(frozen=True)
class Scale:
    """Multiply by ``factor`` (0 zeroes)."""

    factor: float


@dataclass(frozen=True)
class Offset:
    """Add ``vector``: ``[layer, head, dim]`` at ``z``, ``[layer, width]`` at ``residual``."""

    vector: Tensor


@dataclass(frozen=True)
class Mix:
    """z <- (1 - weight) z + weight target; ``self`` is v_t, ``first`` v_0, ``mean`` the mean v."""

    target: Tensor | Literal["self", "first", "mean"]
    weight: Tensor | float


@dataclass(frozen=True)
class ZeroDims:
    """Zero these query dimensions; ``None`` is all of them, which makes the pattern uniform."""

    dims: Positions | None


@dataclass(frozen=True)
class Bias:
    """Add ``value`` to the scores of these key columns; the softmax renormalises."""

    keys: str | Positions
    value: float


@dataclass(frozen=True)
class Columns:
    """A data-dependent edit of few pattern columns.

    ``new`` maps the pattern's columns ``[head, row, key]`` to the same shape.
    """

    keys: str | Positions | Callable[[View], Tensor]
    new: Callable[[View, Tensor], Tensor]
    renormalise: bool
    reads: tuple[Literal["layer_input", "column_mass"], ...] = ()


@dataclass(frozen=True)
class Visible:
    """Which keys a head may see: the first ``first`` and the latest ``recent``."""

    first: int
    recent: int | None
    mutual: tuple[str, str] | None = None


@dataclass(frozen=True)
class Experts:
    """Switch experts of a mixture layer off or on."""

    off: tuple[int, ...]
    on: tuple[int, ...]
    mode: Literal["zero_renorm", "exclude_before_topk", "zero_output"]


Op = Scale | Offset | Mix | ZeroDims | Bias | Columns | Visible | Experts


@dataclass(frozen=True)
class Edit:
    """One change of the forward pass: stacks over rows, hashes, folds, prints."""

    site: Site
    op: Op
    where: HeadTable | Select
    phase: Phase = "both"
    rows: Rows = "all"

    def __post_init__(self) -> None:
        if "hook_" not in self.site:
            return
        site, layer = site_of(self.site, "Edit")
        elsewhere = not isinstance(self.where, Mapping) or set(self.where) != {layer}
        if layer is not None and elsewhere:
            raise ConfigError(
                f"{self.site!r} names one layer, and the edit's heads say which layers",
                where="Edit",
                hint=f"write {site!r}",
            )
        object.__setattr__(self, "site", site)


Combine = Callable[[Mapping[str, "Tensor"], bool], "Tensor"]
"""``{branch: logits [vocab]}, forced`` -> ``logits [vocab]``; ``forced`` is True in ``score``."""


@dataclass(frozen=True)
class Branch:
    """A companion of the main pass: the same tokens follow it, and ``combine`` reads its logits.

    Attributes:
        request: Another prompt, perhaps with another image; ``None``: the main one's.
        pixels: Changes the processor's tensors of each image, e.g. adds noise.
        edits: Edits of its own; ``None``: those of the whole plan, so that a composed intervention
            acts on every branch alike.
    """

    request: Request | None = None
    pixels: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]] | None = None
    edits: tuple[Edit, ...] | None = None


@dataclass(frozen=True)
class Rewrite:
    """The request that is asked in place of the given one.

    Attributes:
        request: Differs from the given one in messages, images and spans only.
        images: Content hash -> PNG file of each image that was made for it;
            :func:`headbench.interventions.rewriting.with_images` fills it in.
        passes: Forward passes that its probes took; the adapter fills it in.
    """

    request: Request
    images: Mapping[str, bytes] = field(default_factory=dict)
    passes: int = 0


@dataclass(frozen=True)
class Plan:
    """Everything one row needs.

    Attributes:
        edits: Changes of the forward pass.
        branches: Name -> companion of the main pass.
        combine: Joins the logits of the main pass (``main``) and of all branches at each step.
    """

    edits: tuple[Edit, ...] = ()
    branches: Mapping[str, Branch] | None = None
    combine: Combine | None = None


@dataclass(frozen=True)
class Controls:
    """The control draws a method declares for itself.

    Attributes:
        unit: What was drawn, in words ("other heads of the same layers").
        draws: Distinct control interventions.
        possible: How many distinct draws exist; for choices made per sample, for one sample.
        excluded: Whether the method's own heads were kept out of the draws.
        test: Whether the method itself could have been drawn in the same way, so that its rank
            among the draws has a p-value. Never where its own heads were kept out.
    """

    unit: str
    draws: tuple[Intervention, ...]
    possible: int
    excluded: bool
    test: bool = True


@dataclass(frozen=True)
class Contrast:
    """Controls of another kind than a method's own; they show a difference, and give no p.

    Attributes:
        heads: ``apart``: the same layers, without the method's own heads; ``low``: heads of the
            same layers that the method's head map scores below ``below``; ``layers``: heads of
            layers that the method does not edit; ``document``: for methods that choose heads per
            sample, the heads chosen for another document.
        below: Score for ``low``.
    """

    heads: Literal["apart", "low", "layers", "document"]
    below: float | None = None


@runtime_checkable
class Intervention(Protocol):
    """A named method with resolved parameters."""

    @property
    def canonical(self) -> str:
        """The one printed form, e.g. ``scale_heads(alpha=1.5,heads=[[1,2]])``; ids use it."""
        ...

    @property
    def needs(self) -> frozenset[str]:
        """What it asks of model and task, which is refused before anything runs.

        ``image``, ``head_map``, ``artefact``; ``gradients``, of probes that differentiate;
        ``branches``, of plans that compare branches.

        ``document`` says that the edits depend on which document is asked, or on the request's
        seed, and not on its prompt alone; equal prompts then share no answer.
        """
        ...

    def probes(self, case: Case) -> tuple[Probe, ...]:
        """Unedited passes that must run before :meth:`plan`."""
        ...

    def plan(self, case: Case | None, probed: Mapping[str, Mapping[Capture, Tensor]]) -> Plan:
        """The plan of one row. ``case=None`` asks for a static (foldable) plan."""
        ...

    def controls(self, count: int, seed: int) -> Controls | None:
        """``count`` control draws matched in the method's own unit; ``None``: there is none."""
        ...


@runtime_checkable
class Rewriter(Intervention, Protocol):
    """An intervention that rewrites requests before they are asked.

    The rewritten request is what is keyed, batched and answered, so the images that a method makes
    are part of the response key by their content. Probes and plans see the rewritten request.
    """

    def rewrite_probes(self, case: Case) -> tuple[Probe, ...]:
        """Unedited passes that must run before :meth:`rewrite`."""
        ...

    def rewrite(self, case: Case, probed: Mapping[str, Mapping[Capture, Tensor]]) -> Rewrite:
        """The request to ask instead; it depends on nothing but the case and the probes."""
        ...
