"""VHR: reinforce the heads whose output changes when the image is removed.

"Cracking the Code of Hallucination in LVLMs with Vision-aware Head Divergence" (He et al., ACL
2025, arXiv 2412.13949). At the last prompt token, with ``z`` ``[head, dim]`` before the output
projection::

    VHD[l, h] = || z_image[l, h] - z_text[l, h] ||_2                              Eq. 4, 5
    TA[l, h]  = || z_text[l, h] ||_2 ** 2
    VHD[l, h] = 0   if VHD > mean_h + std_h  and  TA > mean_h + std_h             Eq. 6
    H_l       = { h : VHD[l, h] > median_h VHD[l, :] }                            Eq. 7
    z[:, :, h] <- alpha z[:, :, h]     for h in H_l, every position, prompt and generated

Layers are taken in order, so ``z_image`` of a layer already depends on the reinforced layers below;
the heads are chosen at the last prompt token and kept for the whole answer (Algorithm 1).

Choices made here where the paper says nothing: standard deviations are those of a population; the
text-only prompt drops the image placeholders and keeps everything else; the text-only pass is
unedited (whether the authors reinforce it was not found). With ``reinforce_text_branch=true`` the
heads of a layer, once chosen, are scaled in the text-only pass too, and so change ``z_text`` of
later layers. A request without an image selects no head: the edit is a no-op.

The control chooses per sample too: in each layer as many heads as the method itself would, at
random, anew for every prompt. Two contrasts: heads that the method would not choose (``apart``),
and the heads that it chooses for another document with another image (``document``; chosen in
unedited passes of that document, so deeper layers do not feel the reinforced ones below).
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from pydantic import model_validator

from headbench.edits import Case, Contrast, Controls, Edit, Plan, Probe, Scale, View
from headbench.errors import RefusedError
from headbench.interventions.contrasts import SAME_LAYERS, contrast_sets
from headbench.interventions.control_draws import Draws, other_sets
from headbench.interventions.grammar import Value
from headbench.interventions.head_choice import ChosenHeads, HeadChoice, Pair, choose
from headbench.interventions.layer_ranges import check_layers, with_attention
from headbench.interventions.method import BoundMethod, ProbeResults
from headbench.interventions.method_catalogue import Method, MethodParams
from headbench.interventions.strengths import PaperStrength, strength
from headbench.nouns import Capture, ModelInfo, Request

if TYPE_CHECKING:
    from torch import Tensor

PROBE = "text_only"
DONOR = "donor"
"""Probe of the document whose heads a control borrows."""
IMAGE_MARKER = "<image>"
PAPER = PaperStrength(
    "alpha",
    {"llava": 2.0, "llava_next": 2.0, "instructblip": 2.0},
    2.0,
    "arXiv 2412.13949, Sec. 4.4",
)
SHALLOW = 8
"""Models of at most this many layers reinforce all of them: the paper's fractions would leave one
or two layers."""


class VhrParams(MethodParams):
    """VHR's switches; but for the strength, defaults are the paper's (Sec. 4.4)."""

    alpha: float | None = None
    """Factor of the chosen heads; 1 changes nothing. Default: 2 as in the paper; for the shipped
    model the strength chosen on calibration scenes. Tables 6 and App. C: 3 and more break text."""
    layers: tuple[int, ...] | None = None
    """Layers to reinforce. Default: the last 14 of 32 (LLaVA), the last 18 of 32 (InstructBLIP),
    the same fractions at other depths, all layers of models with at most 8."""
    second_layer: bool | None = None
    """Also reinforce layer 1. Default: yes for all but InstructBLIP; no effect with ``layers``."""
    outlier_removal: bool = True
    """Zero the divergence of heads whose output grows when the image is removed (Eq. 6)."""
    reinforce_text_branch: bool = False
    """Whether the text-only pass is reinforced too, in the same heads; it then runs in one batch
    with the request. The paper does not say whether its authors do; the default is not to."""
    per_sample: bool = True
    """Choose heads for each sample. ``false`` takes them from ``map`` or ``heads``, once (Table 4,
    "fixed"), which folds into the weights and is much weaker."""
    heads: tuple[Pair, ...] | None = None
    """With ``per_sample=false``: (layer, head) pairs."""
    map: str | None = None
    """With ``per_sample=false``: a divergence map; the better half of each layer is reinforced."""

    @model_validator(mode="after")
    def _consistent(self) -> VhrParams:
        given = (self.heads is not None) + (self.map is not None)
        if self.per_sample and given:
            raise ValueError("heads= and map= belong to per_sample=false")
        if self.reinforce_text_branch and not self.per_sample:
            raise ValueError("reinforce_text_branch belongs to per_sample=true")
        if not self.per_sample and given != 1:
            raise ValueError("per_sample=false needs heads= or map=")
        return self

    def needed(self, declared: frozenset[str]) -> frozenset[str]:
        """An image, unless the heads are fixed."""
        return declared if self.per_sample else declared - {"image"}


def default_layers(info: ModelInfo, second_layer: bool | None) -> tuple[int, ...]:
    """The layers that are reinforced when none are named.

    Args:
        info: The model; its family and depth decide.
        second_layer: Whether layer 1 joins; ``None`` is the family's default.
    """
    if info.layers <= SHALLOW:
        return info.attending
    blip = "blip" in info.family
    last = round(info.layers * (18 if blip else 14) / 32)
    with_layer_1 = not blip if second_layer is None else second_layer
    tail = range(info.layers - last, info.layers)
    return with_attention(sorted({*([1] if with_layer_1 else []), *tail}), info)


def divergence(z_image: Tensor, z_text: Tensor, *, outlier_removal: bool) -> Tensor:
    """Vision-aware head divergence of one layer, ``[head]``.

    Args:
        z_image: Head outputs at the last prompt token with the image, ``[head, dim]``.
        z_text: The same without the image.
        outlier_removal: Apply Eq. 6.
    """
    z_image, z_text = z_image.float(), z_text.float().to(z_image.device)
    vhd = (z_image - z_text).norm(dim=-1)  # [head]
    if outlier_removal:
        text = z_text.square().sum(-1)  # TA, [head]
        bar_vhd = vhd.mean() + vhd.std(correction=0)  # correction=0: of a population
        bar_text = text.mean() + text.std(correction=0)
        vhd = vhd.masked_fill((vhd > bar_vhd) & (text > bar_text), 0.0)
    found: Tensor = vhd
    return found


def above_median(scores: Tensor) -> Tensor:
    """Heads strictly above the median (the middle of the two middle values), bool ``[head]``."""
    higher: Tensor = scores > scores.quantile(0.5)
    return higher


@dataclass(frozen=True)
class Draw:
    """Which heads a control takes in the place of the method's own.

    Attributes:
        kind: ``random``: as many of the layer, anew for each prompt; ``apart``: the same without
            the method's own; ``document``: the heads chosen for another document.
        number: Number of the draw.
        seed: Seed of all draws.
    """

    kind: Literal["random", "apart", "document"]
    number: int
    seed: int

    def generator(self, *what: object) -> random.Random:
        """A generator for one purpose; the same for the same draw and purpose."""
        return random.Random(f"vhr-control/{self.kind}/{self.seed}/{self.number}/{what}")


@dataclass(frozen=True)
class Vhr(BoundMethod):
    """VHR on one model.

    Attributes:
        layers: Layers that are reinforced.
        alpha: The factor that was resolved.
        chosen: The fixed heads of ``per_sample=false``.
        draw: For a control: which heads it takes.
        donor: For a control of the kind ``document``: the request whose heads it borrows.
    """

    params: VhrParams
    layers: tuple[int, ...]
    alpha: float
    chosen: ChosenHeads | None = None
    draw: Draw | None = None
    donor: Request | None = None

    @property
    def needs(self) -> frozenset[str]:
        """An image, unless the heads are fixed."""
        return frozenset({"image"}) if self.params.per_sample else frozenset()

    @property
    def idle(self) -> bool:
        """Factor 1."""
        return self.alpha == 1.0

    def resolved(self) -> dict[str, Value]:
        """Parameters with the layers and, where fixed, the heads that were resolved."""
        values = super().resolved() | {"alpha": self.alpha, "layers": self.layers}
        values.pop("second_layer", None)
        values.pop("map", None)
        if self.chosen is not None:
            values["heads"] = self.chosen.pairs
        if self.draw is not None:
            values["control"] = (self.draw.kind, self.draw.number, self.draw.seed)
        if self.donor is not None:
            values["donor"] = content(self.donor)
        return values

    @property
    def artefacts(self) -> Mapping[str, str]:
        """The head map and its digest, where heads are fixed by one."""
        fixed = self.chosen is not None and self.chosen.source
        return {"map": fixed} if fixed else {}

    @property
    def capture(self) -> Capture:
        """What is recorded in the text-only pass."""
        return Capture("z", self.layers, rows="last")

    def probes(self, case: Case) -> tuple[Probe, ...]:
        """One text-only pass; none for a request without images.

        A control that borrows another document's heads asks for that document's two passes.
        """
        if not self.params.per_sample or not case.request.images:
            return ()
        if self.draw is not None and self.draw.kind == "document":
            if self.donor is None:
                raise RefusedError(
                    "this control borrows the heads of another document, and none was given",
                    where=f"document {case.request.document!r}",
                    hint="use headbench.run, which knows the other documents",
                )
            return (
                Probe(PROBE, without_image(self.donor), (self.capture,)),
                Probe(DONOR, replace(self.donor, spans={}), (self.capture,)),
            )
        request = without_image(case.request)
        if self.params.reinforce_text_branch:
            return (Probe(PROBE, request, (), companion=True),)
        return (Probe(PROBE, request, (self.capture,)),)

    def edits(self, case: Case | None, probed: ProbeResults) -> tuple[Edit, ...]:
        """Scale the heads that :meth:`select` picks, or the fixed ones."""
        if self.chosen is not None:
            return (Edit("z", Scale(self.alpha), self.chosen.table),)
        # A control's heads depend on the prompt alone, never on the document's name or place.
        prompt = () if case is None else (case.tokens, case.request.images)
        return (Edit("z", Scale(self.alpha), Selection(self, prompt)),)

    def plan(self, case: Case | None, probed: ProbeResults) -> Plan:
        """The edits; without a case only fixed heads have an answer.

        Raises:
            RefusedError: Asked for a static plan of heads that are chosen per sample.
        """
        if case is None and self.chosen is None:
            raise RefusedError(
                "vhr chooses heads for each sample, so it has no static plan",
                hint="use per_sample=false with heads= or map=",
            )
        return super().plan(case, probed)

    def select(self, view: View, z: Tensor, prompt: object = ()) -> Tensor:
        """The heads to reinforce in a layer, bool ``[head]``, from the last prompt token's z.

        Args:
            view: Row and layer.
            z: Head outputs at the last prompt token, ``[head, dim]``.
            prompt: What makes the sample; a random control is drawn from it.
        """
        import torch

        none = torch.zeros(z.shape[0], dtype=torch.bool)
        z_text = self._captured(view, PROBE)
        if z_text is None:
            return none
        if self.draw is not None and self.draw.kind == "document":
            donor_z = self._captured(view, DONOR)
            z = z if donor_z is None else donor_z.to(z.device)
        scores = divergence(z, z_text, outlier_removal=self.params.outlier_removal)
        picked = above_median(scores).cpu()
        if self.draw is None or self.draw.kind == "document":
            return picked
        # As many heads as the method picks: of all heads, or of those it does not pick.
        pool = [h for h in range(len(picked)) if self.draw.kind == "random" or not picked[h]]
        none[self.draw.generator(prompt, view.layer).sample(pool, int(picked.sum()))] = True
        return none

    def _captured(self, view: View, probe: str) -> Tensor | None:
        """The last prompt token's z of a probe in this layer, ``[head, dim]``."""
        if view.layer not in self.layers:
            return None
        # A companion runs in the same batch and was read just now; other probes ran before.
        if view.companion is not None or probe not in view.probes:
            return view.companion
        return view.probes[probe][self.capture][self.layers.index(view.layer), -1]

    # ------------------------------------------------------------- controls

    def controls(self, count: int, seed: int) -> Controls | None:
        """As many random heads in each layer, anew for each prompt; for fixed heads, other sets."""
        if self.chosen is not None:
            draws = other_sets(self.chosen.table, self.info.heads, count, seed)
            return self._fixed(draws, SAME_LAYERS.format("heads"), excluded=False)
        unit = "as many random heads in each layer, drawn anew for each sample"
        return self._per_sample("random", unit, count, seed)

    def contrast(self, kind: Contrast, count: int, seed: int) -> Controls | None:
        """Heads that are not its own, or those of another document; for fixed heads, other sets."""
        if self.chosen is not None:
            fixed = contrast_sets(
                kind, self.chosen.table, self.info.heads, self.info, self.params.map, count, seed
            )
            return fixed and self._fixed(fixed[0], fixed[1].format("heads"), excluded=True)
        if kind.heads == "apart":
            unit = "as many random heads in each layer that it does not choose, for each sample"
            return self._per_sample("apart", unit, count, seed)
        if kind.heads == "document" and not self.params.reinforce_text_branch:
            return self._per_sample("document", "the heads of another document", count, seed)
        return None

    def placed(self, request: Request, peers: Sequence[Request]) -> Vhr:
        """The control of one request: with the document whose heads it borrows.

        Args:
            request: The request.
            peers: Requests of the same task; one with another image is drawn.

        Raises:
            RefusedError: no other request has another image.
        """
        if self.draw is None or self.draw.kind != "document" or not request.images:
            return self
        # One request per image, the first of its peers: reversed, because later entries win.
        others = {peer.images: peer for peer in reversed(peers)}
        others = {key: peer for key, peer in others.items() if key and key != request.images}
        if not others:
            raise RefusedError(
                "no other document of the task has another image to borrow heads from",
                where=f"document {request.document!r}",
                hint="take more documents with --limit, or other controls",
            )
        drawn = self.draw.generator(content(request)).choice(sorted(others))
        return replace(self, donor=others[drawn])

    def rescaled(self, factor: float) -> Vhr:
        """The change of the output, ``alpha - 1``, times ``factor``."""
        return replace(self, alpha=1 + factor * (self.alpha - 1))

    def _per_sample(
        self, kind: Literal["random", "apart", "document"], unit: str, count: int, seed: int
    ) -> Controls:
        heads, half = self.info.heads, self.info.heads // 2
        possible = math.comb(heads, half) ** len(self.layers)
        draws = tuple(
            replace(self, draw=Draw(kind, number, seed)) for number in range(min(count, possible))
        )
        own_kept_out = kind != "random"
        return Controls(unit, draws, possible, own_kept_out, test=not own_kept_out)

    def _fixed(self, draws: Draws, unit: str, *, excluded: bool) -> Controls | None:
        if not draws.possible:
            return None
        fixed = tuple(replace(self, chosen=ChosenHeads(table)) for table in draws.tables)
        return Controls(unit, fixed, draws.possible, excluded, test=not excluded)


