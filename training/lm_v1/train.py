"""Training of ``ref-lm-v1``: learn to recall, make recall sparse, re-initialise heads, lengthen."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from headbench.errors import GuardError, RefusedError
from training.lm_v1 import needle_probe
from training.lm_v1.model import (
    LAYERS,
    build_model,
    close_heads,
    hold_planted,
    others,
    regrow_heads,
)
from training.lm_v1.needle_rows import ANSWER, LANGUAGE, REPEAT, DataSettings, batch
from training.lm_v1.optimizers import OptimizerKind, Optimizers
from training.lm_v1.states import load_state, save_state
from training.lm_v1.vocabulary import build_tokenizer

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

KEPT_PER_LAYER = 2
"""Retrieval heads that stay open in each layer above the first while the others are closed."""


@dataclass(frozen=True)
class Stage:
    """``steps`` steps with ``rows`` rows of ``length`` tokens each."""

    length: int
    rows: int
    steps: int


@dataclass(frozen=True)
class Phase:
    """A stretch of training under one optimizer.

    Attributes:
        name: Under which the state at its end is saved.
        optimizer: See :class:`training.lm_v1.optimizers.Optimizers`.
        lr: Its base rate; warmed up over 20 steps, then lowered linearly to ``floor`` of it.
        stages: Lengths, in order.
        language: Weight of the plain next-token loss.
        repeats: Share of rows that repeat one random block.
        floor: Rate at the end over the base rate.
        heads: ``open``; ``closed``: all but the kept heads of the upper layers have a zero output;
            ``regrown``: those heads are re-initialised at the start and trained.
    """

    name: str
    optimizer: OptimizerKind
    lr: float
    stages: tuple[Stage, ...]
    language: float
    repeats: float = 0.0
    floor: float = 0.1
    heads: Literal["open", "closed", "regrown"] = "open"

    @property
    def steps(self) -> int:
        """Steps of all its stages."""
        return sum(stage.steps for stage in self.stages)

    def stage(self, step: int) -> Stage:
        """The stage that step ``step`` of this phase belongs to."""
        for stage in self.stages:
            if step < stage.steps:
                return stage
            step -= stage.steps
        raise IndexError(step)

    def rate(self, step: int) -> float:
        """Learning rate at ``step`` over the base rate."""
        warm = min(1.0, (step + 1) / 20)
        return warm * (1.0 - (1.0 - self.floor) * step / max(1, self.steps))


SCHEDULE: tuple[Phase, ...] = (
    Phase(
        "muon",
        "muon",
        0.02,
        (
            Stage(64, 24, 300),
            Stage(128, 12, 200),
            Stage(256, 6, 150),
            Stage(512, 4, 120),
            Stage(1024, 2, 60),
        ),
        language=0.2,
        repeats=0.25,
        floor=0.3,
    ),
    Phase(
        "dense",
        "adamw",
        1.5e-3,
        (
            Stage(64, 24, 120),
            Stage(128, 12, 120),
            Stage(256, 6, 120),
            Stage(512, 4, 120),
            Stage(1024, 2, 50),
        ),
        language=0.2,
        repeats=0.1,
        floor=0.3,
    ),
    Phase(
        "closed",
        "adamw",
        1.5e-3,
        (Stage(256, 6, 350),),
        language=0.2,
        repeats=0.1,
        floor=0.3,
        heads="closed",
    ),
    Phase(
        "sparse",
        "adamw",
        1.5e-3,
        (Stage(256, 6, 250), Stage(512, 4, 150)),
        language=1.0,
        floor=0.2,
        heads="regrown",
    ),
    Phase(
        "final",
        "adamw",
        8e-4,
        (Stage(512, 4, 80), Stage(1024, 2, 130), Stage(2048, 1, 30)),
        language=1.0,
        floor=0.2,
    ),
)


@dataclass(frozen=True)
class LmConfig:
    """One training run.

    Attributes:
        seed: Draws weights and data.
        out: Folder for states and the log.
        schedule: Phases in order.
        save_every: Steps between resume states.
        probe_every: Steps between recall probes; 0 never probes.
        threads: Torch threads; one was faster than two on a busy machine.
    """

    seed: int
    out: Path
    schedule: tuple[Phase, ...] = SCHEDULE
    save_every: int = 200
    probe_every: int = 100
    threads: int = 1


def weighted_loss(
    logits: Tensor, tokens: Tensor, roles: Tensor, language: float
) -> tuple[Tensor, dict[str, float]]:
    """Mean loss of answers (weight 1), repeats (weight 1) and plain text (``language``), summed.

    Each is a mean of its own: in a common mean the few answers would hardly count.

    Args:
        logits: ``[row, position, vocabulary]``.
        tokens: ``[row, position]``.
        roles: ``[row, position]``, of each token as a target.
        language: Weight of plain text.

    Returns:
        The loss, and its parts in nats per token.
    """
    losses = functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten(), reduction="none"
    )
    kinds = roles[:, 1:].flatten()
    total = logits.new_zeros(())
    parts = {}
    for name, role, weight in (
        ("answer", ANSWER, 1.0),
        ("repeat", REPEAT, 1.0),
        ("language", LANGUAGE, language),
    ):
        chosen = kinds == role
        if chosen.any():
            part = losses[chosen].mean()
            total = total + weight * part
            parts[name] = part.item()
    return total, parts


class _Run:
    """State of one training; :func:`train` drives it."""

    def __init__(self, config: LmConfig) -> None:
        torch.set_num_threads(config.threads)
        self.config = config
        self.model: LlamaForCausalLM = build_model(config.seed)
        self.tokenizer = build_tokenizer()
        self.step = 0
        self.kept: dict[int, list[int]] = {}
        self.began = time.monotonic()
        config.out.mkdir(parents=True, exist_ok=True)

    def facts(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "seed": self.config.seed,
            "kept_heads": {str(layer): heads for layer, heads in self.kept.items()},
            "planted_heads": [0, 1, 2, 3],
        }

    def log(self, **entry: Any) -> None:
        line = {"step": self.step, "seconds": round(time.monotonic() - self.began, 1), **entry}
        with (self.config.out / "log.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def resume(self) -> dict[str, Tensor]:
        """Load the state of a killed run; a finished phase is not run again."""
        if not (self.config.out / "resume.safetensors").is_file():
            return {}
        facts, optimizer = load_state(self.config.out, "resume", self.model)
        self.step = int(facts["step"])
        self.kept = {int(layer): heads for layer, heads in facts["kept_heads"].items()}
        self.log(event="resumed")
        return optimizer

    def probe(self, length: int) -> None:
        asked = needle_probe.documents("calibration", min(length, 512), (0.1, 0.5, 0.9), 24)
        self.model.eval()
        value = needle_probe.recall(self.model, self.tokenizer, asked)
        self.model.train()
        self.log(event="probe", length=min(length, 512), recall=round(value, 3))

    def enter(self, phase: Phase) -> None:
        """What happens once, at the first step of a phase."""
        if phase.heads == "closed":
            asked = needle_probe.documents("calibration", 256, (0.1, 0.3, 0.5, 0.7, 0.9), 40)
            scores, trials = needle_probe.copy_scores(self.model, self.tokenizer, asked)
            self.kept = needle_probe.top_per_layer(scores, range(1, LAYERS), KEPT_PER_LAYER)
            self.log(event="kept", kept=self.kept, trials=trials, scores=_rounded(scores))
        if phase.heads == "regrown":
            generator = torch.Generator().manual_seed(self.config.seed)
            regrow_heads(self.model, others(self.kept), generator)
            self.log(event="regrown", heads=others(self.kept))

    def take(self, phase: Phase, within: int, optimizers: Optimizers) -> dict[str, float]:
        """One step."""
        stage = phase.stage(within)
        settings = DataSettings(stage.length, stage.rows, phase.repeats)
        data = batch(settings, self.config.seed, self.step)
        tokens, roles = torch.from_numpy(data.tokens), torch.from_numpy(data.roles)
        logits = self.model(input_ids=tokens, use_cache=False).logits
        loss, parts = weighted_loss(logits, tokens, roles, phase.language)
        torch.autograd.backward(loss)
        hold_planted(self.model)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        optimizers.step(phase.rate(within))
        if phase.heads == "closed":
            close_heads(self.model, others(self.kept))
        self.step += 1
        return {"loss": float(loss.detach()), **parts}


def _rounded(scores: Tensor) -> list[list[float]]:
    return [[round(float(value), 4) for value in row] for row in scores]


def train(config: LmConfig) -> LlamaForCausalLM:
    """Run the schedule, or the rest of it.

    Writes ``log.jsonl``, a ``resume`` state, and one state per phase under the phase's name.

    Returns:
        The model at the end of the last phase, in fp32, eval mode.
    """
    run = _Run(config)
    restored = run.resume()
    total = sum(phase.steps for phase in config.schedule)
    with tqdm(
        total=total, initial=run.step, desc=f"ref-lm seed {config.seed}", mininterval=2
    ) as bar:
        start = 0
        for phase in config.schedule:
            if run.step < start + phase.steps:
                _run_phase(run, phase, start, restored, bar)
                restored = {}
            start += phase.steps
    return run.model.eval()


def _run_phase(
    run: _Run, phase: Phase, start: int, restored: dict[str, Tensor], bar: tqdm[Any]
) -> None:
    """The rest of one phase, from wherever the run stands."""
    optimizers = Optimizers(run.model, phase.optimizer, phase.lr)
    if run.step == start:
        run.enter(phase)
    else:
        optimizers.load(restored)
    every = run.config
    while run.step < start + phase.steps:
        parts = run.take(phase, run.step - start, optimizers)
        bar.update()
        bar.set_postfix({name: f"{value:.2f}" for name, value in parts.items()}, refresh=False)
        if run.step % 10 == 0:
            run.log(phase=phase.name, **{name: round(value, 4) for name, value in parts.items()})
        if every.probe_every and run.step % every.probe_every == 0:
            run.probe(phase.stage(run.step - 1 - start).length)
        if run.step % every.save_every == 0 and run.step < start + phase.steps:
            save_state(every.out, "resume", run.model, run.facts(), optimizers.tensors())
    save_state(every.out, phase.name, run.model, run.facts())
    save_state(every.out, "resume", run.model, run.facts())


SMOKE: tuple[Phase, ...] = (replace(SCHEDULE[0], name="smoke", stages=(Stage(64, 16, 120),)),)
"""The first minute of the schedule: enough to see that answers are learned."""


def smoke(seed: int, out: Path) -> str:
    """Train for a minute in a fresh folder and check that the loss falls.

    Returns:
        One line with the losses and the recall.

    Raises:
        RefusedError: ``out`` holds a run already.
        GuardError: The loss did not fall by a tenth in the minute.
    """
    if (out / "log.jsonl").exists():
        raise RefusedError(
            "the smoke training needs an empty folder", where=str(out), hint="name another --out"
        )
    model = train(LmConfig(seed, out, schedule=SMOKE, probe_every=30))
    entries = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    losses = [entry["loss"] for entry in entries if "loss" in entry]
    if not losses[-1] < 0.9 * losses[0]:
        raise GuardError(
            f"the smoke training does not learn: loss {losses[0]:.2f} to {losses[-1]:.2f}",
            where=str(out / "log.jsonl"),
        )
    asked = needle_probe.documents("calibration", 64, (0.5,), 4)
    value = needle_probe.recall(model, build_tokenizer(), asked)
    return f"loss {losses[0]:.2f} -> {losses[-1]:.2f}, recall {value:.2f} after a minute"
