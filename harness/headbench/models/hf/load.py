"""Loading a transformers model: its classes, its shapes, and what its numbers depend on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    GenerationConfig,
)
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
)
from transformers.models.auto.processing_auto import (
    PROCESSOR_MAPPING_NAMES,
    processor_class_from_name,
)
from transformers.utils import logging

from headbench._reading import is_folder
from headbench.errors import ConfigError, RefusedError
from headbench.models.hf.cache import known_cache
from headbench.models.hf.devices import pick_device, pick_dtype
from headbench.models.hf.fingerprint import fingerprint_tensors, weights_of
from headbench.models.hf.settings import Settings
from headbench.models.hf.weights import check_weights
from headbench.models.hub_reach import check_reachable, is_hub_id
from headbench.nouns import ModelInfo

UNTRAINED, UNTRAINED_SEED = "untrained", 0
"""What the display name of a model with random weights ends with, and the seed of these."""


@dataclass(frozen=True)
class Loaded:
    """A model in memory, and what its numbers depend on.

    Attributes:
        model: In evaluation mode, on its device.
        tokenizer: Its tokenizer.
        processor: Its processor, where it takes images; else ``None``.
        info: Shapes.
        weights: SHA-256 fingerprint of the weights.
        unused: Weights of the checkpoint that the model does not use.
    """

    model: Any
    tokenizer: Any
    processor: Any | None
    info: ModelInfo
    weights: str
    unused: tuple[str, ...] = ()


def read_config(settings: Settings) -> Any:
    """The configuration of a checkpoint; no weights are read.

    Raises:
        ConfigError: the checkpoint cannot be found or read.
        RefusedError: a model that would not run correctly; see :func:`refuse_unsupported`.
    """
    check_reachable({"pretrained": settings.pretrained, "revision": settings.revision})
    with quiet(), loading(settings):
        config = AutoConfig.from_pretrained(settings.pretrained, **_common(settings))
        refuse_unsupported(config, settings.pretrained)
    return config


def _common(settings: Settings) -> dict[str, Any]:
    """Arguments of everything that is loaded from a checkpoint."""
    common: dict[str, Any] = {"trust_remote_code": settings.trust_remote_code}
    if settings.revision:
        common["revision"] = settings.revision
    return common


def load(settings: Settings) -> Loaded:
    """Load a checkpoint; safetensors only.

    Raises:
        ConfigError: the checkpoint cannot be found or read.
        RefusedError: quantised weights, or weights that do not fit the model's.
    """
    common = _common(settings)
    config = read_config(settings)
    with quiet(), loading(settings):
        device = pick_device(settings.device)
        report: Any = None
        if settings.untrained:
            model = untrained(config, settings, pick_dtype(settings.dtype, device))
        else:
            model, report = auto_class(config).from_pretrained(
                settings.pretrained,
                dtype=pick_dtype(settings.dtype, device),
                use_safetensors=True,
                output_loading_info=True,
                **common,
            )
    tokenizer, processor = load_tokenizer(settings, config)
    unused: tuple[str, ...] = ()
    if not settings.untrained:
        unused = check_weights(
            report, f"pretrained={settings.pretrained}", allowed=settings.allow_unused_weights
        )
    model = model.to(device).eval().requires_grad_(False)
    return Loaded(
        model=model,
        tokenizer=tokenizer,
        processor=processor,
        info=info_of(config, settings),
        weights=fingerprint_tensors(model)
        if settings.untrained
        else weights_of(settings.pretrained, settings.revision, model),
        unused=unused,
    )


def load_tokenizer(settings: Settings, config: Any) -> tuple[Any, Any | None]:
    """The checkpoint's tokenizer, and its processor where it takes images.

    Raises:
        ConfigError: they cannot be found or read.
        RefusedError: there is no image processor, or it needs a package that is missing.
    """
    common = _common(settings)
    with quiet(), loading(settings):
        if not is_vision_language(config):
            return AutoTokenizer.from_pretrained(settings.pretrained, **common), None
        processor = load_processor(settings, config, common)
        return processor.tokenizer, processor


def untrained(config: Any, settings: Settings, dtype: torch.dtype | str) -> Any:
    """A model of this configuration with the random weights that training would begin with.

    They are drawn in float32 on the CPU from one fixed seed, whatever the device and type they run
    in, and leave torch's own generator as it was.
    """
    kept = getattr(config, "dtype", None) if dtype == "auto" else dtype
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(UNTRAINED_SEED)
        model = auto_class(config).from_config(
            config, dtype=torch.float32, trust_remote_code=settings.trust_remote_code
        )
    if kept not in (None, torch.float32):
        strict = getattr(model, "_keep_in_fp32_modules_strict", None) or ()
        for name, weight in model.named_parameters():
            # Parameters only: the library keeps buffers such as rotary frequencies in float32.
            if weight.is_floating_point() and not any(part in name for part in strict):
                weight.data = weight.data.to(kept)
        model.config.dtype = kept
    with suppress(OSError):  # no such file: the ends that the configuration names
        model.generation_config = GenerationConfig.from_pretrained(
            settings.pretrained, revision=settings.revision or "main"
        )
    return model


_BROKEN = (
    *(OSError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError),
    *(AssertionError, RuntimeError, ImportError, SafetensorError, StrictDataclassError),
)
"""What the libraries raise for a checkpoint that is missing, damaged or contradicts itself."""


@contextmanager
def loading(settings: Settings) -> Iterator[None]:
    """Turn the library's errors into one that says what to do."""
    named = settings.pretrained
    if not is_hub_id(named) and not is_folder(named):
        raise ConfigError(
            "there is no such folder",
            where=f"pretrained={named}",
            hint="give a folder in Hugging Face format with safetensors weights, or a hub id",
        )
    try:
        yield
    except _BROKEN as error:
        raise ConfigError(
            f"the checkpoint cannot be loaded: {_first_line(error)}",
            where=f"pretrained={settings.pretrained}",
            hint="give a folder in Hugging Face format with safetensors weights, or a hub id "
            "(offline, it must be in the local cache)",
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Without the library's bars and warnings: what they tell is checked, and refused in words."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def load_processor(settings: Settings, config: Any, common: Mapping[str, Any]) -> Any:
    """The checkpoint's processor; where only its video half cannot be loaded, the rest of it.

    Video halves need torchvision, which nothing else here does.

    Raises:
        RefusedError: there is no image processor, or it needs a package that is missing.
    """
    try:
        processor = AutoProcessor.from_pretrained(settings.pretrained, **common)
        if hasattr(processor, "image_processor"):
            return processor
        reason = f"{type(processor).__name__} was found in its place"
    except (ImportError, OSError, ValueError) as error:
        reason = _first_line(error)
    whole = processor_class_from_name(PROCESSOR_MAPPING_NAMES.get(config.model_type, ""))
    try:
        if whole is None:
            raise ImportError(reason)
        halves = classmethod(lambda cls: ["image_processor", "tokenizer"])
        part: Any = type(whole.__name__, (whole,), {"get_attributes": halves})
        return part.from_pretrained(settings.pretrained, **common)
    except (ImportError, OSError, TypeError, ValueError) as error:
        raise RefusedError(
            f"the image processor cannot be loaded: {reason}",
            where=f"pretrained={settings.pretrained}",
            hint="pip install torchvision, and check that the checkpoint has a processor",
        ) from error


def is_vision_language(config: Any) -> bool:
    """Whether the configuration is one of an image-and-text model."""
    known = config.model_type in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
    return known and getattr(config, "vision_config", None) is not None


def auto_class(config: Any) -> Any:
    """The auto class that loads all of a checkpoint.

    Image-and-text classes without a ``vision_config`` (Chameleon, Emu3) load as what the checkpoint
    says it is, and are asked about texts alone.
    """
    pictured = MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
    named = (getattr(config, "architectures", None) or [""])[0]
    whole = named in pictured.values() and named not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values()
    alone = config.model_type in pictured and (
        config.model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    )
    if is_vision_language(config) or whole or alone:
        return AutoModelForImageTextToText
    return AutoModelForCausalLM


def refuse_unsupported(config: Any, where: str) -> None:
    """Refuse what would run, but not correctly.

    Raises:
        RefusedError: an encoder-decoder model, quantised weights, a model without attention heads,
            or one whose cache is of an unknown kind.
    """
    if getattr(config, "is_encoder_decoder", False):
        raise RefusedError(
            f"{config.model_type} is an encoder-decoder model; only decoders are supported",
            where=where,
            hint="choose a decoder-only model",
        )
    if getattr(config, "quantization_config", None) is not None:
        raise RefusedError(
            "quantised weights are not supported: their edits were never checked",
            where=where,
            hint="use the unquantised checkpoint, with dtype=bfloat16 if memory is short",
        )
    if not _of_all_layers(config.get_text_config(decoder=True), "num_attention_heads"):
        raise RefusedError(
            f"{config.model_type} names no number of attention heads that holds for every layer",
            where=where,
            hint="choose a model with attention, of one shape in all layers that have it",
        )
    known_cache(config)


def info_of(config: Any, settings: Settings) -> ModelInfo:
    """Shapes, display name and head maps of a checkpoint."""
    name = settings.name or display_name(settings.pretrained)
    if settings.untrained:
        name = f"{name}-{UNTRAINED}"
    return describe(config, name, maps_beside(Path(settings.pretrained)))


def describe(config: Any, name: str, maps: Mapping[str, str] | None = None) -> ModelInfo:
    """Shapes of the decoder, read off the configuration."""
    text = config.get_text_config(decoder=True)
    heads = text.num_attention_heads
    kv_heads = _of_all_layers(text, "num_key_value_heads") or heads
    width = _of_all_layers(text, "head_dim") or _share(text.hidden_size, heads, name)
    _share(heads, kv_heads, name)
    if hasattr(text, "qk_nope_head_dim"):
        # Latent attention: what its configuration calls head_dim is the rotated part alone.
        width = text.qk_nope_head_dim + text.qk_rope_head_dim
    return ModelInfo(
        name=name,
        family=config.model_type,
        layers=text.num_hidden_layers,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=width,
        images=is_vision_language(config),
        maps=maps or {},
        value_dim=getattr(text, "v_head_dim", None),
    )


def _share(whole: int, parts: int, name: str) -> int:
    """What each of the parts has of a whole that they divide.

    Raises:
        RefusedError: They do not.
    """
    if parts < 1 or whole % parts:
        raise RefusedError(
            f"{parts} heads do not divide {whole}, so that no head could be told from the next",
            where=f"configuration of {name}",
            hint="correct num_attention_heads, num_key_value_heads or hidden_size in config.json",
        )
    return whole // parts


def _of_all_layers(config: Any, name: str) -> int | None:
    """A number of a configuration; ``None`` without one, or where layers differ (Gemma 4)."""
    try:
        found: int | None = getattr(config, name, None)
    except RuntimeError:  # how transformers says that layers differ
        return None
    return found


def maps_beside(folder: Path) -> dict[str, str]:
    """Head maps that lie beside a checkpoint as ``heads-<name>.json``: name -> path."""
    files = sorted(folder.glob("heads-*.json")) if is_folder(folder) else []
    return {path.stem.removeprefix("heads-"): str(path) for path in files}


def display_name(pretrained: str) -> str:
    """A folder's own name, or the hub id."""
    path = Path(pretrained)
    return path.resolve().name if is_folder(path) else pretrained


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
