"""The picture as a model sees it, and what lies over it."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from headbench.models.images import decode

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headbench.models.hf.adapter import HFModel

ORANGE = (230, 97, 1)
LARGEST = 512
"""Width and height of a picture that is shown, at most."""


def picture_seen(model: HFModel, sha256: str, original: Callable[[], bytes]) -> bytes:
    """The picture as the model's processor cut and scaled it, as a PNG.

    Image tokens lie over this picture, which a processor may have cropped. Families that hand over
    patches (Qwen-VL) only resize: there the original is shown.
    """
    pixels = model.preparation.pixels(sha256).get("pixel_values")
    target = io.BytesIO()
    scaling = model.prompter.pixel_scaling()
    if pixels is None or pixels.ndim != 4 or scaling is None:
        picture = decode(original(), sha256)
        picture.thumbnail((LARGEST, LARGEST))
    else:
        mean, spread = (torch.tensor(values)[:, None, None] for values in scaling)  # [channel,1,1]
        values = (pixels[0].float() * spread + mean).clamp(0, 1)  # [channel, y, x]
        picture = Image.fromarray((values.permute(1, 2, 0) * 255).round().byte().numpy())
    picture.save(target, "PNG")
    return target.getvalue()


def overlay(values: NDArray[np.float32], scale: float) -> bytes:
    """Cells over a picture as a PNG with one pixel per cell: the more attention, the less clear.

    Args:
        values: ``[row of the grid, column]``, attention.
        scale: The attention that is drawn opaque.
    """
    share = np.clip(values / scale if scale > 0 else values * 0, 0, 1)
    pixels = np.zeros((*values.shape, 4), dtype=np.uint8)
    pixels[..., :3] = ORANGE
    pixels[..., 3] = np.round(share * 216)  # what lies below stays visible
    target = io.BytesIO()
    Image.fromarray(pixels, "RGBA").save(target, "PNG")
    return target.getvalue()
