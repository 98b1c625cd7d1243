"""Loads a sentence encoder from a checkpoint, or with random weights of its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModel, AutoTokenizer

from headbench.errors import ConfigError
from headbench.models.hf.devices import pick_device
from headbench.models.hf.fingerprint import fingerprint_tensors, weights_of
from headbench.models.hf.length import sentence_config
from headbench.models.hf.load import (
    UNTRAINED,
    UNTRAINED_SEED,
    display_name,
    maps_beside,
    quiet,
)
from headbench.models.hf.settings import DTYPES
from headbench.models.hf.weights import check_weights
from headbench.models.hub_reach import checkpoint_of


@dataclass(frozen=True)
class LoadedEncoder:
    """An encoder, and what is known of it.

    Attributes:
        model: On its device.
        tokenizer: Its tokenizer.
        name: Display name.
        weights: Fingerprint of the weights.
        sentence: ``sentence_bert_config.json``, where the checkpoint has one.
        maps: Head maps beside the checkpoint, name -> path.
        unused: Weights of the checkpoint that the model has no place for.
    """

    model: Any
    tokenizer: Any
    name: str
    weights: str
    sentence: Mapping[str, Any]
    maps: Mapping[str, str]
    unused: tuple[str, ...]


def load_encoder(args: Mapping[str, str]) -> LoadedEncoder:
    """Load what ``--model-args`` name; safetensors only.

    Raises:
        ConfigError: A value that an argument cannot have, or a checkpoint that cannot be loaded.
    """
    pretrained = checkpoint_of(args.get("pretrained", ""))
    if not pretrained:
        raise ConfigError(
            "the 'encoder' adapter needs a checkpoint",
            where="--model-args",
            hint="add pretrained=FOLDER or pretrained=ORG/NAME",
        )
    revision = args.get("revision") or None
    dtype = args.get("dtype", "float32")
    if dtype not in DTYPES:
        raise ConfigError(
            f"dtype cannot be {dtype!r}", where="--model-args", hint=", ".join(sorted(DTYPES))
        )
    random = args.get("untrained", "false")
    if random not in ("true", "false"):
        raise ConfigError(
            f"untrained cannot be {random!r}", where="--model-args", hint="true or false"
        )
    report: Any = None
    try:
        with quiet():
            if random == "true":
                model = _untrained(pretrained, revision, DTYPES[dtype])
            else:
                model, report = AutoModel.from_pretrained(
                    pretrained,
                    revision=revision,
                    dtype=DTYPES[dtype],
                    use_safetensors=True,
                    output_loading_info=True,
                )
        tokenizer = AutoTokenizer.from_pretrained(pretrained, revision=revision)
        sentence = sentence_config(pretrained, revision)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise ConfigError(
            f"the checkpoint cannot be loaded: {str(error).splitlines()[0]}",
            where=f"pretrained={pretrained}",
            hint="give a folder in Hugging Face format with safetensors weights, or a hub id",
        ) from error
    allowed = args.get("allow_unused_weights") == "true"
    unused: tuple[str, ...] = ()
    if report is not None:
        unused = check_weights(report, f"pretrained={pretrained}", allowed=allowed, encoder=True)
    weights = (
        weights_of(pretrained, revision or "", model)
        if report is not None
        else fingerprint_tensors(model)
    )
    name = args.get("name") or display_name(pretrained)
    return LoadedEncoder(
        model=model.to(pick_device(args.get("device", "auto"))).requires_grad_(False),
        tokenizer=tokenizer,
        name=name if report is not None else f"{name}-{UNTRAINED}",
        weights=weights,
        sentence=sentence,
        maps=maps_beside(Path(pretrained)),
        unused=unused,
    )


def _untrained(pretrained: str, revision: str | None, dtype: torch.dtype) -> Any:
    """An encoder of the checkpoint's configuration with the weights that training begins with.

    They are drawn in float32 on the CPU from one fixed seed, and torch's own generator is left as
    it was.
    """
    config = AutoConfig.from_pretrained(pretrained, revision=revision)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(UNTRAINED_SEED)
        model = AutoModel.from_config(config, dtype=torch.float32)
    return model.to(dtype)
