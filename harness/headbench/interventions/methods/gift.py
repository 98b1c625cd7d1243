"""GIFT: boost the image tokens that gained attention at the question, and the question with them.

"Capturing Gaze Shifts for Guidance" (Qi et al., arXiv 2510.22067), after its released code. From
the unedited pattern ``a`` ``[head, row, key]`` of one layer, once per sample::

    G[h, t, j] = max(0, a[h, t, j] - a[h, t - 1, j])     t a question row, j an image key
    the half of the heads with the largest sum over (t, j) is kept
    g[j] = mean of G over kept heads and rows, clipped to mean +- 3 s, scaled to [0, 1]
    w[j] = exp(alpha g[j])

where ``s`` is the sample standard deviation over the image keys (divided by their number less 1),
as the code has it. Then, in the edited layers, after the softmax, at each row that predicts a token
of the answer: the last prompt token and every later one, as ``phase=from_last`` elsewhere::

    the half of the heads with the most image attention:    a[h, j] *= w[j],  j in the image
    s = image attention of those heads after / before
    the half of the heads with the most question attention: a[h, t] *= s,     t in the question
    rows are renormalised

Head choices are made anew in each layer and step; ``w`` stays. The code keeps only content words of
the question by a part-of-speech tagger; that filter is not offered, all question rows count. A
prompt with an image whose question is not marked is refused; no image, no question row behind it or
a flat map leave the row as it is. The control deals the same multipliers to the image keys in a
random order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field

from headbench.edits import Case, Columns, Controls, Edit, Probe, View
from headbench.errors import RefusedError
from headbench.interventions.grammar import Value
from headbench.interventions.image_methods import ImageBoost
from headbench.interventions.layer_ranges import carried, check_layers, with_attention
from headbench.interventions.method import ProbeResults
from headbench.interventions.method_catalogue import Method, MethodParams
from headbench.interventions.strengths import PaperStrength, strength
from headbench.nouns import Capture, ModelInfo

if TYPE_CHECKING:
    from torch import Tensor

PROBE = "gaze"
LLAVA_7B = (11, (12, 22))
DEFAULTS: dict[tuple[str, int], tuple[int, tuple[int, int]]] = {
    ("llava", 32): LLAVA_7B,
    ("llava", 40): (10, (14, 20)),
    ("qwen2_vl", 28): (14, (5, 18)),
}
"""(family, layers) -> saliency layer, first and last edited layer, as released."""
PAPER = PaperStrength(
    "alpha", {"qwen2_vl": 4.0, "llava": 5.0}, 5.0, "the released code of arXiv 2510.22067"
)


class GiftParams(MethodParams):
    """GIFT's layers and strength."""

    alpha: float | None = Field(None, ge=0)
    """Largest log-multiplier of an image key; 0 changes nothing. Default: Qwen2-VL 4, else 5;
    for the shipped model the strength chosen on calibration scenes."""
    saliency_layer: int | None = Field(None, ge=0)
    """Layer whose gaze shifts make the map. Default by family, else at the same relative depth."""
    layers: tuple[int, ...] | None = None
    """Edited layers. Default by family, else at the same relative depth."""


