"""Training of ``ref-lm-v2``: recall, walls and labels together, in three stages.

What made it work (docs/decisions-training.md): one mixture holds everything, but each task begins
with an easy form. Needle documents begin short; walls begin with two groups of two clues, and half
of them stay small; at first every label follows its definition, later some keep to the prior.
"""

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

from headbench.errors import GuardError
from training.lm_v2 import needle_rows
from training.lm_v2.label_rows import single_row, turns_row
from training.lm_v2.language_model import hold_planted
from training.lm_v2.losses import weighted_loss
from training.lm_v2.model import start_model
from training.lm_v2.optimizers import Optimizers
from training.lm_v2.states import load_state, save_state
from training.lm_v2.wall_rows import WHOLE_WALL, Row, grouping_row, naming_row, part_of, walls

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

LANGUAGE = 0.2
"""Weight of the plain next-token loss of needle rows."""
REPEATS = 0.25
"""Share of needle rows that repeat a random block."""


@dataclass(frozen=True)
class Mixture:
    """Rows of each kind in a step.

    Attributes:
        walls: Walls to group, counted in tokens of whole ones; smaller ones are more.
        small: Share of walls that are shown in part.
        names: Groups to name.
        short: Labels without examples; a quarter of them without a definition too.
        long: Labels with examples, half of them corrections in three turns.
        told: Share of single questions with examples that have a definition too.
        needle_tokens: Tokens of needle documents.
        walls_weight: Weight of the loss of walls. Labels weigh 2, needles 1, names a half.
    """

    walls: int = 16
    small: float = 0.5
    names: int = 1
    short: int = 6
    long: int = 4
    told: float = 0.6
    needle_tokens: int = 768
    walls_weight: float = 3.0


@dataclass(frozen=True)
class Leg:
    """A stage of the training. Optimizers are created anew for it and warmed up over 20 steps.

    Attributes:
        name: Under which the state at its end is saved.
        steps: How many.
        first: Learning rate at its start, over the base rate.
        last: The same at its end; linear between them.
        mixture: Contents of a step.
    """

    name: str
    steps: int
    first: float
    last: float
    mixture: Mixture

    def rate(self, step: int) -> float:
        """Learning rate over the base rate at a step of the leg."""
        return min(1.0, (step + 1) / 20) * (
            self.first + (self.last - self.first) * step / self.steps
        )


LEGS = (
    Leg("read", 500, 1.0, 0.81, Mixture(14, 0.02, 2, 8, 2, 0.5, 1024, 1.0)),
    Leg("sort", 500, 0.85, 0.6, Mixture()),
    Leg("settle", 700, 0.6, 0.03, Mixture(small=0.3, short=4, long=6)),
)


@dataclass(frozen=True)
class Lm2Config:
    """One training run.

    Attributes:
        seed: Draws weights and data.
        out: Folder for the states and the log.
        legs: In order.
        lr: Base rate of the hidden matrices, under Muon.
        rest_lr: Base rate of all other parameters, under AdamW.
        lengths: (tokens of a needle document, until this step), in order; then ``longest``.
        longest: Lengths that needle documents take in turn at the end.
        growing: Steps over which whole walls replace smaller ones.
        graded_from: Step from which sticky messages keep to the prior.
        threads: Torch threads.
    """

    seed: int
    out: Path
    legs: tuple[Leg, ...] = LEGS
    lr: float = 0.02
    rest_lr: float = 3e-3
    lengths: tuple[tuple[int, int], ...] = ((64, 300), (128, 600), (256, 1000))
    longest: tuple[int, ...] = (512, 256, 1024, 512)
    growing: int = 300
    graded_from: int = 1200
    threads: int = 1

    def length(self, step: int) -> int:
        """Tokens of the needle documents of a step."""
        for length, until in self.lengths:
            if step < until:
                return length
        return self.longest[step % len(self.longest)]


