"""VAR: move attention from sinks to other image tokens, in heads that attend to the image.

"See What You Are Told: Visual Attention Sink in Large Multimodal Models" (Kang et al., ICLR 2025,
arXiv 2503.03321). With ``x_j`` the layer's input at position ``j``, no norm weight applied::

    phi(x_j) = max over d in D_sink of |x_j[d] / rms(x_j)|,   sinks = { j : phi(x_j) > tau }

found once, over the prompt. For each row and head, with ``a`` the pattern ``[batch, head, query,
key]``, ``I`` the image and ``V = I minus sinks``::

    m = sum_I a,  r = sum_V a / m;     edited if m >= mass and r >= rho
    omega = p sum_sinks a              all sinks, the first token's included
    a'[j] = (1 - p) a[j]               j a sink
    a'[j] = a[j] + omega a[j] / sum_V a    j in V

Rows still sum to one. Rows after the image and generated rows are edited; a layer without a sink
in the image is not. The last layer and the first two are left out, as in the paper's account.

Where paper and released code differ, this is the paper: ``p`` is the share that moves (the code
moves ``1 - p``), ``rho`` bounds the non-sink share from below (the code bounds the sink share from
above), sinks are found anew for every sample.

The control takes as many tokens at random for sinks, in the image and outside it.

``D_sink`` by model is read off the code and Figure 7. For other models a dimension counts when the
first token's own input stands out in it (``|x_0[d]| / rms > tau``), which is how such dimensions
are found; results say which rule was used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field

from headbench.edits import Case, Columns, Controls, Edit, View
from headbench.interventions.grammar import Value
from headbench.interventions.image_methods import ImageMethod, image_keys
from headbench.interventions.layer_ranges import check_layers, with_attention
from headbench.interventions.method import ProbeResults
from headbench.interventions.method_catalogue import Method, MethodParams
from headbench.nouns import ModelInfo

if TYPE_CHECKING:
    from torch import Tensor

SINK_DIMS: dict[tuple[str, int, int], tuple[int, ...]] = {
    ("llava", 32, 4096): (1415, 2533),
    ("llava", 40, 5120): (2100, 4743),
    ("llava_next", 40, 5120): (2100, 4743),
    ("qwen2_vl", 28, 3584): (458, 2570),
}
"""(family, layers, width) -> sink dimensions."""
EPSILON = 1e-6
"""Added to the mean square, as RMS norms do."""


class VarParams(MethodParams):
    """VAR's thresholds, with the paper's defaults."""

    p: float = Field(0.6, ge=0, le=1)
    """Share of the sinks' attention that moves; 0 changes nothing."""
    rho: float = Field(0.5, ge=0, le=1)
    """Least non-sink share of a head's image attention. 0.5 for hallucination tasks; others report
    0.8 for general questions and 0.9 for vision-centric ones."""
    mass: float = Field(0.2, ge=0, le=1)
    """Least attention to the image."""
    tau: float = Field(20.0, gt=0)
    """Size of an activation, in units of the root mean square, above which its token is a sink."""
    sink_dims: tuple[int, ...] | None = None
    """Sink dimensions of the residual stream. Default: by model, else from the first token."""
    layers: tuple[int, ...] | None = None
    """Edited layers. Default: 2 to the last but one (from 1 on in models of at most 8 layers)."""


