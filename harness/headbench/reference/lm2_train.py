"""Training of ``ref-lm-v2``: walls and labels on top of recall, with needles kept in the mix."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from headbench.reference import lm_data
from headbench.reference.checkpoint import load_state, save_state
from headbench.reference.lm2_data import Row, grouping_row, naming_row, walls
from headbench.reference.lm2_labels import single_row, turns_row
from headbench.reference.lm2_model import start_model
from headbench.reference.lm2_plant import plant
from headbench.reference.lm_model import hold_planted
from headbench.reference.lm_train import weighted_loss
from headbench.reference.optim import Optimizers

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

NEEDLE_LENGTHS = (128, 256, 512)
LANGUAGE = 0.3
"""Weight of the plain next-token loss of needle rows."""
WEIGHTS: Mapping[str, float] = {"walls": 1.0, "names": 1.0, "short": 2.0, "long": 2.0}
"""Weight of each kind of row; with 1 for all, walls drowned the labels."""


@dataclass(frozen=True)
class Mixture:
    """Rows of each kind in a step.

    Attributes:
        walls: Walls to group.
        names: Groups to name.
        short: Labels without examples; a quarter of them without a definition too.
        long: Labels with examples, half of them corrections in three turns.
        needle_tokens: Tokens of needle documents; their length alternates.
    """

    walls: int = 16
    names: int = 4
    short: int = 10
    long: int = 2
    needle_tokens: int = 256


@dataclass(frozen=True)
class Lm2Config:
    """One training run.

    Attributes:
        seed: Draws new weights and all data.
        out: Folder for the state and the log.
        start: Run folder of the ``ref-lm`` to continue.
        steps: How many.
        lr: Rate of the hidden matrices, under Muon.
        rest_lr: Rate of everything else, under AdamW.
        mixture: What a step holds.
        threads: Torch threads.
    """

    seed: int
    out: Path
    start: Path
    steps: int = 300
    lr: float = 0.01
    rest_lr: float = 5e-3
    mixture: Mixture = Mixture()
    threads: int = 1

    def rate(self, step: int) -> float:
        """Learning rate over the base rate: warmed up over 20 steps, then lowered to a tenth."""
        return min(1.0, (step + 1) / 20) * (1.0 - 0.9 * step / self.steps)


def rows_of(config: Lm2Config, step: int) -> dict[str, list[Row]]:
    """The rows of one step by kind, a pure function of seed and step."""
    mixture = config.mixture
    random = Random(f"lm2-data/{config.seed}/{step}")
    drawn = list(islice(walls(config.seed, step), max(mixture.walls, mixture.names)))
    grouped = [grouping_row(random, clues, groups) for clues, groups, _ in drawn[: mixture.walls]]
    named = []
    for _, groups, connections in drawn[: mixture.names]:
        which = random.randrange(len(groups))
        named.append(naming_row(random, groups[which], connections[which]))
    short = [
        single_row(random, told=number % 4 > 0, shown=False) for number in range(mixture.short)
    ]
    long = [
        turns_row(random)
        if (number + step) % 2
        else single_row(random, told=random.random() < 0.5, shown=True)
        for number in range(mixture.long)
    ]
    return {"walls": grouped, "names": named, "short": short, "long": long}


def rows_loss(model: LlamaForCausalLM, rows: Sequence[Row]) -> Tensor:
    """Mean over the asked tokens of ``-log`` the probability that any right token is given.

    Args:
        model: In training mode.
        rows: Of any lengths; they are padded behind, which a causal model does not see.
    """
    longest = max(len(row.tokens) for row in rows)
    tokens = torch.tensor([row.tokens + [0] * (longest - len(row.tokens)) for row in rows])
    asked = [
        (at, place - 1, one) for at, row in enumerate(rows) for place, one in row.wanted.items()
    ]
    widest = max(len(one) for _, _, one in asked)
    choices = torch.tensor([[*one, *[-1] * (widest - len(one))] for _, _, one in asked])
    hidden = model.model(input_ids=tokens, use_cache=False).last_hidden_state
    chosen = hidden[
        torch.tensor([at for at, _, _ in asked]), torch.tensor([p for _, p, _ in asked])
    ]
    said = functional.log_softmax(model.lm_head(chosen), dim=-1)
    of_choices = said.gather(1, choices.clamp(min=0)).masked_fill(choices < 0, -torch.inf)
    return -of_choices.logsumexp(1).mean()


def needle_loss(
    model: LlamaForCausalLM, config: Lm2Config, step: int
) -> tuple[Tensor, dict[str, float]]:
    """The loss that taught version 1 to recall, on new documents of the same world."""
    length = NEEDLE_LENGTHS[step % len(NEEDLE_LENGTHS)]
    rows = max(1, config.mixture.needle_tokens // length)
    # Version 1 counted its steps from 0; a seed of its own keeps the documents new.
    data = lm_data.batch(lm_data.DataSettings(length, rows), config.seed + 1000, step)
    tokens, roles = torch.from_numpy(data.tokens), torch.from_numpy(data.roles)
    logits = model(input_ids=tokens, use_cache=False).logits
    return weighted_loss(logits, tokens, roles, LANGUAGE)


def take(
    model: LlamaForCausalLM, optimizers: Optimizers, config: Lm2Config, step: int
) -> dict[str, float]:
    """One step; returns the losses in nats a token."""
    parts: dict[str, float] = {}
    for kind, rows in rows_of(config, step).items():
        if rows:
            loss = rows_loss(model, rows)
            torch.autograd.backward(WEIGHTS[kind] * loss)
            parts[kind] = float(loss.detach())
    loss, needles = needle_loss(model, config, step)
    torch.autograd.backward(loss)
    hold_planted(model)
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizers.step(config.rate(step))
    return {**parts, **needles}


def train(
    config: Lm2Config,
    probe: Callable[[LlamaForCausalLM], dict[str, float]] | None = None,
    every: int = 100,
) -> LlamaForCausalLM:
    """Run the training, or the rest of it; writes ``log.jsonl``, ``resume`` and ``final`` states.

    Args:
        config: What to do.
        probe: Figures to log now and then; calibration documents only.
        every: Steps between probes and resume states.

    Returns:
        The model in fp32, eval mode.
    """
    torch.set_num_threads(config.threads)
    config.out.mkdir(parents=True, exist_ok=True)
    model = start_model(config.start, config.seed)
    optimizers = Optimizers(model, "muon", config.lr, config.rest_lr)
    first = _resume(config, model, optimizers)
    if first == 0:
        plant(model, config.seed)
    began = time.process_time()
    for step in tqdm(range(first, config.steps), desc="ref-lm-v2", mininterval=5):
        entry = take(model, optimizers, config, step)
        if (step + 1) % every == 0:
            facts = _facts(config, step + 1)
            save_state(config.out, "resume", model, facts, optimizers.tensors())
            if probe is not None:
                model.eval()
                with torch.no_grad():
                    entry |= probe(model)
                model.train()
        if (step + 1) % 10 == 0:
            _log(config, step + 1, {**entry, "cpu_seconds": time.process_time() - began})
    save_state(config.out, "final", model, _facts(config, config.steps))
    return model.eval()


def _resume(config: Lm2Config, model: LlamaForCausalLM, optimizers: Optimizers) -> int:
    """Load the last resume state, if there is one; returns the steps it has behind it."""
    if not (config.out / "resume.safetensors").is_file():
        return 0
    facts, state = load_state(config.out, "resume", model)
    optimizers.load(state)
    return int(facts["step"])


def _facts(config: Lm2Config, step: int) -> dict[str, Any]:
    named = {name: getattr(config, name) for name in ("seed", "steps", "lr", "rest_lr")}
    return {"step": step, **named, **asdict(config.mixture)}


def _log(config: Lm2Config, step: int, entry: Mapping[str, float]) -> None:
    rounded = {"step": step, **{name: round(value, 4) for name, value in entry.items()}}
    with (config.out / "log.jsonl").open("a") as log:
        log.write(json.dumps(rounded) + "\n")
