"""An ``Answer`` as JSON and back, without loss.

Arrays are kept only where they are the answer (``represent``); elsewhere they served an edit and
are dropped. They are written as base64 of their raw little-endian bytes.
"""

from __future__ import annotations

import base64
import math
from typing import TYPE_CHECKING, Any

from headbench.errors import StoreError
from headbench.nouns import Answer, Capture
from headbench.results.canonical import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

FORBIDDEN = "-inf"  # JSON has no infinities; a forced token that is ruled out has this log-prob


def encode(answer: Answer, *, arrays: bool) -> dict[str, Any]:
    """JSON form of an answer; fields that hold their default are left out.

    Args:
        answer: What the model returned.
        arrays: Whether the captures are part of the answer (``represent``).

    Raises:
        StoreError: when a log-probability is NaN or plus infinity: such an answer is no answer.
    """
    document: dict[str, Any] = {
        "text": answer.text,
        "tokens": list(answer.tokens),
        "logprobs": [_finite(value) for value in answer.logprobs],
        "scores": [_finite(value) for value in answer.scores],
        "passes": answer.passes,
        "batch": answer.batch,
        "visited": answer.visited,
        "changed": answer.changed,
        "chosen": {str(layer): list(heads) for layer, heads in answer.chosen.items()},
        "first": {str(token): _finite(value) for token, value in answer.first.items()},
        "truncated": answer.truncated,
    }
    if arrays:
        document["arrays"] = [
            {"capture": plain(capture), **_pack(array)} for capture, array in answer.arrays.items()
        ]
    return {
        name: value
        for name, value in document.items()
        if value is not False and value not in ([], {})
    }


def decode(document: Mapping[str, Any]) -> Answer:
    """The answer that :func:`encode` wrote."""
    return Answer(
        text=document["text"],
        tokens=tuple(document.get("tokens", ())),
        logprobs=tuple(_number(value) for value in document.get("logprobs", ())),
        scores=tuple(_number(value) for value in document.get("scores", ())),
        arrays={_capture(item["capture"]): _unpack(item) for item in document.get("arrays", ())},
        passes=int(document["passes"]),
        batch=str(document["batch"]),
        visited=int(document.get("visited", 0)),
        changed=int(document.get("changed", 0)),
        chosen={int(k): tuple(v) for k, v in document.get("chosen", {}).items()},
        first={int(k): _number(v) for k, v in document.get("first", {}).items()},
        truncated=bool(document.get("truncated", False)),
    )


def _finite(value: float) -> float | str:
    if math.isfinite(value):
        return float(value)
    if value == -math.inf:
        return FORBIDDEN
    raise StoreError(
        f"the model returned {value} as a log-probability",
        hint="look for an overflow: another dtype, or a smaller strength of the intervention",
    )


def _number(value: float | str) -> float:
    return -math.inf if value == FORBIDDEN else float(value)


def _capture(document: Mapping[str, Any]) -> Capture:
    return Capture(**{**document, "layers": tuple(document["layers"])})


def _pack(array: Tensor) -> dict[str, Any]:
    values = array.detach().cpu().float().contiguous().numpy().astype("<f4")
    return {"shape": list(values.shape), "data": base64.b64encode(values.tobytes()).decode()}


def _unpack(item: Mapping[str, Any]) -> Tensor:
    import numpy as np
    import torch

    raw = np.frombuffer(base64.b64decode(item["data"]), dtype="<f4")
    return torch.from_numpy(raw.reshape(item["shape"]).copy())
