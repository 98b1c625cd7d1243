"""Training state on disk, and the export of a finished model. Safetensors and JSON only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from headbench.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transformers import PreTrainedModel, PreTrainedTokenizerFast

_OPTIMIZER = "optimizer/"


def save_state(
    folder: Path,
    name: str,
    model: nn.Module,
    facts: Mapping[str, Any],
    optimizer: Mapping[str, Tensor] | None = None,
) -> None:
    """Write ``name.safetensors`` and ``name.json``, so that a killed run leaves a complete state.

    Args:
        folder: Where to; created if absent.
        name: Stem of both files.
        model: Its state dict is stored in full precision under its own names.
        facts: JSON values: step, kept heads, settings.
        optimizer: Flat tensors of :meth:`training.vlm_v2.optimizers.Optimizers.tensors`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        key: value.detach().contiguous().clone() for key, value in model.state_dict().items()
    }
    tensors |= {_OPTIMIZER + key: value.contiguous() for key, value in (optimizer or {}).items()}
    # The tensor file holds the facts too, so that one rename commits weights and facts together;
    # the JSON file is for readers.
    text = json.dumps(dict(facts), sort_keys=True)
    draft = folder / f"{name}.safetensors.partial"
    save_file(tensors, str(draft), metadata={"facts": text})
    draft.replace(folder / f"{name}.safetensors")
    (folder / f"{name}.json").write_text(json.dumps(dict(facts), indent=1, sort_keys=True) + "\n")


def load_state(
    folder: Path, name: str, model: nn.Module
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Load weights into ``model``.

    Returns:
        The facts, and the optimizer's flat tensors (empty when none were stored).

    Raises:
        StoreError: The file is missing, or its weights do not fit the model.
    """
    path = folder / f"{name}.safetensors"
    if not path.is_file():
        raise StoreError(
            "a training state is missing", where=str(path), hint="run the training that writes it"
        )
    from safetensors import safe_open

    with safe_open(str(path), framework="pt") as opened:
        facts: dict[str, Any] = json.loads(opened.metadata()["facts"])
    tensors = load_file(str(path))
    optimizer = {
        key.removeprefix(_OPTIMIZER): tensors.pop(key)
        for key in list(tensors)
        if key.startswith(_OPTIMIZER)
    }
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise StoreError(
            "the stored weights do not fit this model",
            where=f"{path}: {error}",
            hint="train again into an empty folder",
        ) from error
    return facts, optimizer


def average_states(folder: Path, names: Sequence[str], model: nn.Module) -> None:
    """Load the mean of several states' weights into ``model``.

    Args:
        folder: Of the training run.
        names: The states, as :func:`save_state` named them.
        model: Of their shape.

    Raises:
        StoreError: A file is missing, or its weights do not fit the model.
    """
    total: dict[str, Tensor] = {}
    for name in names:
        load_state(folder, name, model)
        for key, value in model.state_dict().items():
            total[key] = total[key] + value.double() if key in total else value.double()
    model.load_state_dict({key: value / len(names) for key, value in total.items()})


def export(
    folder: Path,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    extra: Mapping[str, str] | None = None,
) -> None:
    """Write a model as a standard Hugging Face folder, weights in fp16.

    Args:
        folder: Where to; created if absent. Files already there are kept.
        model: In fp32; it is left as it was.
        tokenizer: Stored with it, with its chat template.
        extra: File name -> text, e.g. a model card.
    """
    folder.mkdir(parents=True, exist_ok=True)
    halves = {key: value.detach().half().contiguous() for key, value in model.state_dict().items()}
    model.config.dtype = torch.float16
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(folder)
    model.config.dtype = torch.float32
    save_file(halves, str(folder / "model.safetensors"), metadata={"format": "pt"})
    if model.generation_config is not None:
        model.generation_config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    _name_tokenizer_class(folder / "tokenizer_config.json")
    for name, text in (extra or {}).items():
        (folder / name).write_text(text)


def _name_tokenizer_class(path: Path) -> None:
    """Store the public class name; transformers 5 writes its parent's, unknown to version 4."""
    settings = json.loads(path.read_text())
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    path.write_text(json.dumps(settings, indent=2) + "\n")
