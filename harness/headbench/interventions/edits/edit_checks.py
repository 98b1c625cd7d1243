"""Which edits a model of some shape can carry; the others are refused before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from headbench.edits import Bias, Columns, Edit, Mix, Offset, Scale, Visible, ZeroDims
from headbench.errors import RefusedError
from headbench.interventions.edits.model_shape import ModelShape
from headbench.interventions.layer_ranges import without_attention

ALLOWED: Mapping[str, tuple[type, ...]] = {
    "q": (Scale, ZeroDims, Offset),
    "k": (Scale, ZeroDims),
    "v": (Scale,),
    "scores": (Bias, Columns, Visible),
    "pattern": (Columns,),
    "z": (Scale, Offset, Mix),
    "residual": (Offset,),
}
"""Site -> operations that can be done there."""


def layers_of(edit: Edit, shape: ModelShape) -> Mapping[int, tuple[int, ...]]:
    """Layer -> heads of an edit; a selection may answer in every layer."""
    if callable(edit.where):
        return {layer: () for layer in shape.attending}
    if edit.site == "residual":
        return {layer: (0,) for layer in edit.where}  # the stream counts as one wide head
    return edit.where


def check_edit(edit: Edit, shape: ModelShape, *, widths: bool = True) -> None:
    """Refuse what no site of this model can do.

    Args:
        edit: What would be done.
        shape: Sizes of the model.
        widths: Whether the shape's widths are known, so that vectors can be compared with them.

    Raises:
        RefusedError: Unknown site for the operation, a layer or head out of range, heads of a layer
            without attention, or vectors of another model's size.
    """
    allowed = ALLOWED.get(edit.site, ())
    if edit.site == "router":
        raise RefusedError(
            "routers are read, not edited",
            hint="capture at 'router', and edit 'z' or 'residual'",
        )
    if not isinstance(edit.op, allowed):
        raise RefusedError(
            f"{type(edit.op).__name__} cannot be done at site {edit.site!r}",
            hint=f"at {edit.site!r} the engine does "
            f"{', '.join(t.__name__ for t in allowed) or 'nothing'}",
        )
    if widths:
        _check_vectors(edit, shape)
    if callable(edit.where):
        if edit.site != "z":
            raise RefusedError(f"heads are selected per sample at 'z' only, not at {edit.site!r}")
        return
    for layer, heads in edit.where.items():
        if not 0 <= layer < shape.layers:
            raise RefusedError(
                f"layer {layer} does not exist", hint=f"layers run from 0 to {shape.layers - 1}"
            )
        if edit.site == "residual":
            continue
        if heads and layer not in shape.attending:
            raise without_attention(shape.model, layer, shape.attending)
        if wrong := [head for head in heads if not 0 <= head < shape.heads]:
            raise RefusedError(
                f"head {wrong[0]} of layer {layer} does not exist",
                hint=f"query heads run from 0 to {shape.heads - 1}",
            )


def _check_vectors(edit: Edit, shape: ModelShape) -> None:
    vectors = getattr(edit.op, "vector", getattr(edit.op, "target", None))
    if vectors is None or isinstance(vectors, str):
        return
    heads = (shape.layers, shape.heads, shape.head_dim if edit.site == "q" else shape.value_dim)
    wanted = (shape.layers, shape.width) if edit.site == "residual" else heads
    if tuple(vectors.shape) != wanted:
        raise RefusedError(
            f"the vectors at {edit.site!r} have shape {tuple(vectors.shape)}",
            hint=f"this model needs {wanted}",
        )


def check_owned(edit: Edit, shape: ModelShape) -> None:
    """Refuse an edit of keys or values that other query heads share.

    Raises:
        RefusedError: It would change heads that are not listed.
    """
    if edit.site in ("k", "v"):
        for layer, heads in layers_of(edit, shape).items():
            owned_kv_heads(edit, layer, heads, shape)


def owned_kv_heads(
    edit: Edit, layer: int, heads: Sequence[int], shape: ModelShape
) -> tuple[int, ...]:
    """The key/value heads that ``heads`` own completely.

    Raises:
        RefusedError: Some query head shares its key/value head with a head that is not listed.
    """
    group_size = shape.heads // shape.kv_heads
    owned = sorted({head // group_size for head in heads})
    whole = {kv * group_size + i for kv in owned for i in range(group_size)}
    if missing := sorted(whole - set(heads)):
        raise RefusedError(
            f"layer {layer}: query heads {missing} share the {edit.site} of the listed heads",
            hint=f"list every head of the group of {group_size}, or edit 'z' or 'q', "
            "which each query head owns",
        )
    return tuple(owned)
