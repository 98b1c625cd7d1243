"""Training of ``ref-vlm``: a language prior, words for patches, images, and averaged last runs."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from headbench.errors import StoreError
from headbench.worlds.scene_words import OBJECTS
from headbench.worlds.scenes import Prior, SceneWorld, Settings
from training.vlm_v2 import needle_probe, scene_probe
from training.vlm_v2.language_model import (
    PLANTED_DISTANCES,
    build_model,
    close_heads,
    hold_planted,
)
from training.vlm_v2.losses import scene_loss, weighted_loss
from training.vlm_v2.model import (
    AsLanguage,
    DampedStep,
    PatchNamer,
    build_vlm,
    choose_visual_heads,
    rates,
    regrow_visual_heads,
    scale_image_tokens,
)
from training.vlm_v2.needle_rows import DataSettings, batch
from training.vlm_v2.optimizers import OptimizerKind, Optimizers
from training.vlm_v2.scene_rows import (
    EMPTY,
    PATCH,
    SETTLED,
    SETTLED_RUNS,
    SETTLING,
    TEXT_ONLY,
    TRAINING,
    WITH_IMAGES,
    SceneMix,
    patch_batch,
    scene_batch,
)
from training.vlm_v2.states import average_states, load_state, save_state
from training.vlm_v2.vocabulary import IMAGE, build_tokenizer, vocabulary

if TYPE_CHECKING:
    from transformers import LlavaForConditionalGeneration


@dataclass(frozen=True)
class VlmSchedule:
    """Steps and rates.

    Attributes:
        prior_steps: Text only, visual heads closed.
        tower_steps: Words for patches: vision tower and projector alone.
        image_steps: With images.
        steady_steps: With images, at a falling rate; ``SETTLED_RUNS`` times.
        prior_lr: AdamW rate of the text-only steps.
        tower_lr: Muon rate of the tower's matrices.
        image_lr: Muon rate of the language model's and the tower's matrices in the image steps.
        image_rest_lr: AdamW rate of everything else in that stage.
        steady_lr: AdamW rate of the last stage.
        language_share: Share of each update that the language model takes outside visual heads.
        tower_share: The same for the tower.
        needles: Needle rows of one step, ``(length, rows)``, taken in turn; none if empty.
        needle_language: Weight of plain text in needle rows.
    """

    prior_steps: int = 250
    tower_steps: int = 300
    image_steps: int = 1500
    steady_steps: int = 350
    prior_lr: float = 1.5e-3
    tower_lr: float = 0.02
    image_lr: float = 0.02
    image_rest_lr: float = 3e-3
    steady_lr: float = 3e-3
    language_share: float = 0.3
    tower_share: float = 0.2
    needles: tuple[tuple[int, int], ...] = ((256, 1), (384, 1), (512, 1), (256, 1), (1024, 1))
    needle_language: float = 0.3


@dataclass(frozen=True)
class VlmConfig:
    """One training run.

    Attributes:
        seed: Draws weights and data.
        out: Folder for states and the log.
        start: Folder of the language model's run: its ``final`` state is where this one starts.
            ``None`` starts from an untrained language model.
        smoke: Every stage for a few steps: it shows that they work, not that they learn.
        prior: Which scene world.
        patch: Side of a patch in pixels: 16 for 16 image tokens, 8 for 64.
        schedule: Steps and rates.
        save_every: Steps between resume states.
        probe_every: Steps between probes on the calibration split; 0 never probes.
        threads: Torch threads; one was faster than two on a busy machine.
    """

    seed: int
    out: Path
    start: Path | None
    smoke: bool = False
    prior: Prior = "picture"
    patch: int = PATCH
    schedule: VlmSchedule = field(default_factory=VlmSchedule)
    save_every: int = 250
    probe_every: int = 250
    threads: int = 1


START_STATE = "final"
"""State of the language model's run that this training begins with."""
SMOKE = VlmSchedule(
    prior_steps=6, tower_steps=12, image_steps=8, steady_steps=2, needles=((128, 2),)
)


