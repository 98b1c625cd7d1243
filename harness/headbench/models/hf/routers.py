"""Routers of mixture-of-experts layers, found by what the model itself declares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headbench.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor, nn

DECLARED = "router_logits"
"""The name under which transformers' mixture models say which modules are routers."""


@dataclass(frozen=True)
class Router:
    """The router of one layer.

    Attributes:
        module: Called once per layer and pass, with the positions of all rows flattened.
        index: Where its output holds the logits.
    """

    module: nn.Module
    index: int

    def logits(self, output: Any, rows: int) -> Tensor:
        """The logits ``[batch, query, expert]`` of one call.

        Args:
            output: What the module returned.
            rows: Rows of the batch.
        """
        found: Tensor = output[self.index] if isinstance(output, tuple) else output
        return found.reshape(rows, -1, found.shape[-1])  # from [batch * query, expert]


def find_routers(model: nn.Module, blocks: Sequence[nn.Module]) -> dict[int, Router]:
    """Layer -> router; layers without experts are left out.

    Args:
        model: A transformers model.
        blocks: Its decoder layers, in order.
    """
    declared = _declared_classes(model)
    found: dict[int, Router] = {}
    for layer, block in enumerate(blocks if declared else ()):
        for module in block.modules():
            for kind, index in declared.items():
                if isinstance(module, kind):
                    found[layer] = Router(module, index)
    return found


def check_routers(layers: Sequence[int], known: Mapping[int, Router], name: str) -> None:
    """Refuse layers that have no router.

    Raises:
        RefusedError: The model, or one of the layers, has none.
    """
    if not known:
        raise RefusedError(
            f"{name} declares no router, so nothing is captured at 'router'",
            hint="use a mixture-of-experts model whose class records router_logits",
        )
    if wrong := [layer for layer in layers if layer not in known]:
        raise RefusedError(
            f"layer {wrong[0]} of {name} has no router: it has no experts",
            hint=f"layers with a router: {', '.join(map(str, known))}",
        )


def _declared_classes(model: nn.Module) -> dict[type[nn.Module], int]:
    """Classes of routers, with the place of the logits in what they return.

    A model class declares its router either as a class, whose whole output is the logits, or with
    an index into the output.
    """
    found: dict[type[nn.Module], int] = {}
    for module in model.modules():
        recorders = getattr(module, "_can_record_outputs", None) or {}
        if isinstance(recorders, dict) and DECLARED in recorders:
            recorder = recorders[DECLARED]
            kind = getattr(recorder, "target_class", recorder)
            if isinstance(kind, type):
                found[kind] = int(getattr(recorder, "index", 0))
    return found
