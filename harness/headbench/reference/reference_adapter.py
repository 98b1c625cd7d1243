"""The adapter ``reference``: ``hf`` on the checkpoints that ship, which are pinned by hash."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from headbench.reference.shipped import checkpoint

if TYPE_CHECKING:
    from headbench.models.hf.adapter import HFModel


def create(args: Mapping[str, str]) -> HFModel:
    """Build a reference model from ``--model-args``; ``name`` says which.

    Weights are stored in fp16 and run in fp32 unless ``dtype`` says otherwise. They answer with one
    thread unless ``threads`` says otherwise: on models this small a second one gains nothing, and
    one gives the same bits whatever the number of processors.

    Raises:
        ConfigError: no such reference model, or one that no longer ships.
        DataError: the checkpoint is absent, or not the pinned one.
    """
    from headbench.models.hf.adapter import create as create_hf

    name = args.get("name", "ref-lm")
    folder = checkpoint(name)
    settled = {"pretrained": str(folder), "name": folder.name}
    return create_hf({"dtype": "float32", "threads": "1", **args, **settled})


def create_lm(args: Mapping[str, str]) -> HFModel:
    """The shipped language model."""
    return create({"name": "ref-lm", **args})


def create_lm_v2(args: Mapping[str, str]) -> HFModel:
    """The shipped language model that also groups walls and labels messages."""
    return create({"name": "ref-lm-v2", **args})


def create_vlm(args: Mapping[str, str]) -> HFModel:
    """The shipped vision-language model."""
    return create({"name": "ref-vlm", **args})
