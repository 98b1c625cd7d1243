"""Image-centric heads: much attention to the image, and little of that to the image's sinks.

"See What You Are Told: Visual Attention Sink in Large Multimodal Models" (Kang et al.,
arXiv 2503.03321). For a row after the image, with ``a`` its pattern, ``I`` the image's positions
and ``V`` those of them that are no attention sink::

    m = sum_I a,    r = sum_V a / m;    the head is image-centric in this row if m >= mass, r >= rho

The paper chooses heads anew for every row; the score here is the share of rows (from the first
token after the image to the last of the prompt, all trials together) in which a head is chosen.

Sinks are found as the method ``var`` finds them: dimensions of the layer's input known by model, or
given, or derived from the first token. The input of layer 0 is no layer's output and has no sinks.
A layer without sinks has r = 1, and its heads count by mass alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from pydantic import Field, JsonValue

from headbench.detectors.detector import (
    Detector,
    DetectorParams,
    Measurement,
    Trials,
    attending_layers,
    chunks,
)
from headbench.detectors.prompt_captures import represent
from headbench.detectors.stepwise import WatchedSequence, decode_stepwise
from headbench.edits import View
from headbench.errors import DataError
from headbench.interventions.methods import var
from headbench.nouns import Capture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from headbench.models.hf.adapter import HFModel
    from headbench.models.hf.prompts import Prompt


class ImageCentricParams(DetectorParams):
    """The thresholds of the paper."""

    mass: float = Field(0.2, ge=0, le=1)
    """Least attention to the image."""
    rho: float = Field(0.5, ge=0, le=1)
    """Least share of it outside the sinks; others report 0.8 and 0.9 for other tasks."""
    tau: float = Field(20.0, gt=0)
    """From what size, in units of the root mean square, an activation makes a sink."""
    sink_dims: tuple[int, ...] | None = None
    """Sink dimensions. Default: by model, else those in which the first token stands out."""


def run(model: HFModel, trials: Trials, params: ImageCentricParams) -> Measurement:
    """Score every head.

    Raises:
        DataError: A trial has no image.
    """
    if any(not trial.request.images for trial in trials.trials) or model.info is None:
        raise DataError("image_centric needs an image in every trial", hint="use --data scenes")
    finder = var.build(var.VarParams(tau=params.tau, sink_dims=params.sink_dims), model.info)
    layers = attending_layers(model)
    # A layer's input is the output of the layer before it, whether that has attention or not.
    stream = Capture("residual", tuple(layer - 1 for layer in layers if layer), rows="all")
    chosen = torch.zeros(len(layers), model.info.heads)  # [layer, head]: rows with the head chosen
    rows, sinks = 0, 0
    for batch in chunks(model, trials.trials):
        prompts = [model.prompter.resolve(trial.request) for trial in batch]
        inputs = represent(model, [trial.request for trial in batch], (stream,))
        kept = [
            outside_sinks(finder, prompt, layers, found[stream])
            for prompt, found in zip(prompts, inputs, strict=True)
        ]
        sinks += sum(int((~part).sum()) for part in kept)
        count, number = _count(model, prompts, kept, params)
        chosen, rows = chosen + count, rows + number
    facts: dict[str, JsonValue] = {
        "rows": rows,
        "sink_dims": ", ".join(map(str, finder.sink_dims)) or "from the first token",
        "sinks_per_layer_and_image": round(sinks / (len(trials.trials) * len(layers)), 4),
    }
    return Measurement(chosen / rows, len(trials.trials), facts)


def outside_sinks(finder: var.Var, prompt: Prompt, layers: Sequence[int], inputs: Tensor) -> Tensor:
    """Which image positions are no sinks, ``[layer, image position]``.

    Args:
        finder: Knows the rule.
        prompt: The prompt.
        layers: The layers with attention.
        inputs: What enters each of them but layer 0, ``[layer, position, width]``.
    """
    image = torch.tensor(prompt.spans["image"])
    # Layer 0 reads embeddings, in which the rule finds nothing.
    kept = [torch.ones(len(image), dtype=torch.bool) for layer in layers if layer == 0]
    for layer, x in zip([layer for layer in layers if layer], inputs, strict=True):
        view = View(layer, 0, len(prompt.tokens), prompt.spans, x, {}, {})
        kept.append(~torch.isin(image, finder.sinks(view)))
    return torch.stack(kept)


def is_centric(image: Tensor, kept: Tensor, params: ImageCentricParams) -> Tensor:
    """Which heads are image-centric in one row, bool ``[layer, head]``.

    Args:
        image: The row's attention to the image, ``[layer, head, image position]``.
        kept: ``[layer, image position]``: no sink.
        params: Thresholds.
    """
    mass = image.sum(-1)  # [layer, head]
    outside_sinks = (image * kept[:, None, :]).sum(-1)
    # r = outside_sinks / mass, without the division.
    return (mass >= params.mass) & (mass > 0) & (outside_sinks >= params.rho * mass)


def _count(
    model: HFModel, prompts: list[Prompt], kept: list[Tensor], params: ImageCentricParams
) -> tuple[Tensor, int]:
    """Rows in which each head was chosen ``[layer, head]``, and all rows."""
    sequences = [
        WatchedSequence(prompt, prompt.tokens, max(prompt.spans["image"]) + 1) for prompt in prompts
    ]
    capture = Capture("pattern", attending_layers(model), keys="image")
    total: Tensor | None = None
    for step in decode_stepwise(
        model, sequences, (capture,), max(sequence.rows for sequence in sequences)
    ):
        for row, sequence in enumerate(sequences):
            if step.number < sequence.rows:
                image = step.captured[row][capture][..., 0, :].cpu()
                found = is_centric(image, kept[row], params).float()
                total = found if total is None else total + found
    if total is None:
        raise DataError("no token follows the image", hint="put the question after the image")
    return total, sum(sequence.rows for sequence in sequences)


DETECTOR = Detector("image_centric", ImageCentricParams, run, "scenes", 40)
