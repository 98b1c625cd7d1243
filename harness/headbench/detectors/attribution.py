"""Direct logit attribution: what a head's output adds to the answer's logit directly.

For each token a of the answer, at the row that predicts it, with ``z_h`` the head's output
``[dim]``, ``W_O[h]`` its columns of the output projection, x the stream that enters the final norm
and ``N`` that norm made linear by holding its scale at what it is for x::

    score(h) = mean over trials and tokens of  (W_U[a] - mean_v W_U[v]) . N(W_O[h] z_h)

Subtracting the mean over the vocabulary removes what raises all logits alike
(``contrast=none`` leaves it out). Effects through later layers are not in it: a head may score 0
here and be indispensable, for which see ``masking_loss``.

Refused by name: models that normalise or rescale what attention writes to the stream, and models
whose logits are more than a projection of the normed stream (capped or scaled logits).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from headbench.detectors.detector import (
    Detector,
    DetectorParams,
    Measurement,
    Trial,
    Trials,
    attending_layers,
    chunks,
    engine_of,
)
from headbench.errors import RefusedError
from headbench.nouns import Capture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from headbench.models.hf.adapter import HFModel
    from headbench.models.hf.engine import Engine

OUTPUTS = ("o_proj", "out_proj", "dense", "c_proj")
"""Names of the projection after attention."""
AFTER_NORMS = ("post_feedforward_layernorm", "post_self_attn_layernorm")
"""Layers with one of these normalise what attention writes."""
TOLERANCE = 1e-3
"""Largest difference of recomputed logits, relative to their size (x 100 in half precision)."""


class AttributionParams(DetectorParams):
    """What the answer's logit is compared with."""

    contrast: Literal["mean", "none"] = "mean"
    """``mean``: the mean logit of the vocabulary. ``none``: nothing."""


@dataclass(frozen=True)
class Parts:
    """What lies between the heads and the logits.

    Attributes:
        outputs: A layer's output projection as ``[width, head * dim]``.
        norm: The final norm.
        unembedding: ``[vocabulary, width]``.
    """

    outputs: tuple[Tensor, ...]
    norm: nn.Module
    unembedding: Tensor

    def linear(self, parts: Tensor, stream: Tensor) -> Tensor:
        """The final norm, its scale held at ``stream``'s, on parts of the stream ``[..., width]``.

        Norms ignore the size of what they are given: a part brought to the stream's size, normed,
        and scaled back, has been divided by the stream's size (its epsilon included) and weighted.
        """

        def size(x: Tensor) -> Tensor:
            """What the norm divides by, ``[..., 1]``."""
            if isinstance(self.norm, nn.LayerNorm):
                x = x - x.mean(-1, keepdim=True)
            return x.square().mean(-1, keepdim=True).sqrt()

        part_size = size(parts)
        factor = size(stream) / part_size.clamp(min=torch.finfo(parts.dtype).tiny)
        bias = self.norm(torch.zeros_like(stream))  # constant of the norm, no part's contribution
        normed = (self.norm(parts * factor) - bias) / factor
        found: Tensor = torch.where(part_size > 0, normed, 0.0)
        return found


def run(model: HFModel, trials: Trials, params: AttributionParams) -> Measurement:
    """Score every head.

    Raises:
        RefusedError: The model's logits are not a sum over heads.
    """
    parts = parts_of(model.model, engine_of(model))
    scores: list[Tensor] = []
    for batch in chunks(model, trials.trials):
        scores += _batch(model, batch, parts, params)
    return Measurement(torch.stack(scores).mean(0), len(scores))


