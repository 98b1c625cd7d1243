"""One class held against the library: tokens and log-probabilities, batches, a masked head."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import nn
from torch.nn.functional import pad
from transformers import AutoConfig

from headbench.errors import HeadbenchError
from headbench.interventions.resolve import resolve
from headbench.jobs import Condition, Job
from headbench.models.adapter_catalogue import create
from headbench.models.hf.load import auto_class, is_vision_language
from headbench.nouns import Answer, Request
from sweep.checkpoint import TextOnly, prompts, tokenizer
from sweep.configs import FAULTS

NEW = 6
"""Tokens of an answer."""
SIZES = (1, 3, 16)
"""Rows of a batch."""
GAP = 1e-3
"""Two tokens whose logits are nearer than this are a tie, behind which nothing is compared."""
TOLERANCE = 1e-4
"""Largest difference of log-probabilities."""
MASKED = 4
"""Prompts that are answered under a masked head."""
OUTPUTS = ("o_proj", "out_proj", "c_proj", "dense", "wo", "output_proj", "out", "Wo")
"""Names of output projections."""


@dataclass
class Found:
    """What came out of one class.

    Attributes:
        outcome: ``right``, ``refused``, ``unbuilt`` or ``wrong``.
        reason: Why, where it is not right.
        layers: Decoder layers.
        attention: Those with attention.
        tokens: Tokens compared.
        worst: Largest difference of log-probabilities.
        notes: What else a reader should know.
    """

    outcome: str
    reason: str = ""
    layers: int = 0
    attention: list[int] = field(default_factory=list)
    tokens: int = 0
    worst: float = 0.0
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Said:
    """A token, its log-probability, and how far the next best is."""

    token: int
    logprob: float
    gap: float


def check(folder: Path, count: int = 16) -> Found:
    """Load a saved checkpoint through the adapter and hold its answers against the library's.

    Args:
        folder: What :func:`sweep.checkpoint.save` saved.
        count: Prompts.
    """
    config = AutoConfig.from_pretrained(folder)
    sees = is_vision_language(config)
    args = {"pretrained": str(folder), "chat_template": "off", "batch_size": "16"}
    try:
        with words_only():
            model = create("hf", args)
    except HeadbenchError as error:
        return Found("refused", " ".join(str(error).split()))
    info = model.info
    found = Found("right", layers=info.layers, attention=list(info.attending))
    found.notes += ["asked about texts alone"] if sees else []
    if not model.backend.extends:
        found.notes.append("one token per step: it forgets its state when several follow a cache")
    library = auto_class(config).from_pretrained(folder).eval()
    texts = prompts(count)
    ids = [torch.tensor([model.prompter.resolve(request(text)).tokens]) for text in texts]
    wanted = determined(library, ids, [reference(library, row, found) for row in ids], found)
    for size in SIZES:
        model.rows = size
        answers = asked(model, texts)
        compare(answers, wanted, found, f"batches of {size}")
    layer, head = found.attention[-1], 1
    (condition,) = resolve(f"mask_heads(heads=[[{layer},{head}]])", info)
    with silenced(library, layer, head, info.heads):
        hooked = [reference(library, row, found) for row in ids[:MASKED]]
    compare(asked(model, texts[:MASKED], condition), hooked, found, f"head {layer}.{head} masked")
    effect = max(
        abs(one[0].logprob - other[0].logprob) for one, other in zip(hooked, wanted, strict=False)
    )
    if effect < TOLERANCE:
        raise Wrong(f"masking head {layer}.{head} changes nothing in the library either")
    return found


@contextmanager
def words_only() -> Iterator[None]:
    """Load every checkpoint with the word-level tokenizer and without pictures.

    Several auto classes make another tokenizer of the files than the one that was saved, and image
    processors are a subject of their own.
    """
    with (
        patch("headbench.models.hf.load.load_processor", lambda *_: TextOnly(tokenizer())),
        patch(
            "headbench.models.hf.load.AutoTokenizer.from_pretrained", lambda *_, **__: tokenizer()
        ),
    ):
        yield


class Wrong(Exception):
    """The adapter's answers are not the library's."""


def request(text: str) -> Request:
    """A text to go on with."""
    turn = {"role": "user", "content": text}
    return Request(text, "answer", 0, "generate", (turn,), ask={"max_new_tokens": NEW})


def asked(model: Any, texts: Sequence[str], condition: Condition | None = None) -> list[Answer]:
    """The adapter's answers, over its own plan."""
    jobs = [Job(request(text), condition or Condition("baseline")) for text in texts]
    found: dict[int, Answer] = {}
    for batch in model.plan(jobs):
        for place, answer in model.answer([jobs[index] for index in batch]):
            found[batch[place]] = answer
    return [found[index] for index in range(len(jobs))]