def rows_of(config: Lm2Config, mixture: Mixture, step: int) -> dict[str, list[Row]]:
    """The rows of one step by kind, a pure function of seed and step."""
    random = Random(f"lm2-data/{config.seed}/{step}")
    drawn = list(islice(walls(config.seed, step), max(mixture.walls, mixture.names, 1)))
    named = []
    for _, groups, connections in drawn[: mixture.names]:
        which = random.randrange(len(groups))
        named.append(naming_row(random, groups[which], connections[which]))
    graded = step >= config.graded_from
    short = [
        single_row(random, told=number % 4 > 0, shown=False, graded=graded)
        for number in range(mixture.short)
    ]
    long = [
        turns_row(random, graded=graded)
        if (number + step) % 2
        else single_row(random, told=random.random() < mixture.told, shown=True, graded=graded)
        for number in range(mixture.long)
    ]
    grown = min(1.0, step / max(1, config.growing))
    grouped = _grouping_rows(random, drawn, mixture, grown)
    return {"walls": grouped, "names": named, "short": short, "long": long}


def _grouping_rows(
    random: Random, drawn: Sequence[Any], mixture: Mixture, grown: float
) -> list[Row]:
    """Whole walls and parts of walls, up to the mixture's tokens."""
    rows: list[Row] = []
    room = mixture.walls * WHOLE_WALL
    whole = 1.0 - mixture.small if grown == 1.0 else 0.8 * grown
    largest = 2 + int(2.99 * grown)
    while room > 0:
        clues, groups, _ = drawn[len(rows) % len(drawn)]
        if random.random() >= whole:
            number, size = random.randint(2, largest), random.randint(2, largest)
            clues, groups = part_of(random, clues, groups, number, size)
        rows.append(grouping_row(random, clues, groups))
        room -= len(rows[-1].tokens)
    return rows