class _Run:
    """State of one training; :func:`train` drives it."""

    def __init__(self, config: VlmConfig) -> None:
        torch.set_num_threads(config.threads)
        self.config = replace(config, schedule=SMOKE, probe_every=0) if config.smoke else config
        state, self.facts = _language_state(config)
        self.model: LlavaForConditionalGeneration = build_vlm(state, config.seed, config.patch)
        self.heads = choose_visual_heads(_taken(self.facts))
        self.world = self.scenes(TRAINING)
        self.step = 0
        self.began = time.monotonic()
        config.out.mkdir(parents=True, exist_ok=True)

    def scenes(self, settings: Settings) -> SceneWorld:
        """Training scenes; those of the ``text`` world keep its own chances."""
        prior = self.config.prior
        return SceneWorld("train", prior, settings if prior == "picture" else None)

    def log(self, **entry: Any) -> None:
        line = {"step": self.step, "seconds": round(time.monotonic() - self.began, 1), **entry}
        with (self.config.out / "log.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def save(self, name: str, optimizer: dict[str, Tensor] | None = None) -> None:
        facts = {**self.facts, "step": self.step, "looking_heads": self.heads}
        save_state(self.config.out, name, self.model, facts, optimizer)

    def resume(self) -> dict[str, Tensor]:
        """Load the state of a killed run; a finished stage is not run again."""
        if not (self.config.out / "resume.safetensors").is_file():
            return {}
        facts, optimizer = load_state(self.config.out, "resume", self.model)
        self.step = int(facts["step"])
        self.log(event="resumed")
        return optimizer

    def probe(self) -> None:
        """Calibration figures, for the log only."""
        self.model.eval()
        shown = scene_probe.gallery(SceneWorld("calibration", self.config.prior), 100, least=3)
        asked = scene_probe.pope(self.model, shown)
        said = scene_probe.chair(self.model, shown)
        needles = needle_probe.documents("calibration", 512, (0.1, 0.5, 0.9), 12)
        recalled = needle_probe.recall(self.model, build_tokenizer(), needles)
        self.model.train()
        accuracy = {setting: value["accuracy"] for setting, value in asked.items()}
        self.log(event="probe", pope=accuracy, chair=said, niah_512=round(recalled, 3))


def _language_state(config: VlmConfig) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Weights to start from, and which heads are planted or kept."""
    path = config.start / f"{START_STATE}.safetensors" if config.start else None
    if path is not None and path.is_file():
        facts: dict[str, Any] = json.loads(path.with_suffix(".json").read_text())
        return load_file(str(path)), facts
    if config.start is None or config.smoke:
        fresh = build_model(config.seed)
        return fresh.state_dict(), {"kept_heads": {}, "planted_heads": sorted(PLANTED_DISTANCES)}
    raise StoreError(
        "the language model to start from is missing",
        where=str(path),
        hint="train it first: python -m training lm-v1",
    )


def _taken(facts: dict[str, Any]) -> dict[int, list[int]]:
    """Heads that must go on doing what they do: planted ones and those kept for retrieval."""
    kept = {int(layer): list(heads) for layer, heads in facts["kept_heads"].items()}
    return {**kept, 0: list(facts["planted_heads"])}


# ------------------------------------------------------------------ the stages


def _rate(step: int, steps: int, floor: float = 0.1) -> float:
    """Share of the base rate: 20 steps of warming up, then a straight line down to ``floor``."""
    return min(1.0, (step + 1) / 20) * (1 - (1 - floor) * step / max(1, steps))


def _read_patches(run: _Run, first: int, bar: tqdm[Any]) -> None:
    """Words for patches. Short enough to be run again whole after a kill."""
    schedule, ids = run.config.schedule, vocabulary()
    reader = PatchNamer(run.model, [*(ids[name] for name in OBJECTS), ids[IMAGE]])
    optimizers = Optimizers(reader, "muon", schedule.tower_lr)
    run.step = first
    for step in range(schedule.tower_steps):
        drawn = patch_batch(run.world, 32, run.config.seed, step, run.config.patch)
        images, labels = map(torch.from_numpy, drawn)
        read = reader(images)
        scores = reader.scores(read)
        loss = functional.cross_entropy(scores.flatten(0, 1), labels.flatten())
        far = functional.mse_loss(read, reader.meanings[labels]) / reader.meanings.var()
        torch.autograd.backward(loss + 0.5 * far)
        torch.nn.utils.clip_grad_norm_(reader.parameters(), 1.0)
        optimizers.step(_rate(step, schedule.tower_steps))
        run.step += 1
        bar.update()
        if step % 10 == 9:
            there = labels != EMPTY
            right = (scores.argmax(-1) == labels)[there].float().mean()
            run.log(
                stage="tower", loss=round(float(loss.detach()), 4), named=round(float(right), 3)
            )
    scale_image_tokens(run.model)
    run.save("tower")
    run.save("resume")


def _take(run: _Run, mixes: Sequence[SceneMix], stage_step: int, offset: int) -> dict[str, float]:
    """Gradients of one step of stages 2 and 3: scenes and needles."""
    seed, schedule = run.config.seed, run.config.schedule
    found, wanted = [], []
    for index, mix in enumerate(mixes):
        number = (offset + stage_step) * len(mixes) + index
        scenes = scene_batch(run.world, mix, seed, number, run.model.config.image_seq_length)
        images = torch.from_numpy(scenes.images) if len(scenes.images) else None
        tokens, targets = torch.from_numpy(scenes.tokens), torch.from_numpy(scenes.targets)
        body = run.model.model(input_ids=tokens, pixel_values=images, use_cache=False)
        there = targets != -100  # two positions in three predict nothing: they need no logits
        found.append(body.last_hidden_state[there])
        wanted.append(targets[there])
    loss, parts = scene_loss(run.model.lm_head(torch.cat(found)), torch.cat(wanted))
    torch.autograd.backward(loss)
    if schedule.needles:
        parts["needle"] = _needle_gradients(run, stage_step, offset)
    hold_planted(cast("Any", AsLanguage(run.model)))
    torch.nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
    return parts


def _needle_gradients(run: _Run, stage_step: int, offset: int) -> float:
    """Add the gradients of one needle batch; the loss of its answers."""
    needles = run.config.schedule.needles
    length, rows = needles[stage_step % len(needles)]
    given = batch(DataSettings(length, rows), 1000 + run.config.seed, offset + stage_step)
    tokens = torch.from_numpy(given.tokens)
    logits = run.model(input_ids=tokens, use_cache=False).logits
    roles = torch.from_numpy(given.roles)
    loss, parts = weighted_loss(logits, tokens, roles, run.config.schedule.needle_language)
    torch.autograd.backward(loss)
    return parts.get("answer", 0.0)


@dataclass(frozen=True)
class _Stage:
    """A stage of language training.

    Attributes:
        name: Of its state file.
        first: Steps before it.
        steps: Steps in it.
        kind: Optimizer.
        lr: Its base rate.
        mix: Rows of a step, by batch.
        visual_heads: Whether they are open, or closed.
        chances: Of its scenes.
        begins: State that it starts from instead of where the run stands.
    """

    name: str
    first: int
    steps: int
    kind: OptimizerKind
    lr: float
    mix: tuple[SceneMix, ...]
    visual_heads: bool = True
    chances: Settings = TRAINING
    begins: str | None = None

    @property
    def end(self) -> int:
        return self.first + self.steps


def _text_stage(run: _Run, stage: _Stage, restored: dict[str, Tensor], bar: tqdm[Any]) -> None:
    """One stage, from wherever the run stands."""
    schedule = run.config.schedule
    shares = rates(
        run.model,
        run.heads,
        language=schedule.language_share if stage.visual_heads else 1.0,
        tower=schedule.tower_share if stage.visual_heads else 0.0,
    )
    run.world = run.scenes(stage.chances)
    if stage.begins and run.step == stage.first:
        load_state(run.config.out, stage.begins, run.model)
    if stage.name == "images" and run.step == stage.first:
        regrow_visual_heads(run.model, run.heads, run.config.seed)
    optimizers = Optimizers(run.model, stage.kind, stage.lr, schedule.image_rest_lr)
    if run.step > stage.first and restored:
        optimizers.load(restored)
    damped = DampedStep(run.model, shares)
    while run.step < stage.end:
        within = run.step - stage.first
        parts = _take(run, stage.mix, within, stage.first)
        damped.remember()
        optimizers.step(_rate(within, stage.steps))
        damped.damp()
        if not stage.visual_heads:
            close_heads(cast("Any", AsLanguage(run.model)), run.heads)
        run.step += 1
        bar.update()
        bar.set_postfix({name: f"{value:.2f}" for name, value in parts.items()}, refresh=False)
        if run.step % 10 == 0:
            run.log(stage=stage.name, **{name: round(value, 4) for name, value in parts.items()})
        if (
            stage.visual_heads
            and run.config.probe_every
            and (within + 1) % run.config.probe_every == 0
        ):
            run.probe()
        if run.step % run.config.save_every == 0:
            run.save("resume", optimizers.tensors())
    run.save(stage.name)
    run.save("resume")


def train(config: VlmConfig) -> LlavaForConditionalGeneration:
    """Run the schedule, or the rest of it.

    Writes ``log.jsonl``, a ``resume`` state, the states ``prior``, ``tower``, ``images`` and those
    of the last stage, which starts from ``images`` every time; ``steady`` is their average.

    Returns:
        The finished model, in fp32, eval mode.
    """
    run = _Run(config)
    restored = run.resume()
    plan = run.config.schedule
    prior = _Stage(
        "prior", 0, plan.prior_steps, "adamw", plan.prior_lr, TEXT_ONLY, visual_heads=False
    )
    after_tower = prior.end + plan.tower_steps
    images = _Stage("images", after_tower, plan.image_steps, "muon", plan.image_lr, WITH_IMAGES)
    settling = [
        _Stage(
            f"steady-{index}",
            images.end + index * plan.steady_steps,
            plan.steady_steps,
            "adamw",
            plan.steady_lr,
            SETTLING,
            chances=SETTLED,
            begins=images.name,
        )
        for index in range(SETTLED_RUNS)
    ]
    run.log(event="start", looking_heads=run.heads, taken=_taken(run.facts))
    with tqdm(
        total=settling[-1].end, initial=run.step, desc=f"ref-vlm seed {config.seed}", mininterval=2
    ) as bar:
        if run.step < prior.end:
            _text_stage(run, prior, restored, bar)
        if run.step < after_tower:
            _read_patches(run, prior.end, bar)
        for stage in (images, *settling):
            if run.step < stage.end:
                _text_stage(run, stage, restored, bar)
    average_states(config.out, [stage.name for stage in settling], run.model)
    run.save("steady")
    return run.model.eval()
