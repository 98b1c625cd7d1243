"""Vision-aware head divergence: how far a head's output moves when the image is taken away.

"Cracking the Code of Hallucination in LVLMs with Vision-aware Head Divergence" (He et al.,
arXiv 2412.13949). At the last prompt row, ``z`` ``[layer, head, dim]`` before the projection::

    VHD[l, h] = || z_image[l, h] - z_text[l, h] ||_2                          Eq. 4, 5
    VHD[l, h] = 0   where it, and || z_text[l, h] ||^2, are both above their layer's
                    mean by one standard deviation (population)               Eq. 6

averaged over pictures. The text-only prompt drops the image's marker and keeps everything else.
Values of different layers have different scales: compare heads within a layer. The map names no
threshold; the method takes the half of each layer above its median.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from headbench.detectors.calibration import without_image
from headbench.detectors.detector import (
    Detector,
    DetectorParams,
    Measurement,
    Trials,
    attending_layers,
    chunks,
)
from headbench.detectors.prompt_captures import represent
from headbench.errors import DataError
from headbench.interventions.methods.vhr import divergence
from headbench.nouns import Capture

if TYPE_CHECKING:
    from torch import Tensor

    from headbench.models.hf.adapter import HFModel


class VhdParams(DetectorParams):
    """Which divergences count."""

    outlier_removal: bool = True
    """Zero heads that wake up because the image is missing (Eq. 6)."""


def run(model: HFModel, trials: Trials, params: VhdParams) -> Measurement:
    """Score every head.

    Raises:
        DataError: A trial has no image.
    """
    if any(not trial.request.images for trial in trials.trials):
        raise DataError("vhd needs an image in every trial", hint="measure on --data scenes")
    capture = Capture("z", attending_layers(model))
    scores: list[Tensor] = []
    for batch in chunks(model, trials.trials):
        requests = [trial.request for trial in batch]
        seen = represent(model, requests, (capture,))
        blind = represent(model, [without_image(request) for request in requests], (capture,))
        for one, other in zip(seen, blind, strict=True):
            layers = zip(one[capture][:, 0], other[capture][:, 0], strict=True)
            scores.append(
                torch.stack(
                    [divergence(a, b, outlier_removal=params.outlier_removal) for a, b in layers]
                ).cpu()
            )
    return Measurement(torch.stack(scores).mean(0), len(scores))


DETECTOR = Detector("vhd", VhdParams, run, "scenes", 40)