@dataclass(frozen=True)
class Gift(ImageBoost):
    """Boost what the question turns the model's attention to.

    Attributes:
        saliency_layer: The layer of the map.
    """

    params: GiftParams
    saliency_layer: int

    def resolved(self) -> dict[str, Value]:
        """Strength and layers."""
        return super().resolved() | {"saliency_layer": self.saliency_layer}

    @property
    def capture(self) -> Capture:
        """The pattern over the image in the rows after it."""
        return Capture("pattern", (self.saliency_layer,), rows="after_image", keys="image")

    def probes(self, case: Case) -> tuple[Probe, ...]:
        """One unedited pass of the same request; none without an image.

        Raises:
            RefusedError: Nothing says where the question is.
        """
        if self.idle or not case.spans.get("image"):
            return ()
        if "question" not in case.spans:
            raise RefusedError(
                "gift follows the gaze of the question, and nothing says where the question is",
                where=f"document {case.request.document!r}",
                hint="mark it in the task's template with span('question'), or give "
                "intervene(..., spans={'question': positions})",
            )
        return (Probe(PROBE, case.request, (self.capture,)),)

    def edits(self, case: Case | None, probed: ProbeResults) -> tuple[Edit, ...]:
        """One edit of image and question columns at ``pattern``."""
        op = Columns(self.keys, self.boosted, renormalise=True)
        return self.everywhere("pattern", op, "last")

    def controls(self, count: int, seed: int) -> Controls | None:
        """The same multipliers, dealt to the image keys at random."""
        return self.redrawn("the same multipliers on image keys in a random order", count, seed)

    def keys(self, view: View) -> Tensor:
        """The image, then the question; nothing where there is no map."""
        import torch

        if self.weights(view).numel() == 0:
            return torch.empty(0, dtype=torch.long)
        return torch.tensor((*view.spans["image"], *question_rows(view)), dtype=torch.long)

    def weights(self, view: View) -> Tensor:
        """Multipliers of the image keys, made once per sample; empty where there is no map."""
        import torch

        # What makes the multipliers is in the key: gift+gift in one condition has two of them.
        key = f"gift/{self.saliency_layer}/{self.alpha}/{self.draw}"
        if key not in view.memory:
            rows = question_rows(view)
            found = view.probes.get(PROBE, {}).get(self.capture)
            empty = torch.empty(0)
            if found is not None and rows:
                # The capture begins at the row after the image.
                start = max(view.spans["image"]) + 1
                gaze = saliency(found[0].float().cpu(), [row - start for row in rows])
                empty = torch.exp(self.alpha * gaze) if gaze is not None else empty
            view.memory[key] = empty if self.draw is None else shuffled(empty, self.draw)
        return view.memory[key]

    def boosted(self, view: View, columns: Tensor) -> Tensor:
        """The edited columns ``[head, row, key]``, before the engine renormalises."""
        import torch

        weights = self.weights(view).to(columns.device)
        image, question = columns[..., : len(weights)], columns[..., len(weights) :]
        half = max(1, columns.shape[0] // 2)
        image_heads = _top(image.sum(-1), half)  # [head, row, 1]
        raised = torch.where(image_heads, image * weights, image)
        # How much these heads' image attention grew, in each row: [1, row, 1].
        before = (image * image_heads).sum((0, 2), keepdim=True)
        after = (raised * image_heads).sum((0, 2), keepdim=True)
        tiny = torch.finfo(columns.dtype).tiny
        scale = torch.where(before > 0, after / before.clamp(min=tiny), 1.0)
        question_heads = _top(question.sum(-1), half)
        return torch.cat([raised, torch.where(question_heads, question * scale, question)], -1)


def question_rows(view: View) -> tuple[int, ...]:
    """Positions of the question after the image."""
    start = max(view.spans.get("image", (view.prompt,))) + 1
    return tuple(position for position in view.spans.get("question", ()) if position >= start)


def shuffled(weights: Tensor, seed: int) -> Tensor:
    """The weights in a random order, the same for every sample of this many."""
    import torch

    return weights[torch.randperm(len(weights), generator=torch.Generator().manual_seed(seed))]


def saliency(pattern: Tensor, rows: list[int]) -> Tensor | None:
    """The gaze map of an image, ``[key]`` in [0, 1].

    Args:
        pattern: Attention of the rows after the image to the image, ``[head, row, key]``.
        rows: Which of those rows are the question's; the first row has no predecessor here.

    Returns:
        The map, or ``None`` where there is nothing to compare (no row, one key) or it is flat.
    """
    rows = [row for row in rows if 1 <= row < pattern.shape[1]]
    if not rows or pattern.shape[2] < 2:
        return None
    # What each row gains over the row before it: [head, question row, key].
    shift = (pattern[:, rows] - pattern[:, [row - 1 for row in rows]]).clamp(min=0)
    heads = shift.sum((1, 2)).topk(max(1, pattern.shape[0] // 2)).indices
    gaze = shift[heads].mean((0, 1))  # [key]
    spread = 3 * gaze.std()  # the sample's deviation, as in the released code
    gaze = gaze.clamp(gaze.mean() - spread, gaze.mean() + spread)
    low, high = gaze.min(), gaze.max()
    return None if not bool(high > low) else (gaze - low) / (high - low)


def _top(score: Tensor, count: int) -> Tensor:
    """The ``count`` best heads of each row: bool ``[head, row, 1]`` from ``[head, row]``."""
    import torch

    best = torch.zeros_like(score, dtype=torch.bool)
    return best.scatter(0, score.topk(count, dim=0).indices, True)[..., None]


def build(params: GiftParams, info: ModelInfo) -> Gift:
    """Resolve strength and layers for a model."""
    released = DEFAULTS.get((info.family, info.layers))
    source, (first, last) = released or LLAVA_7B
    saliency_layers: tuple[int, ...] = (source,)
    default_layers = tuple(range(first, last + 1))
    if not released:  # another depth: the layers of LLaVA-7B, carried over from its 32
        saliency_layers = carried(source, source, 32, info.layers)
        default_layers = carried(first, last, 32, info.layers)
    (default_saliency,) = with_attention(saliency_layers[:1], info)
    (saliency_layer,) = check_layers(
        (default_saliency if params.saliency_layer is None else params.saliency_layer,), info
    )
    alpha, assumed = strength(params.alpha, "gift", PAPER, info)
    default = with_attention(default_layers, info)
    layers = check_layers(default if params.layers is None else params.layers, info)
    return Gift("gift", params, info, layers, alpha, saliency_layer, assumed=assumed)


METHOD = Method(
    name="gift",
    params_model=GiftParams,
    build=build,
    summary="boost image tokens that gained attention at the question, and the question with them",
    source="arXiv 2510.22067 and its released code",
    needs=frozenset({"image"}),
    strength=PAPER,
)
