"""The device that a model runs on, and the type of its weights there."""

from __future__ import annotations

import torch

from headbench.errors import ConfigError
from headbench.models.hf.settings import DTYPES

DEVICES = ("cpu", "cuda", "mps", "xpu")
"""Kinds of devices that answers can be computed on."""


def pick_device(name: str) -> torch.device:
    """A torch device.

    Raises:
        ConfigError: torch does not know it, or has none of it.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(
            f"no device is called {name!r}", where=f"device={name}", hint="cpu, cuda or cuda:0"
        ) from error
    if device.type not in DEVICES:
        raise ConfigError(
            f"a device {device.type!r} holds no values to compute with"
            if device.type == "meta"
            else f"headbench does not run on {device.type!r}",
            where=f"device={name}",
            hint=f"one of {', '.join(DEVICES)}",
        )
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            "this torch sees no GPU",
            where=f"device={name}",
            hint="use device=cpu, or install a CUDA build of torch",
        )
    return device


def pick_dtype(name: str, device: torch.device) -> torch.dtype | str:
    """``auto`` is float32 on a CPU (fp16 checkpoints are widened), else the checkpoint's own."""
    if name == "auto":
        return torch.float32 if device.type == "cpu" else "auto"
    return DTYPES[name]
