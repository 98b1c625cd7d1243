"""The nouns of headbench, for everybody: documents, requests, records, answers, shapes.

A leaf: of the package it imports the names of sites, and torch only for the type checker, so that
``headbench --help`` and ``headbench compare`` can use these words without paying for torch.
Method authors go on in :mod:`headbench.edits`; what a run asks of a model is in
:mod:`headbench.jobs`. How they connect is drawn in ``docs/architecture.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Literal

from headbench.site_names import site_and_layers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


Kind = Literal["generate", "score", "nexttoken", "represent"]
"""What is asked of a model. ``choices`` of a task are several ``score`` continuations."""
Role = Literal["subject", "encoder", "judge"]
Site = Literal["q", "k", "v", "scores", "pattern", "z", "residual", "router"]
CaptureSite = Literal[Site, "z_out", "residual_in"]
"""Where a capture may look: also at what a head writes into the residual stream, ``z`` times its
rows of the output projection without the bias, and at what a layer reads (of layer 0: the
embeddings)."""
Phase = Literal["prefill", "decode", "both", "from_last"]
"""By POSITION, teacher-forced or not: decode means position >= prompt length; from_last means
position >= prompt length - 1, every row that predicts a token of the answer. The second is what
code does that prefills all but the prompt's last token, which becomes its first decoding step."""
Rows = Literal["all", "last", "after_image"]
"""Query rows. ``last`` is the last prompt token in prefill, and every row in decode."""
Positions = tuple[int, ...]
"""Positions in the unpadded prompt; the engine adds padding and window offsets."""
Heads = tuple[int, ...]
HeadTable = Mapping[int, Heads]
"""Layer -> query heads, both 0-based."""


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
            ``tokens`` (nexttoken), or ``captures`` (represent); and ``answer``, with its
            ``answer_tokens`` where they are known, where the states of an answer are wanted.
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
    """One document's outcome under one condition.

    Attributes:
        document: Document id.
        cluster: What is resampled together.
        outputs: Raw outputs, one a request, in step order.
        parsed: What the parser read (``None``: unparsed).
        parser: Name and version of the parser, e.g. ``pope_ref@1``.
        parts: Score parts: numbers, strings or lists of strings, or a numpy array, which is stored
            beside the records (:mod:`headbench.results.arrays`). Metrics are recomputed from these.
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


@dataclass(frozen=True)
class Capture:
    """What a probe, a detector or a ``represent`` request brings home.

    Attributes:
        site: Named place in the forward pass; ``blocks.5.attn.hook_z`` becomes ``z``.
        layers: 0-based; in requests also from the top.
        rows: Query rows: one of :data:`Rows`; ``answer``, the tokens of the answer that the request
            continues; or the name of a span of the prompt (``content``: its text without special
            tokens and without what a chat template adds).
        keys: Name of a span, so that a pattern is never captured whole.
        pool: ``mean`` over the rows, or their ``last`` one.
        tower: The text model, or the vision tower.
    """

    site: CaptureSite
    layers: tuple[int, ...]
    rows: str = "last"
    keys: str | None = None
    pool: Literal["none", "mean", "last"] = "none"
    tower: Literal["text", "vision"] = "text"

    def __post_init__(self) -> None:
        if "hook_" in self.site:
            site, layers = site_and_layers(self.site, self.layers, "Capture")
            object.__setattr__(self, "site", site)
            object.__setattr__(self, "layers", layers)


class GeneratedText(str):
    """The text of a ``generate`` answer, with the ids that the model chose.

    A later step of the same model that continues the answer feeds these ids: text that is tokenized
    anew need not give them.
    """

    tokens: tuple[int, ...]

    @classmethod
    def of(cls, text: str, tokens: tuple[int, ...]) -> GeneratedText:
        """A text and its ids."""
        made = cls(text)
        made.tokens = tokens
        return made


class ScoredText(str):
    """What ``score`` and ``nexttoken`` say over several choices: the likeliest, with all chances.

    A scorer reads :attr:`scores` and gives what its metrics need as record parts. :attr:`choices`
    are the texts to choose from, without blanks at either end; empty where they are not known.
    """

    scores: tuple[float, ...]
    choices: tuple[str, ...]

    @classmethod
    def of(cls, text: str, scores: tuple[float, ...], choices: tuple[str, ...] = ()) -> ScoredText:
        """A choice, and the log-probability of each choice in the order of the request."""
        made = cls(text)
        made.scores, made.choices = scores, choices
        return made


class CapturedArrays(str):
    """What a ``represent`` request brought home, in the place of an output text.

    As text it names the arrays by shape and digest, so that outputs can be compared and stored; a
    scorer reads :attr:`arrays` and gives what its metrics need as record parts.
    """

    read: Callable[[], tuple[NDArray[np.float32], ...]]

    @classmethod
    def of(cls, read: Callable[[], tuple[NDArray[np.float32], ...]]) -> CapturedArrays:
        """Name what ``read`` gives; it is called again whenever the arrays are looked at."""
        named = [
            f"float32{list(array.shape)} {sha256(array.tobytes()).hexdigest()[:16]}"
            for array in read()
        ]
        made = cls("; ".join(named))
        made.read = read
        return made

    @property
    def arrays(self) -> tuple[NDArray[np.float32], ...]:
        """One array per capture, in the order in which they were asked for."""
        return self.read()


@dataclass(frozen=True)
class ModelInfo:
    """Shapes and facts an intervention may depend on; no weights, no torch.

    Attributes:
        name: Display name, e.g. ``ref-vlm-v2`` or the hub id.
        family: The configuration's ``model_type`` (``llava``, ``llama``, ...): strengths have
            defaults per family.
        layers: Decoder layers.
        heads: Query heads per layer.
        kv_heads: Key/value heads per layer.
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
        visited: Attention modules reached by the edits; 0 under an edited condition is an error.
        changed: Rows x heads altered, and distributions that a combination of branches altered; 0
            is ``inert``, a legal outcome.
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