@torch.no_grad()
def reference(library: Any, ids: torch.Tensor, found: Found) -> list[Said]:
    """What the library's own ``generate`` says to one prompt; whole passes where it cannot run."""
    try:
        out = library.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=NEW,
            do_sample=False, num_beams=1, pad_token_id=0, eos_token_id=2, output_logits=True,
            return_dict_in_generate=True,
        )  # fmt: skip
        tokens = out.sequences[0, -len(out.logits) :].tolist()
        rows = torch.cat(out.logits).float()
    except FAULTS as error:
        note = f"against whole passes: the library's generate fails ({type(error).__name__})"
        found.notes += [note] if note not in found.notes else []
        tokens, parts = [], []
        for _ in range(NEW):
            parts.append(library(input_ids=ids, use_cache=False).logits[:, -1].float())
            tokens.append(int(parts[-1].argmax()))
            if tokens[-1] == 2:
                break
            ids = torch.cat([ids, torch.tensor([tokens[-1:]])], 1)
        rows = torch.cat(parts)
    best = rows.topk(2).values
    logprobs = rows.log_softmax(-1)
    return [
        Said(token, float(logprobs[at, token]), float(best[at, 0] - best[at, 1]))
        for at, token in enumerate(tokens)
    ]


@torch.no_grad()
def determined(
    library: Any, ids: Sequence[torch.Tensor], wanted: Sequence[list[Said]], found: Found
) -> list[list[Said]]:
    """The answers, one of them cut where the library's own batch says something else.

    A router that is undecided between two experts decides by the last bit, and so by the batch. One
    prompt may hang on that; where more do, nothing is cut, and the comparison tells.
    """
    length = max(row.shape[1] for row in ids)
    rows = torch.cat([pad(row, (length - row.shape[1], 0)) for row in ids])
    mask = torch.cat([pad(torch.ones_like(row), (length - row.shape[1], 0)) for row in ids])
    try:
        out = library.generate(
            input_ids=rows, attention_mask=mask, max_new_tokens=NEW, do_sample=False,
            num_beams=1, pad_token_id=0, eos_token_id=2, output_logits=True,
            return_dict_in_generate=True,
        )  # fmt: skip
    except FAULTS:  # the comparison with single runs stands without it
        return list(wanted)
    steps = torch.stack(out.logits, 1).float().log_softmax(-1)
    cut = []
    for row, said in enumerate(wanted):
        same = [
            abs(float(steps[row, at, one.token]) - one.logprob) <= TOLERANCE
            for at, one in enumerate(said)
            if at < steps.shape[1]
        ]
        ties = [one.gap <= GAP for one in said]
        first = next((at for at, equal in enumerate(same) if not equal), len(said))
        cut.append(said if any(ties[:first]) else said[:first])
    shorter = sum(len(one) < len(said) for one, said in zip(cut, wanted, strict=True))
    if shorter == 1:
        found.notes.append("one answer of 16 hangs on a router's tie, in the library's batches too")
        return cut
    return list(wanted)


def compare(
    answers: Sequence[Answer], wanted: Sequence[Sequence[Said]], found: Found, what: str
) -> None:
    """Hold answers against the library's, up to the first near tie of each.

    Raises:
        Wrong: A token or a log-probability differs.
    """
    for number, (answer, said) in enumerate(zip(answers, wanted, strict=True)):
        for at, one in enumerate(said):
            if one.gap <= GAP:
                break
            if one.token == 2:
                if len(answer.tokens) != at:
                    raise Wrong(f"{what}: prompt {number} does not end where it should")
                break
            if at >= len(answer.tokens) or answer.tokens[at] != one.token:
                raise Wrong(f"{what}: prompt {number} says another token {at + 1}")
            difference = abs(answer.logprobs[at] - one.logprob)
            if not difference <= TOLERANCE:
                raise Wrong(f"{what}: prompt {number}, token {at + 1}: off by {difference:.2g}")
            found.worst = max(found.worst, difference)
            found.tokens += 1


@contextmanager
def silenced(library: nn.Module, layer: int, head: int, heads: int) -> Iterator[None]:
    """Zero one head's part of what enters a layer's output projection, by a plain hook."""
    projection = output_projection(library, layer)

    def zeroed(_module: nn.Module, given: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        x = given[0].clone()
        width = x.shape[-1] // heads
        x[..., head * width : (head + 1) * width] = 0
        return (x, *given[1:])

    hook = projection.register_forward_pre_hook(zeroed)
    try:
        yield
    finally:
        hook.remove()


def output_projection(library: nn.Module, layer: int) -> nn.Module:
    """The output projection of a decoder layer's attention, found by names alone.

    Raises:
        Wrong: There is none, or there are several.
    """
    other = (
        "vision", "visual", "vqmodel", "audio", "image", "tower", "projector", "qformer",
        "resampler", "mlp", "mamba", "linear_attn", "cross",
    )  # fmt: skip
    found = {}
    for name, module in library.named_modules():
        parts = name.split(".")
        attends = any(
            "att" in part.lower() or part in ("temporal_block", "mixer") for part in parts
        )
        if (
            str(layer) in parts and attends and parts[-1] in OUTPUTS
            and not any(word in part for word in other for part in parts)
        ):  # fmt: skip
            found[name] = module
    if len(found) != 1:
        raise Wrong(f"no single output projection of layer {layer}: {sorted(found)}")
    return next(iter(found.values()))
