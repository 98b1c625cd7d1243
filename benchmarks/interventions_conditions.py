"""The conditions of the intervention benchmark: packaged interventions, kinds of edit."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from interventions_model import CHOSEN, DIM, HEADS, LAYERS, WIDTH, image, prompt
from safetensors.torch import save_file
from torch.profiler import ProfilerActivity, profile
from transformers import DynamicCache, LlamaForCausalLM

from headbench.edits import Case, Columns, Edit, Intervention, Plan, View
from headbench.interventions.edits import SequenceEdits
from headbench.interventions.edits.attention_inputs import AttentionInputs
from headbench.interventions.edits.edit_session import EditSession
from headbench.interventions.resolve import resolve
from headbench.models.hf.engine import Engine
from headbench.nouns import Capture, ModelInfo, Positions, Request

GOALS = {"z": 1.03, "one column": 1.05, "last row": 1.02, "all rows": 1.5}
"""Kind of edit -> time over the unedited run at 2,048 tokens, at most."""
MEMORY_GOAL = 200
"""MiB that one edited attention call may hold above an unedited one, 4,096 tokens and 12 heads."""
HEADS_TEXT = "heads=[" + ",".join(f"[{layer},{head}]" for layer, head in CHOSEN) + "]"
INTERVENTIONS: dict[str, str] = {
    f"mask_heads({HEADS_TEXT})": "z",
    f"mask_heads({HEADS_TEXT},mode=identity)": "z",
    f"mask_heads({HEADS_TEXT},mode=sink)": "z",
    f"mask_heads({HEADS_TEXT},mode=uniform)": "q",
    f"scale_heads({HEADS_TEXT},alpha=0.5)": "z",
    f"scale_values({HEADS_TEXT},alpha=0.5)": "v",
    "offset_heads(file=VECTORS)": "z",
    "steer(file=VECTORS,layer=0,strength=4)": "residual",
    f"softpag({HEADS_TEXT},u=0.5)": "z",
    f"softpag({HEADS_TEXT},u=0.5,target=uniform)": "z",
    f"rope_zero({HEADS_TEXT})": "q",
    f"stream_heads({HEADS_TEXT})": "window",
    "zerotuning(gamma=0.25)": "one column",
    "vhr(layers=[0,1])": "z",
    "var(layers=[0,1],sink_dims=[0],mass=0,rho=0)": "all rows",
    "pai(alpha=0.5,layers=[0,1])": "last row",
    "gift(saliency_layer=0,layers=[0,1])": "last row",
}
"""Intervention -> kind of edit. ``var`` edits all rows after the image."""
EVERY = {layer: tuple(range(HEADS)) for layer in range(LAYERS)}


def halve(view: View, columns: torch.Tensor) -> torch.Tensor:
    """A stand-in for a data-dependent edit."""
    return columns * 0.5


@dataclass(frozen=True)
class Condition:
    """What is timed.

    Attributes:
        name: The intervention, or the edit in words.
        kind: Kind of edit; :data:`GOALS` says what it may cost.
        plan: Its plan for this prompt; read after :attr:`probed`.
        probe: Runs the condition's probes and returns what they captured; ``None`` without probes.
    """

    name: str
    kind: str
    plan: Callable[[dict[str, dict[Capture, torch.Tensor]]], Plan]
    probe: Callable[[], dict[str, dict[Capture, torch.Tensor]]] | None = None

    @property
    def label(self) -> str:
        """The name, short enough for a table."""
        return self.name.replace(HEADS_TEXT, "heads").replace("file=VECTORS", "file")


@dataclass
class Bench:
    """One model and one prompt length.

    Attributes:
        model: The model.
        engine: Its engine.
        length: Tokens of the prompt.
        folder: Where the vector file may be written.
    """

    model: LlamaForCausalLM
    engine: Engine
    length: int
    folder: Path
    _seen: dict[str, dict[str, dict[Capture, torch.Tensor]]] = field(default_factory=dict)

    @cached_property
    def ids(self) -> torch.Tensor:
        """The prompt."""
        return prompt(self.length)

    @cached_property
    def spans(self) -> dict[str, Positions]:
        """Image, and a question of 16 tokens at the end."""
        question = tuple(range(self.length - 16, self.length))
        return {"image": image(self.length), "question": question, "first": (0,)}

    def conditions(self) -> list[Condition]:
        """Interventions first, then the engine's kinds of edit at their costliest."""
        path = self.folder / "vectors.safetensors"
        offset = torch.zeros(LAYERS, HEADS, DIM)
        for layer, head in CHOSEN:
            offset[layer, head] = 0.1
        save_file({"offset": offset, "direction": torch.ones(WIDTH)}, path)
        info = ModelInfo("random", "llama", LAYERS, HEADS, HEADS, DIM, images=True)
        message = {"role": "user", "content": "<image>"}
        request = Request("", "answer", 0, "generate", (message,), images=("",))
        case = Case(request, tuple(self.ids[0].tolist()), self.spans, info)
        found = []
        for text, kind in INTERVENTIONS.items():
            (condition,) = resolve(text.replace("VECTORS", repr(str(path))), info)
            found.append(self._intervention(text, kind, condition.interventions[0], case))
        first, picture = (0,), image(self.length)
        kinds = {
            "one column, kept": (first, False, "one column"),
            "one column, renormalised": (first, True, "one column"),
            f"{len(picture)} columns, all rows, kept": (picture, False, "all rows"),
            f"{len(picture)} columns, all rows, renormalised": (picture, True, "all rows"),
        }
        for name, (keys, renormalise, kind) in kinds.items():
            edit = Edit("pattern", Columns(keys, halve, renormalise), EVERY)
            found.append(Condition(name, kind, lambda seen, edit=edit: Plan(edits=(edit,))))  # type: ignore[misc]
        return found

    def _intervention(self, text: str, kind: str, method: Intervention, case: Case) -> Condition:
        probes = method.probes(case)

        def probe() -> dict[str, dict[Capture, torch.Tensor]]:
            found = {}
            for item in probes:
                keep = [i for i in range(self.length) if i not in set(self.spans["image"])]
                ids = self.ids if item.request.images else self.ids[:, keep]
                row = SequenceEdits(
                    Plan(), ids.shape[1], spans=self.spans if item.request.images else {}
                )
                with self.engine.capture(item.captures, [row]) as captured:
                    self.model(ids, use_cache=False, logits_to_keep=1)
                found[item.name] = captured[0]
            return found

        return Condition(
            text, kind, lambda seen: method.plan(case, seen), probe if probes else None
        )

    def row(self, condition: Condition) -> SequenceEdits:
        """A fresh row of the condition; its probes run once and are not part of what is timed."""
        if condition.name not in self._seen:
            self._seen[condition.name] = condition.probe() if condition.probe else {}
        seen = self._seen[condition.name]
        return SequenceEdits(condition.plan(seen), self.length, spans=self.spans, probes=seen)

    def plain(self) -> object:
        """An unedited pass over the prompt; only the last logits are made."""
        return self.model(self.ids, use_cache=False, logits_to_keep=1)

    def edited(self, condition: Condition) -> Callable[[], torch.Tensor]:
        """The same pass under a condition; returns the logits."""

        def run() -> torch.Tensor:
            with self.engine.attach([self.row(condition)]) as report:
                logits: torch.Tensor = self.model(
                    self.ids, use_cache=False, logits_to_keep=1
                ).logits
            if not report.changed(0):
                raise SystemExit(
                    f"{condition.name} changed nothing, so its time would mean nothing"
                )
            return logits

        return run

    def decoding(
        self, steps: int = 8
    ) -> tuple[Callable[[], object], Callable[[Condition], Callable[[], object]]]:
        """Some steps behind a cache of the prompt: unedited, and under a condition."""
        cache = DynamicCache()
        self.model(self.ids, past_key_values=cache, logits_to_keep=1)

        def run() -> None:
            for _ in range(steps):
                self.model(self.ids[:, :1], past_key_values=cache)
            cache.crop(-steps)

        def edited(condition: Condition) -> Callable[[], object]:
            row = self.row(condition)
            with self.engine.attach([row]):  # what is chosen at the prompt is remembered by the row
                self.model(self.ids, use_cache=False, logits_to_keep=1)

            def under() -> None:
                with self.engine.attach([row]):
                    run()

            return under

        return run, edited

    def call(self, condition: Condition | None) -> Callable[[], object]:
        """One attention call of layer 0 by itself, the condition's edits of that layer included."""
        query, key, value = torch.randn(3, 1, HEADS, self.length, DIM)
        hidden = self.model.get_input_embeddings()(self.ids)
        module = torch.nn.Module()
        module.is_causal = True  # type: ignore[assignment]

        def run() -> None:
            row = self.row(condition) if condition else SequenceEdits(Plan(), self.length)
            session = EditSession([row], self.engine.shape)
            session.begin(1, 0)
            session.note_input(0, hidden)
            session.attend(0, AttentionInputs(module, query, key, value, None, {}))
            session.residual(0, hidden)

        return run


def peak(run: Callable[[], object]) -> int:
    """Most bytes of tensors that a call holds at once above what was held before it.

    Read from every allocation that torch's profiler records, so it knows no noise.
    """
    gc.collect()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        run()
    held = most = 0
    for event in sorted(seen.profiler.kineto_results.events(), key=lambda e: e.start_ns()):
        if event.name() == "[memory]":
            held += event.nbytes()
            most = max(most, held)
    return most