@dataclass(frozen=True)
class Selection:
    """The choice of heads for one prompt; equal for equal prompts.

    Attributes:
        method: The method.
        prompt: What makes the sample.
    """

    method: Vhr
    prompt: object

    def __call__(self, view: View, z: Tensor) -> Tensor:
        """The heads of a layer, bool ``[head]``."""
        return self.method.select(view, z, self.prompt)


def without_image(request: Request) -> Request:
    """The request with its image placeholders dropped and everything else kept."""
    messages = tuple(
        {**message, "content": message["content"].replace(IMAGE_MARKER, "")}
        for message in request.messages
    )
    return replace(request, messages=messages, images=(), spans={})


def content(request: Request) -> str:
    """Digest of what a request shows: its messages and images."""
    shown = repr(([dict(message) for message in request.messages], request.images))
    return hashlib.sha256(shown.encode()).hexdigest()[:16]


def build(params: VhrParams, info: ModelInfo) -> Vhr:
    """Resolve layers and fixed heads for a model.

    Raises:
        RefusedError: A layer that the model does not have, or one without attention.
    """
    layers = params.layers
    if layers is None:
        layers = default_layers(info, params.second_layer)
    if not layers:
        raise RefusedError("no layer is chosen", hint="list layers, or leave `layers` out")
    layers = check_layers(layers, info)
    chosen = None
    if params.heads is not None:
        chosen = choose(HeadChoice(heads=params.heads), info)
    elif params.map is not None:
        half = choose(HeadChoice(map=params.map, fraction=0.5), info)
        kept = {layer: heads for layer, heads in half.table.items() if layer in layers}
        chosen = ChosenHeads(kept, half.source)
    alpha, assumed = strength(params.alpha, "vhr", PAPER, info, calibrated=params.per_sample)
    return Vhr("vhr", params, info, layers, alpha, chosen, assumed=assumed)


METHOD = Method(
    name="vhr",
    params_model=VhrParams,
    build=build,
    summary="reinforce, per sample, the heads whose output depends on the image",
    source="arXiv 2412.13949, Eq. 4-7, Algorithm 1",
    needs=frozenset({"image"}),
    strength=PAPER,
)
