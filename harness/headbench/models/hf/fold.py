"""Writing static edits into weights: an edited checkpoint runs anywhere, at no cost.

=============================== ================================================================
edit, both phases, all rows      what becomes of the weights
=============================== ================================================================
``z`` Scale(f)                   columns of the output projection of head h times f
``z`` Offset(c)                  bias of the output projection plus W[:, h] c (needs a bias)
``q`` ZeroDims(None)             rows of the query projection of head h, and its bias, to zero
=============================== ================================================================

Head ``h`` owns ``value_dim`` columns of the output projection and ``head_dim`` rows of the query
projection. Everything else is refused, with the edit named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from headbench.edits import Edit, Intervention, Offset, Rewriter, Scale, ZeroDims
from headbench.errors import RefusedError
from headbench.models.hf.engine import Engine

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from headbench.interventions.edits.model_shape import ModelShape

OUTPUTS = ("o_proj", "out_proj", "c_proj", "dense")
"""Names of the output projection inside an attention module."""
JOINT_NORMS = frozenset({"olmo2", "olmo3", "olmoe", "flex_olmo", "olmo_hybrid", "minimax_m2"})
"""Families that normalise the queries of all heads together: zeroing one head's rows there would
rescale the others."""


@dataclass(frozen=True)
class Folded:
    """What was written.

    Attributes:
        edits: How many edits.
        layers: Layers whose weights changed, sorted.
    """

    edits: int
    layers: tuple[int, ...]


def foldable(interventions: Sequence[Intervention]) -> tuple[Edit, ...]:
    """The edits of a static intervention, all of which can be folded.

    Raises:
        RefusedError: An edit that depends on the prompt, the position or the pattern.
    """
    edits: list[Edit] = []
    for method in interventions:
        plan = method.plan(None, {})
        if isinstance(method, Rewriter) or plan.branches or plan.combine is not None:
            raise RefusedError(f"{method.canonical} is more than edits of weights")
        for edit in plan.edits:
            _check(edit, method.canonical)
        edits += plan.edits
    return tuple(edits)


def fold(model: PreTrainedModel, edits: Sequence[Edit]) -> Folded:
    """Write edits into the weights of ``model``, in place, in their order.

    Args:
        model: A transformers model.
        edits: What :func:`foldable` let through.

    Raises:
        RefusedError: A projection that is missing, fused or without the bias an offset needs.
    """
    with Engine(model) as engine:
        modules, shape = engine.modules, engine.shape
    family = model.config.get_text_config().model_type
    touched = set()
    with torch.no_grad():
        for edit in edits:
            if callable(edit.where):
                raise RefusedError("heads chosen per sample cannot be folded")
            for layer, heads in edit.where.items():
                _write(modules[layer], edit, layer, heads, shape, family)
                touched.add(layer)
    return Folded(len(edits), tuple(sorted(touched)))


def _check(edit: Edit, name: str) -> None:
    known = (
        (edit.site == "z" and isinstance(edit.op, Scale | Offset))
        or (edit.site == "q" and edit.op == ZeroDims(None))
    )  # fmt: skip
    if callable(edit.where) or not known:
        raise RefusedError(
            f"{name}: {type(edit.op).__name__} at {edit.site!r} depends on the prompt",
            hint="only scaling, zeroing, offsets and uniform patterns of fixed heads fold",
        )
    if (edit.phase, edit.rows) != ("both", "all"):
        raise RefusedError(
            f"{name} edits phase={edit.phase}, rows={edit.rows}; weights know no positions",
            hint="use phase=both and rows=all",
        )


def _write(
    module: nn.Module,
    edit: Edit,
    layer: int,
    heads: tuple[int, ...],
    shape: ModelShape,
    family: str,
) -> None:
    match edit.op:
        case Scale(factor):
            columns = output_columns(module, layer)  # [width, head * value dim]
            for head in heads:
                columns[:, _head_slice(head, shape.value_dim)] *= factor
        case Offset(vector):
            columns, bias = output_columns(module, layer), _output_projection(module, layer).bias
            if not isinstance(bias, torch.Tensor):
                raise RefusedError(
                    f"the output projection of layer {layer} has no bias to hold an offset",
                    hint="attach the intervention instead, or use a class with such a bias",
                )
            for head in heads:
                # A constant before a linear map is one after it: W (z + c) = W z + W c.
                constant = vector[layer, head].to(columns)  # [value dim]
                bias += columns[:, _head_slice(head, shape.value_dim)] @ constant
        case ZeroDims():
            if family in JOINT_NORMS:
                raise RefusedError(f"{family} normalises the queries of all heads together")
            query = getattr(module, "q_proj", None)
            if not isinstance(query, nn.Linear):
                raise RefusedError(f"layer {layer} has no query projection of its own")
            if query.weight.shape[0] != shape.heads * shape.head_dim:
                raise RefusedError(
                    f"the query projection of layer {layer} holds more than queries",
                    hint="attach the intervention instead",
                )
            if any(_adds_bias(part) for part in module.modules()):
                raise RefusedError(
                    f"{family} normalises queries with a bias, which a zero query would become",
                    hint="attach the intervention instead",
                )
            for head in heads:
                # Rotation, and norms of single heads without a bias, leave a zero query at zero.
                query.weight[_head_slice(head, shape.head_dim)] = 0
                if query.bias is not None:
                    query.bias[_head_slice(head, shape.head_dim)] = 0
        case _:
            raise RefusedError(f"{edit.op!r} cannot be folded")


def _adds_bias(part: nn.Module) -> bool:
    """Whether a norm inside attention moves zero."""
    bias = getattr(part, "bias", None)
    return "Norm" in type(part).__name__ and isinstance(bias, Tensor) and bool(bias.any())


def _head_slice(head: int, width: int) -> slice:
    return slice(head * width, (head + 1) * width)


def _output_projection(module: nn.Module, layer: int) -> nn.Module:
    for name in OUTPUTS:
        found = getattr(module, name, None)
        if isinstance(found, nn.Module) and hasattr(found, "weight"):
            return found
    raise RefusedError(f"layer {layer} has no output projection inside its attention module")


def output_columns(module: nn.Module, layer: int) -> Tensor:
    """The output projection as ``[width, head * dim]``; a Conv1D stores it transposed."""
    found = _output_projection(module, layer)
    weight: Tensor = found.weight  # type: ignore[assignment]
    return weight if isinstance(found, nn.Linear) else weight.T


def head_columns(engine: Engine, layer: int) -> Tensor:
    """The output projection of a layer by head, ``[head, dim, width]``.

    BERT and models like it keep it outside the attention module, in ``attention.output``.
    """
    module = engine.modules[layer]
    output = getattr(getattr(engine.blocks[layer], "attention", None), "output", None)
    projecting = module if output is None else output
    columns = output_columns(projecting, layer).detach()  # [width, head x dim]
    return columns.T.reshape(engine.shape.heads, engine.shape.value_dim, -1)


def written(engine: Engine, layers: Sequence[int], z: Tensor) -> Tensor:
    """What heads add to the residual stream.

    Args:
        engine: Knows the output projections.
        layers: Of ``z``.
        z: Head outputs, ``[layer, row, head, dim]``.

    Returns:
        ``[layer, row, head, width]``, float32; the projection's bias belongs to no head.
    """
    return torch.stack(
        [
            torch.einsum("rhd,hdw->rhw", outputs.float(), head_columns(engine, layer).float())
            for layer, outputs in zip(layers, z, strict=True)
        ]
    )
