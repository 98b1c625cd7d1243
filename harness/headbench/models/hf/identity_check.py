"""Whether the engine can edit a model correctly: found by trying, and never by a list alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from headbench.errors import RefusedError
from headbench.models.hf.attention_interface import (
    CallSizes,
    SavedImplementations,
    install,
    restore,
    watch,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ROUTED_HEADS = frozenset({"jetmoe"})
"""Families whose query heads and output projection are experts."""
IDENTITY_TOLERANCE = 1e-4
"""Largest allowed logit difference from a model's own eager attention, relative to the logits."""
_HINT = "use a class that calls transformers' attention interface (see docs/interventions.md)"


def refuse_unsupported(model: PreTrainedModel) -> None:
    """Refuse, by name, classes that are known not to ask the attention interface.

    Raises:
        RefusedError: The class does not dispatch its attention, or attends across two sequences.
    """
    name = type(model).__name__
    if getattr(model.config, "is_encoder_decoder", False):
        raise RefusedError(
            f"{name} is an encoder-decoder model, whose cross attention has no single head table",
            hint="use a decoder-only or encoder-only model",
        )
    if getattr(model, "hf_quantizer", None) is not None:
        raise RefusedError(
            f"{name} is quantised; edits of quantised models were never checked",
            hint="load the checkpoint in float32, float16 or bfloat16",
        )
    if model.config.get_text_config().model_type in ROUTED_HEADS:
        raise RefusedError(
            f"{name} chooses its heads for each token by a router, so that a number names no head",
            hint="use a model whose heads are the same for every token",
        )
    if not model._can_set_attn_implementation():
        raise RefusedError(f"{name} does not use transformers' attention interface", hint=_HINT)


def short_input(model: PreTrainedModel) -> dict[str, Tensor]:
    """A few tokens, or one grey image for a vision tower, on the model's device."""
    device = next(model.parameters()).device
    if model.main_input_name == "pixel_values":
        config = getattr(model.config, "vision_config", model.config)
        size = config.image_size
        height, width = size if isinstance(size, list | tuple) else (size, size)
        dtype = next(model.parameters()).dtype
        image = torch.linspace(-1, 1, height * width, device=device).view(1, 1, height, width)
        return {"pixel_values": image.repeat(1, config.num_channels, 1, 1).to(dtype)}
    vocabulary = model.get_input_embeddings().num_embeddings
    special = special_tokens(model.config)
    tokens = [t for t in range(min(vocabulary, 64)) if t not in special][-8:]
    return {"input_ids": torch.tensor([tokens], device=device)}


def special_tokens(config: Any) -> set[int]:
    """Placeholders of images and the like, which a text-only pass may not hold."""
    texts = (config, getattr(config, "text_config", None))
    found: set[int] = set()
    for part in texts:
        for key, value in vars(part).items() if part is not None else ():
            if re.search(r"token_(id|index)$", key):
                several = value if isinstance(value, list | tuple) else [value]
                found.update(one for one in several if isinstance(one, int))
    return found


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """No gradients and no dropout inside the block."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)


def identity_check(
    model: PreTrainedModel, saved: SavedImplementations
) -> dict[nn.Module, CallSizes]:
    """Compare an empty plan with the model's own implementation on a short input.

    Against sdpa every bit must agree; against another implementation the outputs must agree within
    :data:`IDENTITY_TOLERANCE` (times 100 in half precision).

    Returns:
        The attention modules in the order in which they run, with their sizes.

    Raises:
        RefusedError: The interface is never called, a module is called twice in one pass, or the
            outputs differ.
    """
    name = type(model).__name__
    batch = short_input(model)
    with evaluating(model):
        with watch() as calls, _norms(model, calls) as normed:
            ours = _attempt(model, batch)
        modules = dict(calls)
        if not modules:
            raise RefusedError(
                f"{name} accepts an attention implementation and never calls it", hint=_HINT
            )
        if len(calls) > len(modules):
            raise RefusedError(
                f"{name} runs one attention module several times in a pass, so that a layer's "
                "number does not name its heads",
                hint="use a model whose layers have attention of their own",
            )
        _refuse_joint_norms(name, calls, normed)
        # The same pass under the model's own attention, whatever happens inside.
        own = str(dict((id(c), n) for c, n in saved).get(id(model.config.get_text_config())))
        restore(saved)
        try:
            theirs = _attempt(model, batch)
        finally:
            install(model)
    if own == "sdpa" and torch.equal(ours, theirs):
        return modules
    # Other implementations add up in another order, so that outputs can only be close.
    scale = float(theirs.float().abs().max().clamp(min=1.0))
    difference = float((ours.float() - theirs.float()).abs().max())
    allowed = IDENTITY_TOLERANCE * scale * (1 if ours.dtype == torch.float32 else 100)
    if own == "sdpa" or not difference <= allowed:
        raise RefusedError(
            f"{name} with an empty plan differs from its own {own} attention by {difference:.3g}",
            where=f"allowed: {'equal bits' if own == 'sdpa' else f'{allowed:.3g}'}",
            hint=_HINT,
        )
    return modules


@contextmanager
def _norms(model: nn.Module, calls: Sequence[object]) -> Iterator[list[tuple[nn.Module, int]]]:
    """Note every norm that runs inside the block, with the number of attention calls before it."""
    ran: list[tuple[nn.Module, int]] = []
    hooks = [
        module.register_forward_hook(lambda norm, *_: ran.append((norm, len(calls))))
        for module in model.modules()
        if "Norm" in type(module).__name__
    ]
    try:
        yield ran
    finally:
        for hook in hooks:
            hook.remove()


def _refuse_joint_norms(
    name: str,
    calls: Sequence[tuple[nn.Module, CallSizes]],
    normed: Sequence[tuple[nn.Module, int]],
) -> None:
    """Refuse classes that normalise all heads together before the output projection.

    There a change of one head rescales the others, so that what a head adds to the stream is not
    its own output times its columns of the projection, which every method here relies on.

    Raises:
        RefusedError: The model does (BitNet, Kosmos-2).
    """
    for number, (module, sizes) in enumerate(calls, start=1):
        inside = set(module.modules())
        for norm, before in normed:
            weight = getattr(norm, "weight", None)
            # Query norms run before their layer's attention call, and layer norms stand outside the
            # attention module: what is left is a norm over the concatenated head outputs.
            joint = isinstance(weight, Tensor) and weight.numel() == sizes.heads * sizes.value_dim
            if norm in inside and joint and before == number:
                raise RefusedError(
                    f"{name} normalises the outputs of all heads together, so that editing one "
                    "head rescales the others",
                    hint="use a model whose head outputs reach the output projection one by one",
                )


def _attempt(model: PreTrainedModel, batch: dict[str, Tensor]) -> Tensor:
    """Logits where there are any, else the last hidden state, of a short pass.

    Raises:
        RefusedError: The class cannot run on a few tokens (or one image) alone.
    """
    try:
        output = model(**batch)
    except torch.OutOfMemoryError:
        raise
    except (TypeError, ValueError, AttributeError, LookupError, RuntimeError) as error:
        raise RefusedError(
            f"{type(model).__name__} does not run on {', '.join(batch)} alone: {error}", hint=_HINT
        ) from error
    logits = getattr(output, "logits", None)
    found: Tensor = logits if logits is not None else output[0]
    return found
