"""Which models the engine can edit truthfully, found by trying and never by a list alone."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from headbench.errors import RefusedError
from headbench.interventions.edits.layer_programs import ModelShape
from headbench.models.hf.attention_interface import NAME, Sizes, register, watch

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ROUTED_HEADS = frozenset({"jetmoe"})
"""Families whose query heads and output projection are experts."""
IDENTITY_TOLERANCE = 1e-4
"""Largest allowed logit difference from a model's own eager attention, relative to the logits."""
_HINTS = "use a class that calls transformers' attention interface (see docs/interventions.md)"

Saved = tuple[tuple[Any, Any], ...]


def snapshot(model: PreTrainedModel) -> Saved:
    """Every configuration of the model with the attention implementation it names."""
    from transformers import PretrainedConfig

    found = (getattr(module, "config", None) for module in model.modules())
    configs = {id(one): one for one in found if isinstance(one, PretrainedConfig)}
    return tuple((c, getattr(c, "_attn_implementation_internal", None)) for c in configs.values())


def restore(saved: Saved) -> None:
    """Put back what :func:`snapshot` read."""
    for config, name in saved:
        config._attn_implementation_internal = name


def install(model: PreTrainedModel) -> None:
    """Route the text model's attention through headbench; a vision tower keeps its own."""
    register()
    wanted: str | dict[str, str] = NAME
    if "text_config" in getattr(model.config, "sub_configs", {}):
        wanted = {"": NAME, "text_config": NAME}
    model.set_attn_implementation(wanted)


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
        raise RefusedError(f"{name} does not use transformers' attention interface", hint=_HINTS)


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
    banned = special_tokens(model.config)
    tokens = [t for t in range(min(vocabulary, 64)) if t not in banned][-8:]
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
    """No gradients and no dropout meanwhile."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)


def identity_check(model: PreTrainedModel, saved: Saved) -> dict[nn.Module, Sizes]:
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
                f"{name} accepts an attention implementation and never calls it", hint=_HINTS
            )
        if len(calls) > len(modules):
            raise RefusedError(
                f"{name} runs one attention module several times in a pass, so that a layer's "
                "number does not name its heads",
                hint="use a model whose layers have attention of their own",
            )
        _refuse_joint_norms(name, calls, normed)
        own = str(dict((id(c), n) for c, n in saved).get(id(model.config.get_text_config())))
        restore(saved)
        try:
            theirs = _attempt(model, batch)
        finally:
            install(model)
    if own == "sdpa" and torch.equal(ours, theirs):
        return modules
    scale = float(theirs.float().abs().max().clamp(min=1.0))
    difference = float((ours.float() - theirs.float()).abs().max())
    allowed = IDENTITY_TOLERANCE * scale * (1 if ours.dtype == torch.float32 else 100)
    if own == "sdpa" or not difference <= allowed:
        raise RefusedError(
            f"{name} with an empty plan differs from its own {own} attention by {difference:.3g}",
            where=f"allowed: {'equal bits' if own == 'sdpa' else f'{allowed:.3g}'}",
            hint=_HINTS,
        )
    return modules


@contextmanager
def _norms(model: nn.Module, calls: Sequence[object]) -> Iterator[list[tuple[nn.Module, int]]]:
    """Note every norm that runs meanwhile, with the number of attention calls before it."""
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
    calls: Sequence[tuple[nn.Module, Sizes]],
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
            wide = isinstance(weight, Tensor) and weight.numel() == sizes.heads * sizes.value_dim
            if norm in inside and wide and before == number:
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
            f"{type(model).__name__} does not run on {', '.join(batch)} alone: {error}", hint=_HINTS
        ) from error
    logits = getattr(output, "logits", None)
    found: Tensor = logits if logits is not None else output[0]
    return found


def shape_of(model: PreTrainedModel, modules: dict[nn.Module, Sizes], stack: Stack) -> ModelShape:
    """Layers, heads and widths of the model.

    Raises:
        RefusedError: Layers differ in their head shapes, so that no one table fits.
    """
    name = type(model).__name__
    sizes = set(modules.values())
    if len(sizes) != 1:
        raise RefusedError(f"{name} has layers of different head shapes")
    every, attending = len(stack.blocks), tuple(stack.modules)
    attention = attending if len(attending) < every else None
    width = model.config.get_text_config().hidden_size
    return ModelShape(every, *sizes.pop(), width, attention, name)


@dataclass(frozen=True)
class Stack:
    """The decoder layers of a model.

    Attributes:
        blocks: Every decoder layer, in order, with attention or without.
        modules: Layer -> its attention module, ascending; layers without attention are left out.
    """

    blocks: tuple[nn.Module, ...]
    modules: Mapping[int, nn.Module]


def stack_of(model: nn.Module, modules: Collection[nn.Module]) -> Stack:
    """Find the list of decoder layers, and the number in it of each attention module's layer.

    A layer's number is its place among all decoder layers, whatever the others do: a model that
    mixes attention with convolutions or recurrent states counts those too.

    Raises:
        RefusedError: The layers stand in no module list, in several, or one of them has two
            attention modules.
    """
    name = type(model).__name__
    lists = {
        path: child for path, child in model.named_modules() if isinstance(child, nn.ModuleList)
    }
    paths = {module: path for path, module in model.named_modules()}
    found: dict[int, nn.Module] = {}
    owners = set()
    for module in modules:
        parts = paths[module].split(".")
        at = next((n for n in range(len(parts) - 1, 0, -1) if ".".join(parts[:n]) in lists), None)
        if at is None:
            raise RefusedError(f"{name} keeps its layers in no module list")
        owners.add(".".join(parts[:at]))
        layer = int(parts[at])
        if len(owners) > 1:
            raise RefusedError(
                f"{name} attends in several stacks of layers ({', '.join(sorted(owners))}), so "
                "that a layer's number does not name its heads",
                hint="use a model with one stack of decoder layers",
            )
        if layer in found:
            raise RefusedError(
                f"layer {layer} of {name} has two attention modules, so that its number does not "
                "name its heads",
                hint="use a model with one attention module per layer",
            )
        found[layer] = module
    return Stack(tuple(lists[owners.pop()]), dict(sorted(found.items())))