@dataclass(frozen=True)
class Var(ImageMethod):
    """Redistribute image attention.

    Attributes:
        sink_dims: The dimensions that were resolved; empty where the first token decides.
    """

    params: VarParams
    sink_dims: tuple[int, ...]

    @property
    def idle(self) -> bool:
        """Share 0."""
        return self.params.p == 0.0

    def resolved(self) -> dict[str, Value]:
        """Thresholds with layers and sink dimensions; none where the first token decides."""
        values = super().resolved()
        return values | ({"sink_dims": self.sink_dims} if self.sink_dims else {})

    def edits(self, case: Case | None, probed: ProbeResults) -> tuple[Edit, ...]:
        """One edit of image and sink columns at ``pattern``."""
        op = Columns(self.keys, self.redistributed, renormalise=False, reads=("layer_input",))
        return self.everywhere("pattern", op, "after_image")

    def controls(self, count: int, seed: int) -> Controls | None:
        """As many other tokens in the sinks' place, in the image and outside it."""
        unit = "as many tokens at random in the sinks' place, in the image and outside it"
        return self.redrawn(unit, count, seed)

    def sinks(self, view: View) -> Tensor:
        """Positions of the layer's sinks, found at prefill and remembered."""
        import torch

        key = f"var/{view.layer}/{self.params.tau}/{self.sink_dims}/{self.draw}"
        if key not in view.memory and view.layer_input is not None:
            x = view.layer_input.float()  # [position, width]
            size = (x / (x.square().mean(-1, keepdim=True) + EPSILON).sqrt()).abs()
            dims = torch.tensor(self.sink_dims, dtype=torch.long, device=x.device)
            if not self.sink_dims:
                # The first token is a sink in practice: what stands out in it marks the others.
                dims = torch.nonzero(size[0] > self.params.tau).flatten()
            found = (size[:, dims] > self.params.tau).any(-1)  # [position]
            view.memory[key] = torch.nonzero(found).flatten().cpu()
            if self.draw is not None:
                view.memory[key] = elsewhere(view.memory[key], view, self.draw)
        return view.memory.get(key, torch.empty(0, dtype=torch.long))

    def keys(self, view: View) -> Tensor:
        """The image, then the sinks outside it; nothing where the image holds no sink."""
        import torch

        image, sinks = image_keys(view), self.sinks(view)
        if not bool(torch.isin(image, sinks).any()):
            return image[:0]
        return torch.cat([image, sinks[~torch.isin(sinks, image)]])

    def redistributed(self, view: View, columns: Tensor) -> Tensor:
        """The edited columns, in the order of :meth:`keys`."""
        import torch

        image = image_keys(view)
        # Columns are the image's, then the sinks outside it: those are all sinks.
        is_sink = torch.ones(columns.shape[-1], dtype=torch.bool)
        is_sink[: len(image)] = torch.isin(image, self.sinks(view))
        sink = is_sink.to(columns.device)
        others = columns.masked_fill(sink, 0.0)  # [head, row, key]: image tokens that are no sinks
        mass = columns[..., : len(image)].sum(-1, keepdim=True)  # m of the module's text
        others_mass = others.sum(-1, keepdim=True)  # r m
        attends = (
            (mass >= self.params.mass) & (others_mass >= self.params.rho * mass) & (others_mass > 0)
        )
        moved = self.params.p * columns.masked_fill(~sink, 0.0).sum(-1, keepdim=True)  # omega
        share = others * (moved / others_mass.clamp(min=torch.finfo(columns.dtype).tiny))
        edited = torch.where(sink, (1 - self.params.p) * columns, columns + share)
        return torch.where(attends, edited, columns)


def elsewhere(sinks: Tensor, view: View, seed: int) -> Tensor:
    """As many positions at random as there are sinks, in the image and outside it alike.

    The order is the same for every sample of one length, so that the draw is one set of places.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    image, every = image_keys(view), torch.arange(view.prompt)
    drawn = []
    for pool in (image, every[~torch.isin(every, image)]):
        order = torch.randperm(len(pool), generator=generator)
        drawn.append(pool[order][: int(torch.isin(sinks, pool).sum())])
    return torch.cat(drawn).sort().values


def default_layers(layers: int) -> tuple[int, ...]:
    """All layers but the first two and the last; of at most eight, all but the first and last.

    At least one is left: the last, where there are two.
    """
    first = min(1 if layers <= 8 else 2, layers - 1)
    return tuple(range(first, max(layers - 1, first + 1)))


def build(params: VarParams, info: ModelInfo) -> Var:
    """Resolve layers and sink dimensions for a model."""
    layers = params.layers
    if layers is None:
        layers = with_attention(default_layers(info.layers), info)
    width = info.heads * info.head_dim
    dims = params.sink_dims or SINK_DIMS.get((info.family, info.layers, width), ())
    return Var("var", params, info, check_layers(layers, info), dims)


METHOD = Method(
    name="var",
    params_model=VarParams,
    build=build,
    summary="move attention from sinks to other image tokens in heads that attend to the image",
    source="arXiv 2503.03321",
    needs=frozenset({"image"}),
)
