"""Edits of head outputs and queries as one affine table over ``[batch, class, head]``.

``Scale``, ``Offset``, ``Mix`` and ``ZeroDims`` are all affine in what they edit, and affine maps
compose to affine maps. So any mix of conditions in a batch, and any chain of such edits on one row,
is one table: a factor, weights of three value targets, and a constant::

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


@dataclass
class AffineTable:
    """The affine map of one site and layer for a whole batch.

    It is built on the CPU while edits are compiled, and copied once to the device of its layer.

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
    # What is derived from the tensors above; every edit clears it.
    _on_device: dict[torch.device, AffineTable] = field(default_factory=dict, repr=False)
    _one_class: bool | None = None
    _unchanging: bool | None = None
    _unscaled: bool | None = None
    _mixed_heads: dict[Target, list[int]] = field(default_factory=dict, repr=False)

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
        self._on_device.clear()
        self._one_class = self._unchanging = self._unscaled = None
        self._mixed_heads.clear()
        # Three index tensors that broadcast to [row, class, head].
        where = (
            torch.tensor(list(rows))[:, None, None],
            torch.tensor(sorted(touched))[None, :, None],
            torch.tensor(list(heads))[None, None, :],
        )
        match op:
            case Scale(factor):
                self._multiply(where, torch.tensor(factor))
            case ZeroDims(dims) if dims is not None:
                keep = torch.ones(self.dim)
                keep[list(dims)] = 0.0
                self._multiply(where, keep)
            case ZeroDims():
                self._multiply(where, torch.zeros(1))
            case Offset(vector):
                # At the residual stream a layer's vector is one "head" of the stream's width.
                own = vector[layer] if vector.ndim == 3 else vector[layer][None]  # [head, dim]
                self._add(where, own[list(heads)])
            case Mix(target, weight):
                share = _per_head(weight, layer, heads)
                self._multiply(where, 1 - share)
                if isinstance(target, str):
                    table = self.weights.setdefault(target, torch.zeros_like(self.factor[..., :1]))
                    table[where] += share
                else:  # a given vector per head is a constant, whatever the prompt
                    self._add(where, share * target[layer, list(heads)].float().cpu())
            case _:
                raise AssertionError(f"{op!r} is not affine")

    def _multiply(self, where: tuple[Tensor, ...], by: Tensor) -> None:
        """Scale everything the table does so far: composing after a map scales all its terms."""
        if by.ndim == 1 and by.shape[0] == self.dim and self.factor.shape[-1] != self.dim:
            # One factor per head was enough until now; single dimensions need one each.
            self.factor = self.factor.expand(-1, -1, -1, self.dim).clone()
        self.factor[where] *= by
        for table in self.weights.values():
            table[where] *= by
        if self.constant is not None:
            self.constant[where] *= by

    def _add(self, where: tuple[Tensor, ...], vectors: Tensor) -> None:
        """Add ``vectors [head, dim]``."""
        if self.constant is None:
            self.constant = torch.zeros(self.batch, CLASSES, self.heads, self.dim)
        self.constant[where] += vectors.float().cpu()

    def to(self, device: torch.device) -> AffineTable:
        """The table on ``device``; copied once and kept."""
        if device not in self._on_device:
            moved = AffineTable(0, self.heads, self.dim)
            moved.factor = self.factor.to(device)
            moved.weights = {name: t.to(device) for name, t in self.weights.items()}
            moved.constant = None if self.constant is None else self.constant.to(device)
            # Read off the CPU copy: on an accelerator each of these would wait for the device.
            moved._one_class, moved._unscaled = self.one_class, self.unscaled
            self._on_device[device] = moved
        return self._on_device[device]

    @property
    def one_class(self) -> bool:
        """Whether all classes share one entry, as for edits of both phases and all rows."""
        if self._one_class is None:
            tables = [self.factor, *self.weights.values()]
            tables += [] if self.constant is None else [self.constant]
            self._one_class = all(bool((t == t[:, :1]).all()) for t in tables)
        return self._one_class

    @property
    def unscaled(self) -> bool:
        """Whether nothing is multiplied."""
        if self._unscaled is None:
            self._unscaled = bool((self.factor == 1).all())
        return self._unscaled

    @property
    def unchanging(self) -> bool:
        """Whether the table changes nothing."""
        if self._unchanging is None:
            self._unchanging = self.unscaled and not self.weights and self.constant is None
        return self._unchanging

    def mixed_heads(self, target: Target) -> list[int]:
        """Heads that take a share of a target somewhere; the others cost nothing."""
        if target not in self._mixed_heads:
            mixes = (self.weights[target] != 0).any(0).any(0).any(-1)  # [head]
            self._mixed_heads[target] = mixes.nonzero().flatten().tolist()
        return self._mixed_heads[target]

    def apply(
        self,
        x: Tensor,
        positions: PositionRange,
        values: TargetValues | None = None,
        *,
        fresh: bool = False,
    ) -> Tensor:
        """Map ``x`` ``[batch, position, head, dim]``; computed in float32, returned in its dtype.

        Args:
            x: What is edited.
            positions: The positions of ``x``.
            values: Where the targets of ``Mix`` come from.
            fresh: Whether nothing else uses ``x``, so that it may be overwritten.
        """
        if self.unchanging:
            return x
        table = self.to(x.device)
        at_positions = table._lookup(positions, x.device)
        # Autograd needs what it saved; an in-place product would overwrite it.
        in_place = fresh and not torch.is_grad_enabled()
        if table.unscaled and not table.weights:
            out = x
        else:
            factor = at_positions(table.factor)  # [batch, position or 1, head, 1 or dim]
            out = x.mul_(factor) if in_place else x * factor
        for name, weight in table.weights.items():
            if values is None:
                raise AssertionError("a Mix needs values")
            heads = self.mixed_heads(name)
            share = at_positions(weight)[:, :, heads]  # [batch, position or 1, mixed head, 1]
            # Where the weight is zero a target may be anything, NaN of an empty row included.
            added = torch.where(share == 0, 0.0, share * values(name, heads).float())
            out[:, :, heads] = (out[:, :, heads] + added).to(out.dtype)
        if table.constant is not None:
            constant = at_positions(table.constant)  # [batch, position or 1, head, dim]
            out = out.add_(constant) if in_place and not table.weights else out + constant
        return out.to(x.dtype)

    def _lookup(self, positions: PositionRange, device: torch.device) -> Callable[[Tensor], Tensor]:
        """From a table by class ``[batch, class, ...]`` to its values ``[batch, position, ...]``.

        Where one class serves all positions a slice of size 1 broadcasts, and nothing is gathered:
        that is every decoding step, and every edit of both phases.
        """
        if self._one_class:
            return lambda t: t[:, :1]
        single = positions.single
        if single is not None:
            return lambda t: t[:, single : single + 1]
        index = positions.on(device)  # [batch, position]
        batch = torch.arange(index.shape[0], device=device)[:, None]
        return lambda t: t[batch, index]


def _per_head(weight: Tensor | float, layer: int, heads: Sequence[int]) -> Tensor:
    """A Mix's weight as ``[head, 1]`` (or a scalar), from a float or a ``[layer, head]`` tensor."""
    if isinstance(weight, float | int):
        return torch.tensor(float(weight))
    return weight[layer, list(heads)].float().cpu()[:, None]
