"""What a configuration does not tell about decoding, found by a few short passes at load.

The runtime relies on five facts: positions given from outside mean what the model's own mean; no
token changes what is said before it; a step after a cache equals the whole text read at once,
whatever other batches are alive; left padding changes nothing; a batch goes on rightly when a row
has left it. A model that reads its prompt both ways (PaliGemma), or keeps its state beside its
cache (RecurrentGemma), gives other tokens or scores without any error, so every model is tried
before it answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from headbench.errors import RefusedError
from headbench.models.hf.forward_pass import HFBackend
from headbench.models.hf.identity_check import special_tokens
from headbench.models.runtime import Runtime, TokenSequence

if TYPE_CHECKING:
    from torch import Tensor

TOLERANCE = 1e-3
"""Largest difference of two logits that should be equal, in float32, in units of the logits'
standard deviation. Over 32 tiny and small models of 13 families, right ones stay below 4e-5; a lost
state gives 5e-3 (Jamba with untrained weights near zero) to 3."""
HALF_TOLERANCE = 0.05
"""The same in half precision, where more than this decides nothing. Attention alone stays below
0.04 in bfloat16; right recurrent states reach 0.19 (0.02 in float16), and a lost state starts at
0.12. So a model beyond it is tried again with its weights in float32, where both lie far apart."""
LENGTHS = (13, 8)
"""Tokens of the two prompts."""
MIDDLE = 5
"""A position of the longer prompt, which must not see what follows it."""


def check_state(model: Any, pad_id: int) -> bool:
    """Try a model's decoding on two short prompts of ordinary tokens.

    Args:
        model: A decoder, in evaluation mode, with the attention that it will answer with.
        pad_id: Id that fills the padding.

    Returns:
        Whether several tokens may follow a cache at once. Where not (Jamba), steps of one token are
        right all the same.

    Raises:
        RefusedError: The model cannot be decoded correctly, with the reason; or the device's memory
            does not suffice to find out.
    """
    allowed = TOLERANCE if model.dtype == torch.float32 else HALF_TOLERANCE
    with _told_of_memory(model, "a short pass", "use a smaller dtype, or another device"):
        found = _attempt(model, pad_id)
    if model.dtype != torch.float32 and any(one > allowed for one in found.values()):
        allowed = TOLERANCE
        hint = "load it on another device, or with dtype=float32 where that fits"
        with _told_of_memory(model, "its weights in float32", hint), _in_float32(model):
            found = _attempt(model, pad_id)
    extends = not found.pop(_EXTEND) > allowed
    for reason, difference in found.items():
        if difference > allowed:  # a NaN is left to the run, which names its row
            raise RefusedError(
                f"{type(model).__name__} cannot be decoded correctly: {reason}",
                where=f"logits differ by {difference:.2g} of their spread, allowed: {allowed:g}",
                hint=_HINTS,
            )
    return extends


def _attempt(model: Any, pad_id: int) -> dict[str, float]:
    """The differences of one try.

    Raises:
        RefusedError: A pass fails.
    """
    try:
        return _differences(Runtime(HFBackend(model, pad_id)), model)
    except torch.OutOfMemoryError:
        raise
    except (
        ArithmeticError, AssertionError, AttributeError, LookupError, NotImplementedError,
        RuntimeError, TypeError, ValueError,
    ) as error:  # fmt: skip
        first = (str(error).strip().splitlines() or [""])[0]
        raise RefusedError(
            f"{type(model).__name__} cannot be decoded: a short pass failed "
            f"({type(error).__name__}: {first})",
            hint=_HINTS,
        ) from error


@contextmanager
def _told_of_memory(model: Any, what: str, hint: str) -> Iterator[None]:
    """Say what memory ran out for.

    Raises:
        RefusedError: It ran out.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise RefusedError(
            f"the device's memory does not hold {what}, which shows whether {type(model).__name__} "
            "is decoded correctly",
            where=f"device {model.device}, dtype {str(model.dtype).removeprefix('torch.')}",
            hint=hint,
        ) from error


@contextmanager
def _in_float32(model: torch.nn.Module) -> Iterator[None]:
    """Half-precision weights widened for a while; going there and back changes no bit.

    Tensor by tensor, because ``model.to`` would also narrow what stays in float32 all along, such
    as rotary frequencies.
    """
    weights = [*model.parameters(), *model.buffers()]
    narrow = [(one, one.dtype) for one in weights if one.dtype in (torch.bfloat16, torch.float16)]
    try:
        for one, _ in narrow:
            one.data = one.data.float()
        yield
    finally:
        for one, dtype in narrow:
            one.data = one.data.to(dtype)


_HINTS = "choose one of the models in docs/architectures.md"
_EXTEND = "several tokens after a cache"


@torch.inference_mode()
def _differences(rt: Runtime, model: Any) -> dict[str, float]:
    """Reason -> how far logits differ that should be equal; the most basic fact first."""
    first, second = prompts(model)
    token, other = second[2], first[2]

    def alone(tokens: tuple[int, ...]) -> Tensor:
        return rt.encode([_row(tokens)], cache=False).logits[0, -1]

    plain = model(input_ids=torch.tensor([first], device=rt.backend.device))
    one, two = rt.encode([_row(first)]), rt.encode([_row(second)])
    found = {
        "it counts positions in its own way": far(one.logits[0, -1], plain.logits[0, -1].float()),
        "a later token changes its logits at an earlier one": far(
            plain.logits[0, MIDDLE].float(), alone(first[: MIDDLE + 1])
        ),
    }
    rt.step(one, [token])  # while the second batch is alive
    rt.step(two, [token])
    whole = [alone((*tokens, token)) for tokens in (first, second)]
    found["its cache does not hold its state, so that a step differs from the whole text"] = max(
        far(one.logits[0, -1], whole[0]), far(two.logits[0, -1], whole[1])
    )
    padded = rt.encode([_row((*tokens, token)) for tokens in (first, second)], cache=False).logits
    found["left padding changes its logits"] = far(padded[1, -1], whole[1])
    both = rt.select(rt.encode([_row(first), _row(second)]), [1])
    rt.step(both, [token])
    found["a batch goes wrong after a row has left it"] = far(both.logits[0, -1], whole[1])
    rt.step(two, [other])
    prefix = rt.encode([_row(second)])
    several = rt.fork(prefix, [0], [prefix.rows[0].continued((token, other))])
    found[_EXTEND] = far(several.logits[0, -1], two.logits[0, -1])
    return found


def _row(tokens: tuple[int, ...]) -> TokenSequence:
    return TokenSequence(list(tokens), len(tokens))


def prompts(model: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two prompts of ordinary tokens: no placeholder of an image, no mark of a text's end."""
    vocabulary = min(int(model.get_input_embeddings().num_embeddings), 1000)
    banned = special_tokens(model.config)
    ordinary = [token for token in range(vocabulary) if token not in banned]
    longer, shorter = (
        tuple(ordinary[(step * place + start) % len(ordinary)] for place in range(length))
        for length, step, start in zip(LENGTHS, (7, 11), (5, 3), strict=True)
    )
    return longer, shorter


def far(found: Tensor, wanted: Tensor) -> float:
    """Largest difference of two rows of logits, in standard deviations of the second."""
    spread = wanted.std().clamp(min=torch.finfo(wanted.dtype).tiny)
    return float((found - wanted).abs().max() / spread)
