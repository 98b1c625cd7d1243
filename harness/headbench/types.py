"""The nouns of headbench: one leaf file that everything may import.

It imports nothing of the package, and torch only for the type checker, so that
``headbench --help`` and ``headbench compare`` can use these words without paying for torch.

How they connect (see ``docs/architecture.md``)::

    tasks/*.yaml -> Task -> Document -> Request -> Job (request x arm) -> Model.answer -> Answer
                 -> Record -> Result (JSON)
    inside an adapter, one row:
                 Case -> probes -> Plan -> edits | rewritten request | branches + combine -> Answer
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

Kind = Literal["generate", "score", "nexttoken", "represent"]
"""What is asked of a model. ``choices`` of a task are several ``score`` continuations."""
Role = Literal["subject", "encoder", "judge"]
Site = Literal["q", "k", "v", "scores", "pattern", "z", "residual", "router"]
Phase = Literal["prefill", "decode", "both", "from_last"]
"""By POSITION, teacher-forced or not: decode means position >= prompt length; from_last means
position >= prompt length - 1, every row that predicts a token of the answer. The second is what
code does that prefills all but the prompt's last token, which becomes its first decoding step."""
Rows = Literal["all", "last", "after_image"]
"""Query rows. ``last`` is row t0 (prompt length - 1) in prefill, and every row in decode."""
Positions = tuple[int, ...]
"""Positions in the unpadded prompt; the engine adds padding and window offsets."""
Heads = tuple[int, ...]
HeadTable = Mapping[int, Heads]
"""Layer -> query heads, both 0-based."""


# ------------------------------------------------------------------ tasks


@dataclass(frozen=True)
class Document:
    """One item of a task's data.

    Attributes:
        id: Stable across runs, machines and orders; unique within the task.
        cluster: What is resampled together (the image, the wall, the needle seed, the passage).
        fields: What templates may read.
        target: Ground truth in the task's own form (text, set, partition, mapping).
        images: Field name -> content hash of each image the document needs.
    """

    id: str
    cluster: str
    fields: Mapping[str, object]
    target: object = None
    images: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """One question to one model; it knows nothing of interventions.

    Attributes:
        document: Id of the document.
        step: Name of the task's step.
        index: Position of the request within (document, step).
        kind: What is asked.
        messages: Chat turns, ``{"role": ..., "content": ...}``; a single ``user`` turn for plain
            prompts. Images appear in the content as the marker ``<image>``, in order.
        images: Content hashes, in the order of the markers.
        spans: Span name -> character ranges ``(message index, start, end)`` marked in the template.
        ask: Generation settings (``max_new_tokens``, ``until``), or ``continuations`` (score), or
            ``tokens`` (nexttoken), or ``captures`` (represent).
        seed: hash(run seed, document, step, index); no generator is shared between rows.
    """

    document: str
    step: str
    index: int
    kind: Kind
    messages: tuple[Mapping[str, str], ...]
    images: tuple[str, ...] = ()
    spans: Mapping[str, tuple[tuple[int, int, int], ...]] = field(default_factory=dict)
    ask: Mapping[str, object] = field(default_factory=dict)
    seed: int = 0


@dataclass(frozen=True)
class Record:
    """One document's outcome under one arm.

    Attributes:
        document: Document id.
        cluster: What is resampled together.
        outputs: Raw outputs, one a request, in step order.
        parsed: What the parser read (``None``: unparsed).
        parser: Name and version of the parser, e.g. ``pope_ref@1``.
        parts: Score parts: numbers, strings or lists of strings. Metrics are recomputed from these.
        target: Ground truth, kept so that a record file can be rescored by itself.
        tokens: Token ids of each output, where the model gives them.
    """

    document: str
    cluster: str
    outputs: tuple[str, ...]
    parsed: object
    parser: str
    parts: Mapping[str, object]
    target: object = None
    tokens: tuple[tuple[int, ...], ...] = ()


# ------------------------------------------------------------------ what an adapter sees


@dataclass(frozen=True)
class Capture:
    """What a probe, a detector or a ``represent`` request brings home.

    ``keys`` names a span, so that a pattern is never captured whole.
    """

    site: Site
    layers: tuple[int, ...]
    rows: Rows = "last"
    keys: str | None = None
    pool: Literal["none", "mean"] = "none"
    tower: Literal["text", "vision"] = "text"


Objective = Callable[["Tensor"], "Tensor"]
"""Logits ``[vocabulary]`` of the last prompt token -> scalar that a probe differentiates."""


@dataclass(frozen=True)
class Probe:
    """An unedited pass before the main one.

    With ``gradient`` its captures hold, in the place of values, the gradients of a figure of the
    logits at the last prompt token: of ``objective``, by default the log-probability of the
    likeliest token. The method that asks for one has ``gradients`` among its ``needs``.

    One ``beside`` the request runs in a batch with it under the method's own edits and brings
    nothing home: selections read it (:attr:`View.beside`), serve both rows, and are remembered.
    """

    name: str
    request: Request
    captures: tuple[Capture, ...]
    gradient: bool = False
    beside: bool = False
    objective: Objective | None = None


