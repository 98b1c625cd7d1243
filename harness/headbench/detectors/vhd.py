"""Vision-aware head divergence: how far a head's output moves when the image is removed.

"Cracking the Code of Hallucination in LVLMs with Vision-aware Head Divergence" (He et al.,
arXiv 2412.13949). At the last prompt token, ``z`` ``[layer, head, dim]`` before the projection::

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
    """Zero heads whose output grows when the image is removed (Eq. 6)."""


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
        text_requests = [without_image(request) for request in requests]
        with_image = represent(model, requests, (capture,))
        text_only = represent(model, text_requests, (capture,))
        for image, text in zip(with_image, text_only, strict=True):
            # [layer, row, head, dim] of one row, the last prompt token: [head, dim] per layer
            layers = zip(image[capture][:, 0], text[capture][:, 0], strict=True)
            by_layer = [
                divergence(z_image, z_text, outlier_removal=params.outlier_removal)
                for z_image, z_text in layers
            ]
            scores.append(torch.stack(by_layer).cpu())  # [layer, head]
    return Measurement(torch.stack(scores).mean(0), len(scores))


DETECTOR = Detector("vhd", VhdParams, run, "scenes", 40)
