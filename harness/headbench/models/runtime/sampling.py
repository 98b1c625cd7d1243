"""Drawing tokens: a generator per answer, so that a draw depends on its seed and nothing else."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from headbench.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

SHAPING = ("temperature", "top_p", "top_k")
"""Settings that change the distribution that tokens are drawn from."""


@dataclass(frozen=True)
class Sampling:
    """The distribution that tokens are drawn from.

    Attributes:
        temperature: Divides the logits; above 0.
        top_k: Draw from this many most likely tokens; 0 draws from all.
        top_p: Draw from the fewest most likely tokens whose probabilities reach this sum; above 0
            and at most 1.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    @classmethod
    def read(cls, ask: Mapping[str, object], where: str) -> Sampling | None:
        """Read the sampling settings of a request; ``None``: the answer is greedy.

        ``do_sample`` alone decides. The other settings without it are refused, because libraries
        disagree on whether they mean sampling; ``temperature: 0`` is the one that all read alike.

        Raises:
            ConfigError: a value out of range, or a setting that needs ``do_sample``.
        """
        if not ask.get("do_sample"):
            given = [name for name in SHAPING if name in ask]
            if given == ["temperature"] and ask["temperature"] in (0, None):
                return None
            if given:
                raise ConfigError(
                    f"{given[0]} shapes what is sampled, and do_sample is not set",
                    where=f"{where}: {given[0]}={ask[given[0]]!r}",
                    hint="add `do_sample: true` to `generation_kwargs`, or remove it for greedy "
                    "answers",
                )
            return None
        temperature = _number(ask, "temperature", 1.0, where)
        top_p = _number(ask, "top_p", 1.0, where)
        top_k = _number(ask, "top_k", 0, where)
        if temperature <= 0:
            raise _out_of_range("temperature", temperature, "above 0 with do_sample", where)
        if not 0 < top_p <= 1:
            raise _out_of_range("top_p", top_p, "above 0 and at most 1", where)
        if top_k < 0 or top_k != int(top_k):
            raise _out_of_range("top_k", top_k, "a whole number; 0 is off", where)
        return cls(float(temperature), int(top_k), float(top_p))

    def weights(self, logits: Tensor) -> Tensor:
        """Probability of each token ``[vocabulary]`` under these settings, float64 on the CPU."""
        # float64: float32 sums over a large vocabulary would move the borders between tokens.
        shaped = (logits.double().cpu() / self.temperature).softmax(-1)
        if not self.top_k and self.top_p == 1:
            return shaped
        ordered, ids = shaped.sort(descending=True, stable=True)  # [vocabulary] each, ties by id
        kept = torch.ones_like(ids, dtype=torch.bool)
        if self.top_k:
            kept[self.top_k :] = False
        # A token stays while those before it do not reach top_p of what top_k left.
        kept &= ordered.cumsum(-1) - ordered < self.top_p * ordered[kept].sum()
        kept[0] = True  # never none, whatever is rounded
        return torch.zeros_like(shaped).scatter(-1, ids[kept], ordered[kept])


class Sampler:
    """Draws the tokens of one answer.

    Args:
        sampling: The distribution.
        seed: The request's own seed.
    """

    def __init__(self, sampling: Sampling, seed: int) -> None:
        self.sampling = sampling
        # Python's generator: its numbers are the same in every version and on every machine.
        self._random = random.Random(seed)

    def draw(self, logits: Tensor) -> int:
        """One token, by one number of the generator.

        The number is looked up in the cumulative distribution in the order of token ids: sorted by
        probability, two tokens that nearly tie would change places with the logits' last bits, and
        the draw with them.

        Args:
            logits: ``[vocabulary]``.
        """
        cumulative = self.sampling.weights(logits).cumsum(-1)
        point = self._random.random() * float(cumulative[-1])
        found = int(torch.searchsorted(cumulative, point, right=True))
        return min(found, len(cumulative) - 1)


def _number(ask: Mapping[str, object], name: str, default: float, where: str) -> float:
    value = ask.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{name} cannot be {value!r}", where=where, hint="a number")
    return value


def _out_of_range(name: str, value: float, allowed: str, where: str) -> ConfigError:
    return ConfigError(f"{name} cannot be {value!r}", where=where, hint=allowed)
