"""Every intervention at three strengths, and what it takes to run it on any tiny model as a row.

The image of the interventions that need one is a stretch of ordinary tokens named by a span: to the
engine an image is nothing more, so such interventions can be tried on models of every family.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from headbench.edits import Case, Edit, Plan
from headbench.interventions.edits import SequenceEdits
from headbench.interventions.resolve import resolve
from headbench.models.hf.engine import Engine
from headbench.models.hf.intervene import model_info
from headbench.nouns import ModelInfo, Request
from helpers_families import make

HEADS = "heads=[[0,1],[1,0],[1,3]]"
LENGTH = 22
SPANS = {"image": tuple(range(3, 11)), "question": tuple(range(13, 20))}
WINDOW = 64
"""A window longer than every prompt here: streaming heads see everything."""


@dataclass(frozen=True)
class Strengths:
    """One intervention at three strengths.

    Attributes:
        full: A strength that plainly changes the output.
        zero: The strength that changes nothing.
        little: A hundredth of a usual strength; ``None`` where there is nothing between.
        dropped: Whether the zero strength is known as such from the parameters alone.
    """

    full: str
    zero: str
    little: str | None
    dropped: bool = True


VAR = "var(sink_dims=[0],tau=0.8,mass=0,rho=0,layers=[0,1],p="
STREAM = f"stream_heads({HEADS},stream=chosen,first=1,recent="
INTERVENTIONS: Mapping[str, Strengths] = {
    # Masking has no strength. Masking what is generated changes nothing in a prompt.
    "mask_heads": Strengths(
        f"mask_heads({HEADS})", f"mask_heads({HEADS},phase=decode)", None, dropped=False
    ),
    "scale_heads": Strengths(
        f"scale_heads({HEADS},alpha=-0.5)",
        f"scale_heads({HEADS},alpha=1)",
        f"scale_heads({HEADS},alpha=1.01)",
    ),
    "scale_values": Strengths(
        f"scale_values({HEADS},siblings=include,alpha=-0.5)",
        f"scale_values({HEADS},siblings=include,alpha=1)",
        f"scale_values({HEADS},siblings=include,alpha=1.01)",
    ),
    "offset_heads": Strengths(
        "offset_heads(file=FILE,strength=1)",
        "offset_heads(file=FILE,strength=0)",
        "offset_heads(file=FILE,strength=0.01)",
    ),
    "steer": Strengths(
        "steer(file=FILE,layer=0,strength=2)",
        "steer(file=FILE,layer=0,strength=0)",
        "steer(file=FILE,layer=0,strength=0.01)",
    ),
    # The smallest dose is one pair.
    "rope_zero": Strengths(
        f"rope_zero({HEADS},rotary_dim=8,dose=8)",
        f"rope_zero({HEADS},rotary_dim=8,dose=0)",
        f"rope_zero({HEADS},rotary_dim=8,dose=2)",
    ),
    # How much a window hides depends on the prompt. 11 is less than the families' own windows.
    "stream_heads": Strengths(f"{STREAM}5)", f"{STREAM}{WINDOW})", f"{STREAM}11)", dropped=False),
    "zerotuning": Strengths(
        "zerotuning(gamma=0.2)", "zerotuning(gamma=1)", "zerotuning(gamma=1.01)"
    ),
    "softpag": Strengths(
        f"softpag({HEADS},u=0.6)", f"softpag({HEADS},u=0)", f"softpag({HEADS},u=0.01)"
    ),
    "vhr": Strengths("vhr(alpha=2)", "vhr(alpha=1)", "vhr(alpha=1.01)"),
    "var": Strengths(f"{VAR}0.6)", f"{VAR}0)", f"{VAR}0.01)"),
    "pai": Strengths(
        "pai(layers=[0,1],alpha=0.5)", "pai(layers=[0,1],alpha=0)", "pai(layers=[0,1],alpha=0.01)"
    ),
    "gift": Strengths(
        "gift(layers=[0,1],saliency_layer=0,alpha=3)",
        "gift(layers=[0,1],saliency_layer=0,alpha=0)",
        "gift(layers=[0,1],saliency_layer=0,alpha=0.01)",
    ),
}
UNROTATED = ("GPT-2", "OPT", "BERT", "XLM-R", "CLIP vision")
INTERLEAVED = ("DeepSeek-V3",)


def fits(intervention: str, family: str) -> bool:
    """Whether an intervention can be done at all on a family."""
    if intervention == "vhr":
        return family != "CLIP vision"  # it has no prompt without its image
    return intervention != "rope_zero" or family not in (*UNROTATED, *INTERLEAVED)


def tokens(length: int = LENGTH, seed: int = 0) -> torch.Tensor:
    """A prompt ``[1, length]`` without special tokens but the first."""
    ids = torch.randint(10, 60, (1, length), generator=torch.Generator().manual_seed(seed))
    ids[0, 0] = 1
    return ids


class Bench:
    """A tiny model of a family under an engine, with what interventions read beside it.

    Args:
        family: A name of ``helpers_families``.
        folder: Where the vectors for this model go.
    """

    def __init__(self, family: str, folder: Path) -> None:
        self.family = family
        self.model: Any = make(family)
        self.engine = Engine(self.model)
        self.info: ModelInfo = model_info(self.engine, {})
        self.file = folder / f"{family.replace(' ', '-')}.safetensors"
        generator = torch.Generator().manual_seed(1)
        offset = torch.zeros(self.info.layers, self.info.heads, self.info.output_dim)
        for layer, head in ((0, 1), (1, 3)):
            offset[layer, head] = torch.randn(self.info.output_dim, generator=generator)
        direction = torch.randn(32, generator=generator)
        save_file({"offset": offset, "direction": direction}, self.file)

    def method(self, text: str) -> Any:
        """The one method of an intervention."""
        (condition,) = resolve(text.replace("FILE", repr(str(self.file))), self.info)
        (method,) = condition.interventions
        return method

    def row(
        self, text: str | None, ids: torch.Tensor, *, pad: int = 0, forced: bool = False
    ) -> SequenceEdits:
        """A row under an intervention (``None``: the baseline), its probes run.

        Args:
            text: The intervention.
            ids: The prompt, unpadded.
            pad: Padding to its left.
            forced: Take the edits even where the strength is zero.
        """
        prompt = ids.shape[1]
        if text is None:
            return SequenceEdits(Plan(), prompt, pad, spans=SPANS)
        return self.under([self.method(text)], ids, pad=pad, forced=forced)

    def under(
        self, methods: Sequence[Any], ids: torch.Tensor, *, pad: int = 0, forced: bool = False
    ) -> SequenceEdits:
        """A row under several methods, from left to right."""
        request = Request(
            "d", "answer", 0, "generate", ({"role": "user", "content": "<image>"},), images=("",)
        )
        case = Case(request, tuple(ids[0].tolist()), SPANS, self.info)
        edits: list[Edit] = []
        seen: dict[str, Any] = {}
        for method in methods:
            probed = self._probed(method, case, ids)
            edits += method.edits(case, probed) if forced else method.plan(case, probed).edits
            seen |= probed
        return SequenceEdits(Plan(edits=tuple(edits)), ids.shape[1], pad, spans=SPANS, probes=seen)

    def _probed(self, method: Any, case: Case, ids: torch.Tensor) -> dict[str, Any]:
        found = {}
        for probe in method.probes(case):
            shown = torch.tensor([i for i in range(ids.shape[1]) if i not in SPANS["image"]])
            asked = ids if probe.request.images else ids[:, shown]
            row = SequenceEdits(Plan(), asked.shape[1], spans=SPANS if probe.request.images else {})
            with torch.no_grad(), self.engine.capture(probe.captures, [row]) as captured:
                self.outputs(asked)
            found[probe.name] = captured[0]
        return found

    def outputs(self, ids: torch.Tensor, **more: torch.Tensor) -> torch.Tensor:
        """Logits, or the last hidden states of an encoder."""
        with torch.no_grad():
            if self.family == "CLIP vision":
                pixels = torch.randn(
                    ids.shape[0], 3, 32, 32, generator=torch.Generator().manual_seed(0)
                )
                return self.model(pixel_values=pixels).last_hidden_state
            out = self.model(input_ids=ids, **more)
        found: torch.Tensor = out.logits if hasattr(out, "logits") else out.last_hidden_state
        return found

    def attached(self, rows: Sequence[SequenceEdits], ids: torch.Tensor) -> torch.Tensor:
        """Outputs of one pass under the rows' edits."""
        with self.engine.attach(rows):
            return self.outputs(ids)
