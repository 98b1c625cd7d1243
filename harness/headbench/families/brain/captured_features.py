"""From what a ``represent`` step captured to the features of one layer and of one head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from headbench.errors import ConfigError, DataError
from headbench.nouns import Capture, CapturedArrays
from headbench.scoring.scorer import AskedStep

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Features = NDArray[np.float32]

SHAPE = "one layer and one row: a pooled one, or the last"
WITHOUT_HEADS = ("residual", "residual_in", "router")
"""Sites whose captures have no axis of heads."""


def arrays_of(output: str, document: str) -> tuple[Features, ...]:
    """The captures of one answer.

    Raises:
        DataError: The answer holds none: the step is no ``represent`` step.
    """
    if not isinstance(output, CapturedArrays):
        raise DataError(
            "an answer holds no captured states",
            where=f"document {document}",
            hint="let the task's step be `output_type: represent`",
        )
    return output.arrays


def check_layer_capture(step: AskedStep) -> None:
    """Refuse a step whose first capture cannot give :func:`layer_features`.

    Raises:
        ConfigError: It captures nothing, states of heads, or more than one layer or row.
    """
    _check_represents(step)
    first = step.captures[0]
    if first.site not in WITHOUT_HEADS or not _one_row(first):
        raise ConfigError(
            f"a capture of {first.site} at {_told(first)} is no layer's state",
            where=f"step {step.name}: captures",
            hint=f"capture `residual` at {SHAPE}",
        )


def check_head_capture(step: AskedStep, head: int) -> None:
    """Refuse a step whose second capture cannot give :func:`head_features`.

    How many heads there are is compared once the model is known.

    Raises:
        ConfigError: There is no second capture, it does not hold heads, it holds more than one
            layer or row, or there is no such head.
    """
    second = step.captures[1]
    if second.site in WITHOUT_HEADS or not _one_row(second):
        raise ConfigError(
            f"a capture of {second.site} at {_told(second)} does not hold heads of one layer",
            where=f"step {step.name}: captures",
            hint=f"capture `z` at {SHAPE}",
        )
    heads = None
    if step.model is not None and second.tower == "text":
        heads = step.model.kv_heads if second.site in ("k", "v") else step.model.heads
    if head < 0 or (heads is not None and head >= heads):
        raise ConfigError(
            f"head {head} does not exist",
            where="scorer_options.head",
            hint="heads are numbered from 0" + (f" to {heads - 1}" if heads is not None else ""),
        )


def _check_represents(step: AskedStep) -> None:
    if step.kind != "represent" or not step.captures:
        raise ConfigError(
            "the scorer reads captured states, and this step captures none",
            where=f"step {step.name}: output_type",
            hint="write `output_type: represent` and `captures`",
        )


def _one_row(capture: Capture) -> bool:
    return len(capture.layers) == 1 and (capture.rows == "last" or capture.pool != "none")


def _told(capture: Capture) -> str:
    layers = ", ".join(map(str, capture.layers))
    return f"layers [{layers}], rows {capture.rows}, pool {capture.pool}"


def layer_features(array: Features, document: str) -> Features:
    """The state of one layer at one row: ``[layer, row, unit]`` -> ``[unit]``.

    Raises:
        ConfigError: More than one layer or row was captured, or states of heads.
        DataError: A state that is not finite.
    """
    if array.ndim != 3 or array.shape[:2] != (1, 1):
        raise ConfigError(
            f"a capture of shape {list(array.shape)} is no layer's state",
            where=f"document {document}: captures",
            hint=f"capture `residual` at {SHAPE}",
        )
    return _finite(array[0, 0], document)


def head_features(array: Features, head: int, document: str) -> Features:
    """The output of one head at one row: ``[layer, row, head, unit]`` -> ``[unit]``.

    Raises:
        ConfigError: More than one layer or row was captured, or there is no such head.
        DataError: A state that is not finite.
    """
    if array.ndim != 4 or array.shape[:2] != (1, 1):
        raise ConfigError(
            f"a capture of shape {list(array.shape)} does not hold heads of one layer",
            where=f"document {document}: captures",
            hint=f"capture `z` at {SHAPE}",
        )
    if not 0 <= head < array.shape[2]:
        raise ConfigError(
            f"head {head} does not exist",
            where="scorer_options.head",
            hint=f"heads of this layer run from 0 to {array.shape[2] - 1}",
        )
    return _finite(array[0, 0, head], document)


def candidates(array: Features, document: str) -> tuple[Features, list[int]]:
    """Every layer, or every head of every layer, at one row.

    Args:
        array: ``[layer, row, (head,) unit]``, of one row.
        document: For errors.

    Returns:
        ``[candidate, unit]``, and the head of each; -1 where layers have none.

    Raises:
        ConfigError: Several rows were captured.
        DataError: A state that is not finite.
    """
    states = one_row(array, document)
    layers = array.shape[0]
    heads = [-1] * layers if array.ndim == 3 else list(range(array.shape[2])) * layers
    return states.reshape(-1, array.shape[-1]), heads


def one_row(array: Features, document: str) -> Features:
    """Layers at one row: ``[layer, row, (head,) unit]`` -> ``[layer, (head,) unit]``.

    Raises:
        ConfigError: Several rows were captured.
        DataError: A state that is not finite.
    """
    if array.ndim not in (3, 4) or array.shape[1] != 1:
        raise ConfigError(
            f"a capture of shape {list(array.shape)} holds several rows",
            where=f"document {document}: captures",
            hint="say `pool: mean`, or `rows: last`",
        )
    return _finite(array[:, 0], document)


def numbered(layers: Sequence[int], heads: Sequence[int]) -> dict[str, str]:
    """Layers and heads of candidates as record parts: ``layers`` and ``heads``.

    Args:
        layers: Those captured, in order.
        heads: Of every candidate, layer by layer.
    """
    each = len(heads) // len(layers)
    return {
        "layers": ",".join(str(layer) for layer in layers for _ in range(each)),
        "heads": ",".join(map(str, heads)),
    }


def _finite(features: Features, document: str) -> Features:
    import numpy as np

    if not np.isfinite(features).all():
        raise DataError(
            "a captured state is not finite",
            where=f"document {document}",
            hint="run the model with dtype=float32",
        )
    # Not in half precision: residual streams of some models exceed its 65,504.
    return np.ascontiguousarray(features, dtype=np.float32)