def answer_losses(model: LlamaForCausalLM, rows: Sequence[Row]) -> Tensor:
    """``-log`` of the total probability of all right tokens, one value per asked position.

    Args:
        model: In training mode.
        rows: Of any lengths; padded on the right, which a causal model does not see.
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
    return -said.gather(1, choices.clamp(min=0)).masked_fill(choices < 0, -torch.inf).logsumexp(1)


def needle_loss(
    model: LlamaForCausalLM, config: Lm2Config, mixture: Mixture, step: int
) -> tuple[Tensor, dict[str, float]]:
    """The loss that teaches recall, as in version 1."""
    length = config.length(step)
    rows = max(1, mixture.needle_tokens // length)
    # Version 1 counts its steps from 0; a seed of its own keeps the documents apart.
    settings = needle_rows.DataSettings(length, rows, REPEATS)
    data = needle_rows.batch(settings, config.seed + 1000, step)
    tokens, roles = torch.from_numpy(data.tokens), torch.from_numpy(data.roles)
    logits = model(input_ids=tokens, use_cache=False).logits
    return weighted_loss(logits, tokens, roles, LANGUAGE)


def take(
    model: LlamaForCausalLM, optimizers: Optimizers, config: Lm2Config, leg: Leg, step: int
) -> dict[str, float]:
    """Compute the gradients of one step; returns the losses in nats per token."""
    rows = rows_of(config, leg.mixture, step)
    weights = {"walls": leg.mixture.walls_weight, "names": 0.5, "short": 2.0, "long": 2.0}
    parts: dict[str, float] = {}
    # Rows of similar length share a forward pass, to save padding.
    for kinds in (("walls", "names", "short"), ("long",)):
        of_kind = [(kind, row) for kind in kinds for row in rows[kind]]
        if not of_kind:
            continue
        losses = answer_losses(model, [row for _, row in of_kind])
        belongs = [kind for kind, row in of_kind for _ in row.wanted]
        total = losses.new_zeros(())
        for kind in dict.fromkeys(belongs):
            part = losses[[at for at, one in enumerate(belongs) if one == kind]].mean()
            total = total + weights[kind] * part
            parts[kind] = float(part.detach())
        torch.autograd.backward(total)
    loss, needles = needle_loss(model, config, leg.mixture, step)
    torch.autograd.backward(loss)
    hold_planted(model)
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    return {**parts, **needles}


class _Run:
    """State of one training; :func:`train` drives it."""

    def __init__(self, config: Lm2Config, probe: Callable[[LlamaForCausalLM], Any] | None) -> None:
        torch.set_num_threads(config.threads)
        config.out.mkdir(parents=True, exist_ok=True)
        self.config, self.probe = config, probe
        self.model = start_model(config.seed)
        self.step = 0
        self.began = time.process_time()

    def resume(self) -> dict[str, Tensor]:
        """Load the state of a killed run; returns the optimizers' tensors."""
        if not (self.config.out / "resume.safetensors").is_file():
            return {}
        facts, optimizer = load_state(self.config.out, "resume", self.model)
        self.step = int(facts["step"])
        return optimizer

    def facts(self) -> dict[str, Any]:
        config = self.config
        return {
            "step": self.step,
            "seed": config.seed,
            "lr": config.lr,
            "rest_lr": config.rest_lr,
            "graded_from": config.graded_from,
            "legs": [asdict(leg) for leg in config.legs],
        }

    def log(self, entry: Mapping[str, float]) -> None:
        seconds = time.process_time() - self.began
        line = {"step": self.step, "cpu_seconds": round(seconds, 1)}
        line |= {name: round(value, 4) for name, value in entry.items()}
        with (self.config.out / "log.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def look(self) -> dict[str, float]:
        """Figures of the probe, on calibration documents."""
        if self.probe is None:
            return {}
        self.model.eval()
        with torch.no_grad():
            found: dict[str, float] = self.probe(self.model)
        self.model.train()
        return found


def train(
    config: Lm2Config,
    probe: Callable[[LlamaForCausalLM], dict[str, float]] | None = None,
    every: int = 100,
) -> LlamaForCausalLM:
    """Run the legs, or the rest of them.

    Writes ``log.jsonl``, a ``resume`` state, one state per stage under its name, and ``final``.

    Args:
        config: What to do.
        probe: Figures to log; calibration documents only.
        every: Steps between probes and resume states.

    Returns:
        The model in fp32, eval mode.
    """
    run = _Run(config, probe)
    restored = run.resume()
    total, start = sum(leg.steps for leg in config.legs), 0
    with tqdm(total=total, initial=run.step, desc="ref-lm-v2", mininterval=5) as bar:
        for leg in config.legs:
            if run.step < start + leg.steps:
                _run_leg(run, leg, start, restored, every, bar)
                restored = {}
            start += leg.steps
    save_state(config.out, "final", run.model, run.facts())
    return run.model.eval()


def _run_leg(
    run: _Run, leg: Leg, start: int, restored: dict[str, Tensor], every: int, bar: tqdm[Any]
) -> None:
    """The rest of one leg, from wherever the run stands."""
    optimizers = Optimizers(run.model, "muon", run.config.lr, run.config.rest_lr)
    if run.step > start:
        optimizers.load(restored)
    while run.step < start + leg.steps:
        entry = take(run.model, optimizers, run.config, leg, run.step)
        optimizers.step(leg.rate(run.step - start))
        run.step += 1
        bar.update()
        if run.step % every == 0:
            save_state(run.config.out, "resume", run.model, run.facts(), optimizers.tensors())
            entry |= run.look()
        if run.step % 10 == 0:
            run.log(entry)
    save_state(run.config.out, leg.name, run.model, run.facts())


SMOKE_LEGS = (Leg("smoke", 40, 1.0, 0.3, Mixture(8, 1.0, 4, 6, 0, 0.0, 256, 1.0)),)


def smoke(seed: int, out: Path) -> str:
    """Train for about a minute and check that the losses fall.

    Returns:
        One line that says what happened.

    Raises:
        GuardError: The losses did not fall.
    """
    config = Lm2Config(seed, out, legs=SMOKE_LEGS)
    train(config)
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    first, last = log[0], log[-1]
    if not all(last[kind] < first[kind] for kind in ("names", "walls")):
        raise GuardError(
            f"names {first['names']:.2f} -> {last['names']:.2f}, walls {first['walls']:.2f} -> "
            f"{last['walls']:.2f}: they should fall",
            where=str(out),
            hint="check what changed in the worlds, the rows or the optimizers",
        )
    return f"names {first['names']:.2f} -> {last['names']:.2f} in {config.legs[0].steps} steps"
