"""What a loaded model is, as strings: everything about it that changes a number."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import torch
import transformers

from headbench._code import of_modules
from headbench._version import __version__
from headbench.models.hf.load import UNTRAINED, UNTRAINED_SEED, Loaded
from headbench.models.hf.settings import Settings


def identity_of(loaded: Loaded, settings: Settings, chat: bool) -> dict[str, str]:
    """Everything about the loaded model that changes a number, as strings."""
    model = loaded.model
    pixels = getattr(loaded.processor, "image_processor", None)
    code = model_code(model)
    return {
        "adapter": "hf",
        "name": loaded.info.name,
        "architecture": type(model).__name__,
        "weights": loaded.weights,
        **weights_source(model),
        "config": _short(config_text(model)),
        "tokenizer": _short(tokenizer_text(loaded.tokenizer)),
        "dtype": str(model.dtype).removeprefix("torch."),
        "device": model.device.type,
        "attention": attention_of(model) if settings.attn == "sdpa" else settings.attn,
        "chat_template": _short(chat_text(loaded)) if chat else "off",
        **_template_facts(settings),
        "image_processor": _short(pixels.to_json_string()) if pixels is not None else "none",
        **({"pillow": version("pillow")} if pixels is not None else {}),
        **({"model_code": code} if code else {}),
        "trust_remote_code": str(settings.trust_remote_code).lower(),
        "headbench": __version__,
        "torch": str(torch.__version__),
        "transformers": str(transformers.__version__),
        **unused_weights(loaded.unused),
        **({UNTRAINED: f"seed {UNTRAINED_SEED}"} if settings.untrained else {}),
    }


def unused_weights(unused: Sequence[str]) -> dict[str, str]:
    """Number of the checkpoint's unused weights, and a digest of their names; nothing if none."""
    return {"unused_weights": f"{len(unused)}:{_short(' '.join(unused))}"} if unused else {}


def weights_source(model: Any) -> dict[str, str]:
    """What a checkpoint says its weights were made from; nothing where it says nothing.

    ``weights_from`` of its configuration: one line, e.g. that they were quantised and expanded
    again, so that nobody takes them for the weights of the same name on a hub.
    """
    said = getattr(model.config, "weights_from", None)
    return {"weights_from": said} if isinstance(said, str) and said else {}


def _template_facts(settings: Settings) -> dict[str, str]:
    """What the chat template was given beside the messages; nothing where it was given nothing."""
    arguments = settings.template_arguments
    said = {"chat_template_args": json.dumps(arguments, sort_keys=True)} if arguments else {}
    return said | ({"today": settings.today} if settings.today else {})


def model_code(model: Any) -> str:
    """Digest of the code of layers that are neither torch's nor transformers'; empty without any.

    A checkpoint may bring its own classes (``trust_remote_code``), and so may a model that is
    wrapped in memory. What was typed at a prompt has no file: its digest is another one every time,
    so that no answer of it is ever taken for one of other code.
    """
    kinds = {type(module) for module in model.modules()}
    kinds |= {base for kind in kinds for base in kind.__mro__}
    theirs = [kind for kind in kinds if kind.__module__.partition(".")[0] not in _LIBRARIES]
    code = of_modules(sorted({kind.__module__ for kind in theirs}))
    if code.unreadable:
        return f"no file: {secrets.token_hex(8)}"
    return code.digest[:12] if code else ""


def attention_of(model: Any) -> str:
    """The library's own attention of the text model: ``sdpa``, or ``eager`` without it."""
    return str(model.config.get_text_config()._attn_implementation)


def config_text(model: Any) -> str:
    """What decides the computation beside the weights: rotary base, norms, windows, end tokens.

    Where a file lies and which attention function runs are left out; the second is named apart.
    """
    config = model.config.to_dict()
    ends = getattr(model, "generation_config", None)
    config["generation_end"] = getattr(ends, "eos_token_id", None)
    return json.dumps(_essential(config), sort_keys=True, default=str)


def tokenizer_text(tokenizer: Any) -> str:
    """The whole fast tokenizer; of a slow one, which has no such text, its vocabulary."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        return str(backend.to_str())
    return json.dumps(tokenizer.get_vocab(), sort_keys=True)


def _essential(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _essential(item) for key, item in value.items() if key not in _INCIDENTAL}
    return value


_LIBRARIES = frozenset({"torch", "transformers"})
_INCIDENTAL = frozenset(
    {"_name_or_path", "_attn_implementation", "transformers_version", "dtype", "torch_dtype"}
)


def chat_text(loaded: Loaded) -> str:
    """The chat template's text; empty where there is none."""
    for owner in (loaded.processor, loaded.tokenizer):
        template = getattr(owner, "chat_template", None)
        if template:
            return json.dumps(template, sort_keys=True)
    return ""


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