@torch.inference_mode()
def _batch(
    model: HFModel, batch: Sequence[Trial], parts: Parts, params: AttributionParams
) -> list[Tensor]:
    prompts = [model.prompter.resolve(trial.request) for trial in batch]
    answers = [
        model.prompter.continuation(prompt, f" {trial.answer}")
        for prompt, trial in zip(prompts, batch, strict=True)
    ]
    rows = [model.preparation.sequence(prompt) for prompt in prompts]
    for row, tokens in zip(rows, answers, strict=True):
        row.tokens.extend(tokens[:-1])  # the last token is predicted, and predicts nothing here
    heads = Capture("z", attending_layers(model))
    # The output of the last layer is what enters the final norm.
    last_residual = Capture("residual", (engine_of(model).shape.layers - 1,))
    keep = max(len(tokens) for tokens in answers)
    passed = model.runtime.encode(rows, keep=keep, cache=False, captures=(heads, last_residual))
    captured, logits = passed.captured, passed.logits
    scores = []
    for index, tokens in enumerate(answers):
        stream = captured[index][last_residual][0]  # [row, width], a row per token of the answer
        # Rows end at the same padded position, so the answer's logits are the last ones.
        _check(parts, stream, logits[index, -len(tokens) :])
        ids = torch.tensor(tokens, device=stream.device)
        target = parts.unembedding[ids].float()  # [row, width]
        if params.contrast == "mean":
            target = target - parts.unembedding.float().mean(0)
        z = captured[index][heads]  # [layer, row, head, dim]
        scores.append(contributions(parts, z, stream, target).mean(-1).cpu())  # [layer, head]
    return scores


def contributions(parts: Parts, z: Tensor, stream: Tensor, target: Tensor) -> Tensor:
    """What each head adds along ``target``, ``[layer, head, row]``.

    Args:
        parts: The way to the logits.
        z: Head outputs ``[layer, row, head, dim]``.
        stream: What enters the final norm, ``[row, width]``.
        target: Direction of the normed stream, ``[row, width]``.
    """
    found = []
    for layer, weight in enumerate(parts.outputs):
        by_head = weight.unflatten(-1, z.shape[-2:])  # [width, head, dim]
        written = torch.einsum("rhd,whd->hrw", z[layer], by_head)  # what each head writes
        found.append((parts.linear(written, stream).float() * target).sum(-1))
    return torch.stack(found)


def parts_of(model: Any, engine: Engine) -> Parts:
    """Find projections, final norm and unembedding.

    Raises:
        RefusedError: One is missing, or attention's output is normalised or rescaled.
    """
    config = model.config.get_text_config()
    name = type(model).__name__
    attending = [engine.blocks[layer] for layer in engine.modules]
    rescaled = getattr(config, "residual_multiplier", 1.0) != 1.0
    if rescaled or any(hasattr(block, after) for block in attending for after in AFTER_NORMS):
        raise RefusedError(
            f"{name} normalises or rescales what attention adds to the stream",
            hint="use masking_loss, which needs no such sum",
        )
    head = model.get_output_embeddings()
    if head is None or getattr(head, "bias", None) is not None:
        raise RefusedError(f"{name} has no plain projection to the vocabulary")
    outputs = tuple(_output(module, name) for module in engine.modules.values())
    return Parts(outputs, _final_norm(model, engine.blocks[0], name), head.weight)


def _output(module: nn.Module, name: str) -> Tensor:
    for attribute in OUTPUTS:
        found = getattr(module, attribute, None)
        if isinstance(found, nn.Module) and isinstance(weight := found.weight, torch.Tensor):
            return weight if isinstance(found, nn.Linear) else weight.T
    raise RefusedError(f"{name} has no output projection inside its attention modules")


def _final_norm(model: nn.Module, block: nn.Module, name: str) -> nn.Module:
    """The one norm that stands beside the list of decoder layers."""
    for owner in model.modules():
        lists = [child for child in owner.children() if isinstance(child, nn.ModuleList)]
        if any(block is layer for layers in lists for layer in layers):
            norms = [child for child in owner.children() if "Norm" in type(child).__name__]
            if len(norms) == 1:
                return norms[0]
    raise RefusedError(f"{name} has no single norm after its layers")


def _check(parts: Parts, stream: Tensor, logits: Tensor) -> None:
    """The logits must be a projection of the normed stream: attribution assumes it.

    Raises:
        RefusedError: They are not.
    """
    ours = (parts.norm(stream) @ parts.unembedding.T).float()
    scale = float(logits.abs().max().clamp(min=1.0))
    allowed = TOLERANCE * scale * (1 if stream.dtype == torch.float32 else 100)
    if float((ours - logits).abs().max()) > allowed:
        raise RefusedError(
            "the model's logits are more than a projection of the normed stream",
            hint="use masking_loss, which needs no such sum",
        )


DETECTOR = Detector("attribution", AttributionParams, run, "needles", 20)
