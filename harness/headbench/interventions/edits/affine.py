"""Edits of head outputs and queries as one affine table over ``[batch, class, head]``.

``Scale``, ``Offset``, ``Mix`` and ``ZeroDims`` are all affine in what they edit, and affine maps
compose to affine maps. So any mix of conditions in a batch, and any chain of such edits on one
row, is one table: a factor, weights of three value targets, and a constant::

    z <- factor * z + w_self * v_t + w_first * v_first + w_mean * mean(v visible) + constant

A row without edits holds factor 1 and nothing else, which leaves its bits alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from headbench.edits import Mix, Offset, Op, Scale, ZeroDims
from headbench.interventions.edits.positions import CLASSES, PositionRange

Target = Literal["self", "first", "mean"]
TargetValues = Callable[[Target, list[int]], Tensor]
"""Name of a target, query heads -> values ``[batch, query or 1, head, dim]`` of a call."""
AFFINE = (Scale, Offset, Mix, ZeroDims)


@dataclass
class AffineTable:
    """The affine map of one site and layer for a whole batch.

    Attributes:
        batch: Batch rows.
        heads: Heads of the site.
        dim: Width of a head.
        factor: ``[batch, class, head, 1 or dim]``, float32.
        weights: Target -> ``[batch, class, head, 1]``, float32; absent means zero.
        constant: ``[batch, class, head, dim]``, float32, or ``None`` for zero.
    """

    batch: int
    heads: int
    dim: int
    factor: Tensor = field(init=False)
    weights: dict[Target, Tensor] = field(default_factory=dict)
    constant: Tensor | None = None
    _device: dict[torch.device, AffineTable] = field(default_factory=dict, repr=False)
    _flat: bool | None = None
    _idle: bool | None = None
    _unscaled: bool | None = None
    _mixed: dict[Target, list[int]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.factor = torch.ones(self.batch, CLASSES, self.heads, 1)

    def edit(
        self, rows: Iterable[int], touched: frozenset[int], heads: Sequence[int], op: Op, layer: int
    ) -> None:
        """Compose ``op`` after what the table already does, for some rows, classes and heads.

        Args:
            rows: Batch rows.
            touched: Position classes.
            heads: Heads of the site.
            op: ``Scale``, ``Offset``, ``Mix`` or ``ZeroDims``.
            layer: Which entry of a vector stacked by layer applies.
        """
        self._device.clear()
        self._flat = self._idle = self._unscaled = None
        self._mixed.clear()
        where = (
            torch.tensor(list(rows))[:, None, None],
            torch.tensor(sorted(touched))[None, :, None],
            torch.tensor(list(heads))[None, None, :],
        )
        match op:
            case Scale(factor):
                self._shrink(where, torch.tensor(factor))
            case ZeroDims(dims):
                keep = torch.zeros(self.dim)
                if dims is not None:
                    keep = torch.ones(self.dim)
                    keep[list(dims)] = 0.0
                self._shrink(where, keep if dims is not None else torch.zeros(1))
            case Offset(vector):
                # At the residual stream a layer's vector is one "head" of the stream's width.
                own = vector[layer] if vector.ndim == 3 else vector[layer][None]
                self._shift(where, own[list(heads)])
            case Mix(target, weight):
                share = _per_head(weight, layer, heads)
                self._shrink(where, 1 - share)
                if isinstance(target, str):
                    table = self.weights.setdefault(target, torch.zeros_like(self.factor[..., :1]))
                    table[where] += share
                else:
                    self._shift(where, share * target[layer, list(heads)].float().cpu())
            case _:
                raise AssertionError(f"{op!r} is not affine")

    def _shrink(self, where: tuple[Tensor, ...], by: Tensor) -> None:
        if by.ndim == 1 and by.shape[0] == self.dim and self.factor.shape[-1] != self.dim:
            self.factor = self.factor.expand(-1, -1, -1, self.dim).clone()
        self.factor[where] *= by
        for table in self.weights.values():
            table[where] *= by
        if self.constant is not None:
            self.constant[where] *= by

    def _shift(self, where: tuple[Tensor, ...], by: Tensor) -> None:
        if self.constant is None:
            self.constant = torch.zeros(self.batch, CLASSES, self.heads, self.dim)
        self.constant[where] += by.float().cpu()

    def to(self, device: torch.device) -> AffineTable:
        """The table on ``device``; copied once and kept."""
        if device not in self._device:
            moved = AffineTable(0, self.heads, self.dim)
            moved.factor = self.factor.to(device)
            moved.weights = {name: t.to(device) for name, t in self.weights.items()}
            moved.constant = None if self.constant is None else self.constant.to(device)
            moved._flat, moved._unscaled = self.flat, self.unscaled
            self._device[device] = moved
        return self._device[device]

    @property
    def flat(self) -> bool:
        """Whether all classes share one entry, as for edits of both phases and all rows."""
        if self._flat is None:
            tables = [self.factor, *self.weights.values()]
            tables += [] if self.constant is None else [self.constant]
            self._flat = all(bool((t == t[:, :1]).all()) for t in tables)
        return self._flat

    @property
    def unscaled(self) -> bool:
        """Whether nothing is multiplied."""
        if self._unscaled is None:
            self._unscaled = bool((self.factor == 1).all())
        return self._unscaled

    def mixed(self, target: Target) -> list[int]:
        """Heads that take a share of a target somewhere; the others are spared the work."""
        if target not in self._mixed:
            busy = (self.weights[target] != 0).any(0).any(0).any(-1)
            self._mixed[target] = busy.nonzero().flatten().tolist()
        return self._mixed[target]

    @property
    def idle(self) -> bool:
        """Whether the table changes nothing."""
        if self._idle is None:
            self._idle = self.unscaled and not self.weights and self.constant is None
        return self._idle

    def apply(
        self,
        x: Tensor,
        call: PositionRange,
        values: TargetValues | None = None,
        *,
        fresh: bool = False,
    ) -> Tensor:
        """Map ``x`` ``[batch, query, head, dim]``; computed in float32, returned in its dtype.

        Args:
            x: What is edited.
            call: The query rows of ``x``.
            values: Where the targets of ``Mix`` come from.
            fresh: Whether ``x`` belongs to nobody else and may be overwritten.
        """
        if self.idle:
            return x
        table = self.to(x.device)
        pick = table._picker(call, x.device)
        in_place = fresh and not torch.is_grad_enabled()
        if table.unscaled and not table.weights:
            out = x
        else:
            factor = pick(table.factor)
            out = x.mul_(factor) if in_place else x * factor
        for name, weight in table.weights.items():
            if values is None:
                raise AssertionError("a Mix needs values")
            heads = self.mixed(name)
            share = pick(weight)[:, :, heads]
            # Where the weight is zero a target may be anything, NaN of an empty row included.
            added = torch.where(share == 0, 0.0, share * values(name, heads).float())
            out[:, :, heads] = (out[:, :, heads] + added).to(out.dtype)
        if table.constant is not None:
            constant = pick(table.constant)
            out = out.add_(constant) if in_place and not table.weights else out + constant
        return out.to(x.dtype)

    def _picker(self, call: PositionRange, device: torch.device) -> Callable[[Tensor], Tensor]:
        if self._flat:
            return lambda t: t[:, :1]
        single = call.single
        if single is not None:
            return lambda t: t[:, single : single + 1]
        index = call.on(device)
        batch = torch.arange(index.shape[0], device=device)[:, None]
        return lambda t: t[batch, index]


def _per_head(weight: Tensor | float, layer: int, heads: Sequence[int]) -> Tensor:
    """A Mix's weight as ``[head, 1]`` (or a scalar), from a float or a ``[layer, head]`` tensor."""
    if isinstance(weight, float | int):
        return torch.tensor(float(weight))
    return weight[layer, list(heads)].float().cpu()[:, None]
