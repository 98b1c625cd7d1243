"""Captures inside a vision tower: the tower is a model of its own, and so gets an engine.

Positions are the tower's: its class token, if it has one, and the patches of one image, row by row
from the top. Every position sees every other. Spans: ``image`` is the patches, ``class`` the class
token. Towers that pack the patches of several images into one row (Qwen-VL) or cut an image into
tiles have no such positions, and are refused.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from headbench.edits import Plan
from headbench.errors import RefusedError
from headbench.models.hf.captures import absolute
from headbench.nouns import Capture, Positions

if TYPE_CHECKING:
    from torch import Tensor

NAMES = ("vision_tower", "vision_model")
"""Attributes under which families keep their tower."""
SPANS = ("image", "class", "prompt")
"""Spans of a tower's positions: its patches, its class token, all of them."""
_HINTS = "capture at the text model's image positions, or use a LLaVA-like model with whole images"


def capture_tower(
    model: Any, pixels: Sequence[Mapping[str, Tensor]], captures: Sequence[Capture]
) -> dict[Capture, Tensor]:
    """What the tower holds at ``captures`` while it looks at one image.

    Args:
        model: The whole model.
        pixels: The processor's tensors, one mapping per image.
        captures: With ``tower="vision"`` and ``rows="all"``.

    Returns:
        Capture -> tensor, shaped as the text model's.

    Raises:
        RefusedError: No image or several, a capture of single rows, or a tower of another kind.
    """
    from headbench.interventions.edits import SequenceEdits
    from headbench.models.hf.engine import Engine

    tower = check_tower(model, captures, len(pixels))
    image = pixels[0]["pixel_values"].to(model.device, model.dtype)  # [1, channel, height, width]
    with torch.inference_mode(), Engine(tower) as engine:
        spans = positions_of(tower, image)
        asked = {one: absolute(replace(one, tower="text"), engine.shape.layers) for one in captures}
        row = SequenceEdits(Plan(), prompt=len(spans["class"]) + len(spans["image"]), spans=spans)
        with engine.capture(tuple(dict.fromkeys(asked.values())), [row]) as found:
            tower(pixel_values=image)
    return {one: found[0][capture] for one, capture in asked.items()}


def check_tower(model: Any, captures: Sequence[Capture], images: int, where: str = "") -> Any:
    """Refuse captures that the vision tower does not have; nothing is run.

    Args:
        model: The whole model.
        captures: With ``tower="vision"``.
        images: How many images the request shows.
        where: Document and step, for errors.

    Returns:
        The tower.

    Raises:
        RefusedError: As :func:`capture_tower`.
    """
    tower = tower_of(model)
    if images != 1:
        raise RefusedError(
            f"a vision tower is watched while it looks at one image, not at {images}",
            where=where,
            hint="ask about requests with one image",
        )
    for capture in captures:
        if capture.rows != "all":
            raise RefusedError(
                "a vision tower has no prompt and no last row",
                where=where,
                hint='ask for rows="all"',
            )
        if capture.keys not in (None, *SPANS):
            raise RefusedError(
                f"a vision tower has no span {capture.keys!r}",
                where=where,
                hint=f"its spans: {', '.join(SPANS)}",
            )
        absolute(replace(capture, tower="text"), tower.config.num_hidden_layers)
    return tower


def tower_of(model: Any) -> Any:
    """The vision tower: a model of its own that takes ``pixel_values``.

    Raises:
        RefusedError: There is none, or it packs its patches.
    """
    for owner in (getattr(model, "model", None), model):
        for name in NAMES:
            tower = getattr(owner, name, None)
            takes = inspect.signature(tower.forward).parameters if tower is not None else ()
            if "pixel_values" in takes:
                return tower
    raise RefusedError(
        f"{type(model).__name__} has no vision tower that takes one image per row",
        where='a capture with tower="vision"',
        hint=_HINTS,
    )


def positions_of(tower: Any, image: Tensor) -> dict[str, Positions]:
    """The tower's positions by span: ``class`` (perhaps none), then ``image``.

    Raises:
        RefusedError: The image is cut into tiles, or the positions are no patches.
    """
    if image.ndim != 4 or image.shape[0] != 1:
        raise RefusedError(
            f"an image reaches the vision tower as {tuple(image.shape)}: in tiles", hint=_HINTS
        )
    patch = tower.config.patch_size
    patches = (image.shape[2] // patch) * (image.shape[3] // patch)
    # [1, position, width]: what is more than the patches is the class token, which comes first.
    extra = int(tower(pixel_values=image)[0].shape[1]) - patches
    if extra not in (0, 1):
        raise RefusedError(
            f"{type(tower).__name__} has {extra} positions more than its {patches} patches",
            hint=_HINTS,
        )
    return {"class": tuple(range(extra)), "image": tuple(range(extra, extra + patches))}
