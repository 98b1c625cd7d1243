"""The model of the intervention benchmarks, built in code: torch and transformers only.

It is imported by interpreters that hold a peer library and not headbench, so that all edit the same
weights: a random Llama of 2 layers, 12 heads of width 64, 16 million parameters, float32.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

import torch
from transformers import LlamaConfig, LlamaForCausalLM

HEADS, WIDTH, LAYERS, VOCABULARY = 12, 768, 2, 1024
DIM = WIDTH // HEADS
IMAGE = 576
"""Columns of a stand-in for an image: what LLaVA-1.5 spends on one."""
IMAGE_AT = 16
SINK = 7
"""A token with one huge activation, as attention sinks have."""
CHOSEN = ((0, 1), (0, 4), (1, 1), (1, 4))
"""(layer, head) pairs that head methods edit."""


def make_model() -> LlamaForCausalLM:
    """The model; the same weights for the same torch."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=WIDTH, intermediate_size=2048, bos_token_id=None,
        num_hidden_layers=LAYERS, num_attention_heads=HEADS, max_position_embeddings=8192,
        initializer_range=0.1, architectures=["LlamaForCausalLM"], eos_token_id=None,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        model.model.embed_tokens.weight[SINK, 0] = 100.0
    return model


def image(length: int) -> tuple[int, ...]:
    """Positions of the image in a prompt of ``length`` tokens."""
    return tuple(range(IMAGE_AT, IMAGE_AT + min(IMAGE, length // 2)))


def prompt(length: int) -> torch.Tensor:
    """Token ids ``[1, length]``: a sink in front, and one in the image."""
    generator = torch.Generator().manual_seed(length)
    ids = torch.randint(SINK + 1, VOCABULARY, (1, length), generator=generator)
    ids[0, 0] = ids[0, IMAGE_AT + 4] = SINK
    return ids


def cpu_seconds(run: Callable[[], object]) -> float:
    """CPU time of one call."""
    start = time.process_time()
    run()
    return time.process_time() - start


def ratios(
    conditions: Mapping[str, Callable[[], object]],
    plain: Callable[[], object],
    rounds: int,
    seconds: float = math.inf,
) -> dict[str, list[float]]:
    """CPU time of each condition over the unedited run, once a round.

    An unedited run stands before and after every second condition, and a condition is divided by
    the mean of its two neighbours, so that a slow spell of the machine hits both. The order turns
    each round. No round begins once ``seconds`` of wall time are spent; one is always made.
    """
    start = time.monotonic()
    for run in (plain, *conditions.values()):
        run()
    found: dict[str, list[float]] = {name: [] for name in conditions}
    for number in range(rounds):
        if number and time.monotonic() - start > seconds:
            break
        order = list(conditions)[:: -1 if number % 2 else 1]
        before = cpu_seconds(plain)
        for pair in (order[i : i + 2] for i in range(0, len(order), 2)):
            spent = {name: cpu_seconds(conditions[name]) for name in pair}
            after = cpu_seconds(plain)
            for name, its in spent.items():
                found[name].append(2 * its / (before + after))
            before = after
    return found
