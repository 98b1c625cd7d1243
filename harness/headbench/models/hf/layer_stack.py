"""The decoder layers of a model: their numbers, their attention modules, their sizes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn

from headbench.errors import RefusedError
from headbench.interventions.edits.model_shape import ModelShape
from headbench.models.hf.attention_interface import CallSizes

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class LayerStack:
    """The decoder layers of a model.

    Attributes:
        blocks: Every decoder layer, in order, with attention or without.
        modules: Layer -> its attention module, ascending; layers without attention are left out.
    """

    blocks: tuple[nn.Module, ...]
    modules: Mapping[int, nn.Module]


def stack_of(model: nn.Module, modules: Collection[nn.Module]) -> LayerStack:
    """Find the list of decoder layers, and the number in it of each attention module's layer.

    A layer's number is its place among all decoder layers, whatever the others do: a model that
    mixes attention with convolutions or recurrent states counts those too.

    Raises:
        RefusedError: The layers are in no module list, or in several, or one of them has two
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
        # In "model.layers.3.self_attn" the innermost prefix that names a module list is
        # "model.layers", and what follows it is the number.
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
    return LayerStack(tuple(lists[owners.pop()]), dict(sorted(found.items())))


def shape_of(
    model: PreTrainedModel, modules: dict[nn.Module, CallSizes], stack: LayerStack
) -> ModelShape:
    """Layers, heads and widths of the model.

    Raises:
        RefusedError: Layers differ in their head shapes, so that no one table fits.
    """
    name = type(model).__name__
    sizes = set(modules.values())
    if len(sizes) != 1:
        raise RefusedError(f"{name} has layers of different head shapes")
    layers, attending = len(stack.blocks), tuple(stack.modules)
    attention = attending if len(attending) < layers else None
    width = model.config.get_text_config().hidden_size
    return ModelShape(layers, *sizes.pop(), width, attention, name)
