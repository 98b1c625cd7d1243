"""Time and memory of edits over the unedited sdpa run of the same model, one thread.

    python benchmarks/interventions.py [--lengths 512,2048,4096] [--rounds 15]

Edited and unedited passes alternate; a ratio is the median over rounds of edited / unedited CPU
time within a round, with the range that holds the middle 95 % of bootstrap medians. ``decode`` is a
step behind a cache of the given length. ``MiB`` is the most memory that one edited attention call
holds above an unedited one.
"""

from __future__ import annotations

import argparse
import gc
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial

import torch
from torch.profiler import ProfilerActivity, profile
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM

from headbench.interventions.engine import Engine, Row
from headbench.interventions.engine.inputs import Inputs
from headbench.interventions.engine.session import EditSession
from headbench.interventions.engine.stages import Shape
from headbench.types import Bias, Columns, Edit, Mix, Plan, Scale, View, Visible, ZeroDims

HEADS, WIDTH, LAYERS = 12, 768, 2
IMAGE = 576
ALL = {layer: tuple(range(HEADS)) for layer in range(LAYERS)}
SOME = {layer: (1, 4, 7) for layer in range(LAYERS)}


def halve(view: View, columns: torch.Tensor) -> torch.Tensor:
    """A stand-in for a data-dependent edit."""
    return columns * 0.5


def raised(view: View, scores: torch.Tensor) -> torch.Tensor:
    """PAI's rule."""
    return scores + 0.5 * scores.abs()


def edits(length: int) -> dict[str, Edit]:
    """What is timed, by name."""
    image = tuple(range(16, 16 + min(IMAGE, length // 2)))
    return {
        "z scale": Edit("z", Scale(0.5), ALL),
        "z mix with own value": Edit("z", Mix("self", 0.5), SOME),
        "q zero (uniform)": Edit("q", ZeroDims(None), SOME),
        "bias of one column": Edit("scores", Bias((0,), -1.0), ALL),
        "one column, not renormalised": Edit("pattern", Columns((0,), halve, False), ALL),
        "one column, renormalised": Edit("pattern", Columns((0,), halve, True), ALL),
        f"{len(image)} columns, last row": Edit(
            "scores", Columns(image, raised, True), ALL, "both", "last"
        ),
        f"{len(image)} columns, all rows": Edit("pattern", Columns(image, halve, False), ALL),
        f"{len(image)} columns, merged": Edit("pattern", Columns(image, halve, True), ALL),
        "sinks and window of 256": Edit("scores", Visible(16, 256), SOME),
    }


def make_model() -> LlamaForCausalLM:
    """A random Llama of 12 heads of width 64."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=1024, hidden_size=WIDTH, intermediate_size=2048, num_hidden_layers=LAYERS,
        num_attention_heads=HEADS, max_position_embeddings=8192, initializer_range=0.1,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


def cpu_seconds(run: Callable[[], object]) -> float:
    """CPU time of one call."""
    start = time.process_time()
    run()
    return time.process_time() - start


def ratio(edited: Callable[[], object], plain: Callable[[], object], rounds: int) -> str:
    """Median ratio with its bootstrap interval."""
    edited(), plain()
    pairs = []
    for number in range(rounds):
        first, second = (plain, edited) if number % 2 else (edited, plain)
        one, two = cpu_seconds(first), cpu_seconds(second)
        pairs.append(one / two if first is edited else two / one)
    generator = random.Random(0)
    medians = sorted(statistics.median(generator.choices(pairs, k=rounds)) for _ in range(1000))
    return f"{statistics.median(pairs):.3f} [{medians[25]:.3f}, {medians[974]:.3f}]"


@contextmanager
def attached(engine: Engine, edit: Edit, length: int) -> Iterator[None]:
    """The engine with one edit on one row."""
    with engine.attach([Row(Plan(edits=(edit,)), length)]):
        yield


def peak(run: Callable[[], object]) -> int:
    """Most bytes that a call holds at once above what was held before it."""
    gc.collect()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        run()
    held = most = 0
    for event in sorted(seen.profiler.kineto_results.events(), key=lambda e: e.start_ns()):
        if event.name() == "[memory]":
            held += event.nbytes()
            most = max(most, held)
    return most


def prefill(model: LlamaForCausalLM, ids: torch.Tensor) -> Callable[[], object]:
    """A pass over the prompt; only the last logits are made."""
    return lambda: model(ids, use_cache=False, logits_to_keep=1)


def decode(model: LlamaForCausalLM, ids: torch.Tensor, steps: int = 8) -> Callable[[], object]:
    """Some steps behind a cache of the prompt."""
    cache = DynamicCache()
    model(ids, past_key_values=cache, logits_to_keep=1)

    def run() -> None:
        for _ in range(steps):
            model(ids[:, :1], past_key_values=cache)
        cache.crop(-steps)

    return run


def call(edit: Edit | None, length: int) -> Callable[[], object]:
    """One attention call by itself, edited or not."""
    shape = Shape(1, HEADS, HEADS, WIDTH // HEADS, WIDTH // HEADS, WIDTH)
    query, key, value = torch.randn(3, 1, HEADS, length, WIDTH // HEADS)
    module = torch.nn.Module()
    module.is_causal = True  # type: ignore[assignment]
    mine = Edit(edit.site, edit.op, {0: edit.where[0]}, edit.phase, edit.rows) if edit else None  # type: ignore[index]
    session = EditSession([Row(Plan(edits=(mine,) if mine else ()), length)], shape)
    session.begin(1, 0)
    return lambda: session.attend(0, Inputs(module, query, key, value, None, {}))


def under(
    context: Callable[[], AbstractContextManager[object]], run: Callable[[], object]
) -> Callable[[], object]:
    """``run`` inside a fresh context each time."""

    def inside() -> None:
        with context():
            run()

    return inside


def report(lengths: Sequence[int], rounds: int) -> None:
    """Print a row for each edit and length."""
    model = make_model()
    engine = Engine(model)
    print(f"{'edit':32} {'T':>5}  {'prefill / sdpa':22} {'decode / sdpa':22} {'MiB':>6}")
    for length in lengths:
        ids = torch.randint(0, 1024, (1, length))
        forward, steps = prefill(model, ids), decode(model, ids)
        for name, edit in edits(length).items():
            context = partial(attached, engine, edit, length)
            first = ratio(under(context, forward), forward, rounds)
            second = ratio(under(context, steps), steps, rounds)
            extra = (peak(call(edit, length)) - peak(call(None, length))) / 2**20
            print(f"{name:32} {length:5}  {first:22} {second:22} {extra:6.1f}", flush=True)


def main() -> None:
    """Read the arguments and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--lengths", default="512,2048,4096")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with torch.no_grad():
        report([int(part) for part in arguments.lengths.split(",")], arguments.rounds)


if __name__ == "__main__":
    main()
