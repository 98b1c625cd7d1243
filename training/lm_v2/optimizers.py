"""Optimizers: Muon for hidden matrices, AdamW for the rest.

Muon orthogonalises the momentum of a matrix by a Newton-Schulz iteration before it steps (Jordan et
al. 2024, "Muon: an optimizer for hidden layers in neural networks"). Embeddings, vocabulary heads,
biases and norms keep AdamW.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
from torch import Tensor, nn

OptimizerKind = Literal["muon", "adamw"]
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_STEPS = 5


def orthogonalise(matrix: Tensor) -> Tensor:
    """Nearest semi-orthogonal matrix, roughly: singular values land in about 0.7..1.2.

    Args:
        matrix: ``[rows, columns]``. A zero matrix stays zero.
    """
    first, second, third = _COEFFICIENTS
    tall = matrix.size(0) > matrix.size(1)
    x: Tensor = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(_STEPS):
        gram = x @ x.T
        x = first * x + (second * gram + third * gram @ gram) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised: ``w <- w - lr max(1, rows / columns)^0.5 O(g + momentum m)``.

    Args:
        parameters: Matrices only.
        lr: Step in spectral norm.
        momentum: Decay of the running sum of gradients (Nesterov form).
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, momentum: float = 0.95):
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update of every matrix that has a gradient."""
        loss = closure() if closure else None
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(weight)
                running = state["momentum"]
                running.mul_(group["momentum"]).add_(weight.grad)
                update = orthogonalise(weight.grad + group["momentum"] * running)
                stretch = max(1.0, weight.size(0) / weight.size(1)) ** 0.5
                weight.add_(update, alpha=-group["lr"] * stretch)
        return loss


class Optimizers:
    """The optimizers of one training stage, driven as one.

    Args:
        model: What to train; parameters without ``requires_grad`` are left out.
        kind: ``muon`` (hidden matrices by Muon, the rest by AdamW) or ``adamw`` (everything).
        lr: Step of the hidden matrices under ``muon``, of everything under ``adamw``.
        rest_lr: Step of the rest under ``muon``.
    """

    def __init__(
        self, model: nn.Module, kind: OptimizerKind, lr: float, rest_lr: float = 3e-3
    ) -> None:
        hidden, rest = _split(model)
        adamw: dict[str, Any] = {"betas": (0.9, 0.95), "weight_decay": 0.0}
        if kind == "muon":
            self.members: dict[str, torch.optim.Optimizer] = {
                "muon": Muon(hidden.values(), lr),
                "adamw": torch.optim.AdamW(rest.values(), lr=rest_lr, **adamw),
            }
            self._names = {"muon": list(hidden), "adamw": list(rest)}
        else:
            both = {**hidden, **rest}
            self.members = {"adamw": torch.optim.AdamW(both.values(), lr=lr, **adamw)}
            self._names = {"adamw": list(both)}
        self._base = {
            name: [group["lr"] for group in member.param_groups]
            for name, member in self.members.items()
        }

    def step(self, scale: float = 1.0) -> None:
        """Step every member at ``scale`` times its base rate, then clear the gradients."""
        for name, member in self.members.items():
            for group, base in zip(member.param_groups, self._base[name], strict=True):
                group["lr"] = base * scale
            member.step()
            member.zero_grad(set_to_none=True)

    def tensors(self) -> dict[str, Tensor]:
        """State as flat tensors, ``member/parameter/entry``, for a safetensors file."""
        flat = {}
        for name, member in self.members.items():
            parameters = [p for group in member.param_groups for p in group["params"]]
            for label, parameter in zip(self._names[name], parameters, strict=True):
                for entry, value in member.state[parameter].items():
                    flat[f"{name}/{label}/{entry}"] = torch.as_tensor(value).detach().clone()
        return flat

    def load(self, flat: dict[str, Tensor]) -> None:
        """Restore what :meth:`tensors` gave; entries of other members are ignored."""
        for name, member in self.members.items():
            parameters = [p for group in member.param_groups for p in group["params"]]
            for label, parameter in zip(self._names[name], parameters, strict=True):
                start = f"{name}/{label}/"
                for key, value in flat.items():
                    if key.startswith(start):
                        member.state[parameter][key.removeprefix(start)] = value.clone()


def _split(model: nn.Module) -> tuple[dict[str, nn.Parameter], dict[str, nn.Parameter]]:
    """Hidden matrices, and the rest, by name."""
    hidden: dict[str, nn.Parameter] = {}
    rest: dict[str, nn.Parameter] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        is_hidden = parameter.ndim == 2 and ".layers." in name
        (hidden if is_hidden else rest)[name] = parameter
    return hidden, rest
