"""An ``Answer`` as JSON and back, without loss.

Arrays are kept only where they are the answer (``represent``); elsewhere they served an edit and
are dropped. They are no part of the JSON: the store keeps them in a file of their own, as one
safetensors blob per answer, and the JSON says which bytes of it are meant.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from headbench.errors import StoreError
from headbench.nouns import Answer, Capture
from headbench.results.canonical import plain

if TYPE_CHECKING:
    from torch import Tensor

FORBIDDEN = "-inf"  # JSON has no infinities; a forced token that is ruled out has this log-prob


def encode(answer: Answer, arrays: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """JSON form of an answer; fields that hold their default are left out.

    Args:
        answer: What the model returned.
        arrays: Where its captures were put, where they are the answer (``represent``).

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
        captures = [plain(capture) for capture in answer.arrays]
        document["arrays"] = {"captures": captures, **arrays}
    return {
        name: value
        for name, value in document.items()
        if value is not False and value not in ([], {})
    }


def decode(
    document: Mapping[str, Any], read: Callable[[Mapping[str, Any]], bytes] | None = None
) -> Answer:
    """The answer that :func:`encode` wrote.

    Args:
        document: The JSON form.
        read: Reads the captures from where they were put, each time that one is looked at; answers
            of a whole run need not fit into memory.
    """
    return Answer(
        text=document["text"],
        tokens=tuple(document.get("tokens", ())),
        logprobs=tuple(_number(value) for value in document.get("logprobs", ())),
        scores=tuple(_number(value) for value in document.get("scores", ())),
        arrays=_arrays(document.get("arrays", ()), read),
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


def pack_arrays(arrays: Mapping[Capture, Tensor]) -> bytes:
    """Captures as a safetensors blob, in their order, in single precision."""
    from safetensors.numpy import save

    values = {
        f"{place:06}": array.detach().cpu().float().contiguous().numpy()
        for place, array in enumerate(arrays.values())
    }
    return bytes(save(values))


class StoredArrays(Mapping[Capture, "Tensor"]):
    """Captures that are read anew from where they were put whenever one is looked at.

    Args:
        captures: In the order in which they were packed.
        read: Gives the blob.
    """

    def __init__(self, captures: Sequence[Capture], read: Callable[[], bytes]) -> None:
        self._captures, self._read = {one: place for place, one in enumerate(captures)}, read

    def __getitem__(self, capture: Capture) -> Tensor:
        import torch
        from safetensors.numpy import load

        name = f"{self._captures[capture]:06}"
        return torch.from_numpy(load(self._read())[name])

    def __iter__(self) -> Iterator[Capture]:
        return iter(self._captures)

    def __len__(self) -> int:
        return len(self._captures)


def _arrays(
    stored: Any, read: Callable[[Mapping[str, Any]], bytes] | None
) -> Mapping[Capture, Tensor]:
    if isinstance(stored, Mapping):
        if read is None:
            raise LookupError("the arrays of this answer are in another file")
        return StoredArrays([_capture(one) for one in stored["captures"]], lambda: read(stored))
    # Stores of before wrote base64 of the raw numbers into the line.
    return {_capture(item["capture"]): _unpack(item) for item in stored}


def _unpack(item: Mapping[str, Any]) -> Tensor:
    import numpy as np
    import torch

    raw = np.frombuffer(base64.b64decode(item["data"]), dtype="<f4")
    return torch.from_numpy(raw.reshape(item["shape"]).copy())
