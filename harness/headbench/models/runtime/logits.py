"""Reading distributions off logits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headbench.errors import HeadbenchError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from headbench.models.runtime.runtime import Runtime

TOP = 20
"""How many entries of the first distribution are reported."""


def log_probability(logits: Tensor, tokens: Tensor) -> Tensor:
    """Log-probability of one token per row.

    Args:
        logits: ``[..., vocabulary]``.
        tokens: ``[...]``.
    """
    chosen = logits.gather(-1, tokens[..., None])[..., 0]  # [...]
    # One token per row is wanted: the normaliser is enough, not every log-probability.
    return chosen - logits.logsumexp(dim=-1)


def top_entries(logits: Tensor, count: int = TOP) -> dict[int, float]:
    """The most likely tokens of one distribution ``[vocabulary]``: id -> log-probability."""
    values, ids = (logits - logits.logsumexp(dim=-1)).topk(min(count, logits.shape[-1]))
    return dict(zip(ids.tolist(), values.tolist(), strict=True))


def not_a_number(where: str, runtime: Runtime) -> HeadbenchError:
    """The error for logits that are not numbers."""
    dtype: torch.dtype = runtime.backend.dtype
    name = str(dtype).removeprefix("torch.")
    return HeadbenchError(
        "the model's logits are not numbers (NaN)",
        where=f"{where}, dtype {name}, {runtime.backend.device}",
        hint="run with dtype=float32 (float16 overflows in many models), or lower the "
        "intervention's strength",
    )