@dataclass(frozen=True)
class Case:
    """One row as the adapter resolved it: token ids, token spans, shapes.

    ``spans`` always holds ``first`` (first unpadded position), ``last`` (row t0) and, where there
    are images, ``image``; the template's own spans (``question``, ``needle``) come beside them.
    """

    request: Request
    tokens: tuple[int, ...]
    spans: Mapping[str, Positions]
    info: ModelInfo


# ------------------------------------------------------------------ edits: data, not hooks


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
        beside: This layer's z of row t0 of the probe beside the request, before edits, or ``None``.
        column_mass: ``[head, position]`` at prefill, on demand: mean weight each prompt key gets.
    """

    layer: int
    start: int
    prompt: int
    spans: Mapping[str, Positions]
    layer_input: Tensor | None
    memory: dict[str, Tensor]
    probes: Mapping[str, Mapping[Capture, Tensor]]
    beside: Tensor | None = None
    column_mass: Tensor | None = None


Select = Callable[[View, "Tensor"], "Tensor"]
"""z of row t0 ``[head, dim]`` -> bool ``[head]``; asked once a layer, then remembered."""


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
class Plan:
    """Everything one row needs.

    Attributes:
        edits: Changes of the forward pass.
        request: The request in place of the one that was asked.
        branches: Name -> companion of the main pass.
        combine: Joins the logits of the main pass (``main``) and of all branches at each step.
    """

    edits: tuple[Edit, ...] = ()
    request: Request | None = None
    branches: Mapping[str, Branch] | None = None
    combine: Combine | None = None


# ------------------------------------------------------------------ interventions and arms


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

    def plan(self, case: Case | None, seen: Mapping[str, Mapping[Capture, Tensor]]) -> Plan:
        """The plan of one row. ``case=None`` asks for a static (foldable) plan."""
        ...

    def controls(self, count: int, seed: int) -> Controls | None:
        """``count`` control draws matched in the method's own unit; ``None``: there is none."""
        ...


@dataclass(frozen=True)
class Arm:
    """One resolved intervention of a run.

    Attributes:
        name: ``baseline``, or the canonical toggle; controls carry ``#control-<draw>``.
        interventions: ``()`` is the baseline.
        role: What the arm is for.
        of: For a control: the name of the toggle arm it belongs to.
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
    """A request under an arm."""

    request: Request
    arm: Arm


@dataclass(frozen=True)
class Answer:
    """What a model returned for one job.

    Attributes:
        text: Generated text (``generate``), else ``None``.
        tokens: Generated or forced ids, without padding and without what ``until`` cut.
        logprobs: Per token; for ``score``, of the continuation's tokens, all continuations joined.
        scores: For ``score``: summed log-probability of each continuation; for ``nexttoken``:
            log-probability of each asked token.
        arrays: Captures of ``represent``.
        passes: Forward passes spent, probes and branches included.
        batch: Name of the planned batch this row ran in.
        visited: Attention modules reached by the edits; 0 under an edited arm is an error.
        changed: Rows x heads altered; 0 is ``inert``, a legal outcome.
        chosen: Layer -> heads that a per-sample method picked.
        first: Log-probabilities of the first generated position over the vocabulary's top entries
            (token id -> log-probability); feeds the first-token KL.
        truncated: Generation stopped at the token limit.
    """

    text: str | None
    tokens: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    scores: tuple[float, ...] = ()
    arrays: Mapping[Capture, Tensor] = field(default_factory=dict)
    passes: int = 1
    batch: str = ""
    visited: int = 0
    changed: int = 0
    chosen: Mapping[int, Heads] = field(default_factory=dict)
    first: Mapping[int, float] = field(default_factory=dict)
    truncated: bool = False


# ------------------------------------------------------------------ models


@dataclass(frozen=True)
class ModelInfo:
    """Shapes and facts an intervention may depend on; no weights, no torch.

    Attributes:
        name: Display name, e.g. ``ref-vlm-v1`` or the hub id.
        family: The configuration's ``model_type`` (``llava``, ``llama``, ...): strengths have
            defaults per family.
        layers: Decoder layers.
        heads: Query heads a layer.
        kv_heads: Key/value heads a layer.
        head_dim: Width of a head's queries and keys.
        images: Whether the model takes images.
        maps: Name -> path of the head maps that ship beside the checkpoint.
        value_dim: Width of a head's values and outputs where it is another one (DeepSeek).
        attention: The decoder layers whose heads can be reached, ascending, where they are not all:
            models that mix attention with convolutions or recurrent states. ``None``: every layer.
    """

    name: str
    family: str
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    images: bool = False
    maps: Mapping[str, str] = field(default_factory=dict)
    value_dim: int | None = None
    attention: tuple[int, ...] | None = None

    @property
    def attending(self) -> tuple[int, ...]:
        """The layers with attention heads, by their number among all decoder layers."""
        return tuple(range(self.layers)) if self.attention is None else self.attention

    @property
    def output_dim(self) -> int:
        """Width of a head's output ``z``."""
        return self.value_dim or self.head_dim


class Model(Protocol):
    """An adapter that answers requests; ``models.base_model.BaseModel`` keeps an own one short."""

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

    def plan(self, jobs: Sequence[Job]) -> Sequence[tuple[int, ...]]:
        """Batches over the whole run, as indices into ``jobs``; deterministic."""
        ...

    def answer(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Answer]]:
        """Answer one planned batch, any order, each answer as it comes."""
        ...
