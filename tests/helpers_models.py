"""Requests, jobs and adapters for the tests of models."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from typing import Any

from headbench.jobs import Condition, Job
from headbench.models.hf.adapter import HFModel, wrap
from headbench.nouns import Answer, Kind, Request
from helpers_tiny import (
    picture,
    tiny_llama,
    tiny_llava,
    tiny_llava_processor,
    tiny_qwen2_vl,
    tiny_qwen2_vl_processor,
    tiny_tokenizer,
)

BASELINE = Condition("baseline")
QUESTIONS = (
    "is there a cat in the image?",
    "what is the secret word of river? answer:",
    "describe the photo",
    "where is the red lamp near the table and the blue plate with bread? please answer.",
    "is there a fork or a knife?",
    "one two three four five six seven",
    "who",
)


def request(content: str, kind: Kind = "generate", **changes: Any) -> Request:
    """A request of one user turn, named after its content."""
    ask = {"max_new_tokens": 12} if kind == "generate" else {}
    settings: dict[str, Any] = {
        "document": content,
        "step": "answer",
        "index": 0,
        "kind": kind,
        "messages": ({"role": "user", "content": content},),
        "ask": ask,
    }
    return Request(**settings | changes)


def jobs(requests: Sequence[Request], condition: Condition = BASELINE) -> list[Job]:
    """The requests under one condition."""
    return [Job(one, condition) for one in requests]


def answers(model: HFModel, work: Sequence[Job]) -> list[Answer]:
    """Answers in the order of the jobs, over the model's own plan."""
    found: dict[int, Answer] = {}
    for batch in model.plan(work):
        for place, answer in model.answer([work[index] for index in batch]):
            found[batch[place]] = answer
    return [found[index] for index in range(len(work))]


def images(count: int, size: tuple[int, int] = (32, 32)) -> dict[str, bytes]:
    """Encoded pictures by content hash."""
    found = {}
    for seed in range(count):
        target = io.BytesIO()
        picture(seed, size).save(target, "PNG")
        found[hashlib.sha256(target.getvalue()).hexdigest()] = target.getvalue()
    return found


def llama(**args: str) -> HFModel:
    """The tiny Llama behind the adapter."""
    return wrap(tiny_llama(), tiny_tokenizer(chat_template=True), **{"attn": "sdpa"} | args)


def llava(store: Mapping[str, bytes] | None = None, **args: str) -> HFModel:
    """The tiny LLaVA behind the adapter."""
    processor = tiny_llava_processor(chat_template=True)
    model = wrap(tiny_llava(), processor.tokenizer, processor, **{"attn": "sdpa"} | args)
    model.bind((store or {}).__getitem__)
    return model


def qwen(store: Mapping[str, bytes] | None = None, **args: str) -> HFModel:
    """The tiny Qwen2-VL behind the adapter."""
    processor = tiny_qwen2_vl_processor(chat_template=True)
    model = wrap(tiny_qwen2_vl(), processor.tokenizer, processor, **{"attn": "sdpa"} | args)
    model.bind((store or {}).__getitem__)
    return model
