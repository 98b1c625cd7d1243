"""What a loaded model is, as strings: everything about it that changes a number."""

from __future__ import annotations

import hashlib
import json

import torch
import transformers

from headbench._version import __version__
from headbench.models.hf.load import Loaded, Settings


def identity_of(loaded: Loaded, settings: Settings, chat: bool) -> dict[str, str]:
    """Everything about the loaded model that changes a number, as strings."""
    model = loaded.model
    pixels = getattr(loaded.processor, "image_processor", None)
    return {
        "adapter": "hf",
        "name": loaded.info.name,
        "architecture": type(model).__name__,
        "weights": loaded.weights,
        "dtype": str(model.dtype).removeprefix("torch."),
        "device": model.device.type,
        "attention": settings.attn,
        "chat_template": _short(chat_text(loaded)) if chat else "off",
        "image_processor": _short(pixels.to_json_string()) if pixels is not None else "none",
        "trust_remote_code": str(settings.trust_remote_code).lower(),
        "headbench": __version__,
        "torch": str(torch.__version__),
        "transformers": str(transformers.__version__),
    }


def chat_text(loaded: Loaded) -> str:
    """The chat template's text; empty where there is none."""
    for owner in (loaded.processor, loaded.tokenizer):
        template = getattr(owner, "chat_template", None)
        if template:
            return json.dumps(template, sort_keys=True)
    return ""


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
