"""The vision-language model: its shape, its vision tower, and its visual heads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from training.vlm_v2.language_model import HEADS, LAYERS, build_config, head_slice, regrow_heads
from training.vlm_v2.scene_rows import (
    IMAGE_MEAN,
    IMAGE_SIDE,
    IMAGE_STD,
    PATCH,
)
from training.vlm_v2.vocabulary import IMAGE, build_tokenizer, vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from transformers import LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor

NAME = "ref-vlm-v2"
TOWER_WIDTH, TOWER_MLP, TOWER_LAYERS, TOWER_HEADS = 96, 192, 3, 4
SHARPNESS = 8.0
"""Scale of the scores that name a patch, while tower and projector are trained alone."""
VISUAL_HEADS_PER_LAYER = 4
"""Heads per layer that are closed, re-initialised and then trained on images: half of them."""
IMAGE_TOKEN_SCALE = 20.0
"""Length of image tokens relative to word embeddings, after their directions are learned."""
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}"
    "{% if not loop.last %} {% endif %}{% endfor %}{% endif %}"
    "{% if not loop.last %} {% endif %}"
    "{% endfor %}"
)
"""Plain text, as for the language model. An image is the word ``<image>`` or a content part."""


def build_vlm_config(patch: int = PATCH) -> LlavaConfig:
    """The architecture, a standard LLaVA: the language model's Llama behind a small CLIP tower.

    Args:
        patch: Side of a patch in pixels; an image makes ``(64 / patch)^2`` image tokens.
    """
    from transformers import CLIPVisionConfig, LlavaConfig

    vision = CLIPVisionConfig(
        hidden_size=TOWER_WIDTH,
        intermediate_size=TOWER_MLP,
        num_hidden_layers=TOWER_LAYERS,
        num_attention_heads=TOWER_HEADS,
        image_size=IMAGE_SIDE,
        patch_size=patch,
        projection_dim=TOWER_WIDTH,
        dtype="float32",
    )
    text = build_config()
    return LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_id=vocabulary()[IMAGE],
        image_seq_length=(IMAGE_SIDE // patch) ** 2,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        tie_word_embeddings=False,
        pad_token_id=text.pad_token_id,
        bos_token_id=text.bos_token_id,
        eos_token_id=text.eos_token_id,
        dtype="float32",
    )


def build_vlm(
    language: Mapping[str, Tensor], seed: int, patch: int = PATCH
) -> LlavaForConditionalGeneration:
    """A model whose language part is given and whose tower and projector are fresh.

    Args:
        language: State of a ``LlamaForCausalLM`` of the reference shape.
        seed: Draws the fresh weights.
        patch: Side of a patch in pixels.
    """
    from transformers import LlavaForConditionalGeneration

    torch.manual_seed(seed)
    model = LlavaForConditionalGeneration(build_vlm_config(patch))
    renamed = {
        (
            "lm_head.weight" if name == "lm_head.weight" else f"model.language_model.{name[6:]}"
        ): value
        for name, value in language.items()
    }
    missing, unexpected = model.load_state_dict(renamed, strict=False)
    if unexpected or any("language_model" in name for name in missing):
        raise ValueError(f"not a reference language model: {unexpected or missing}")
    with torch.no_grad():
        for name, parameter in model.model.vision_tower.named_parameters():
            # The library's initialisation suits a width of 768 and is too small at 96.
            if parameter.ndim >= 2:
                parameter.normal_(std=0.05 if "embed" in name else 0.1)
        for parameter in model.model.multi_modal_projector.parameters():
            if parameter.ndim == 2:
                parameter.normal_(std=0.09)
    return model


def build_processor(patch: int = PATCH) -> LlavaProcessor:
    """Tokenizer and image processor as one; neither needs torchvision."""
    from transformers import CLIPImageProcessorPil, LlavaProcessor

    images = CLIPImageProcessorPil(
        size={"height": IMAGE_SIDE, "width": IMAGE_SIDE},
        resample=4,  # box: the average of each 2 x 2 block
        do_center_crop=False,
        crop_size={"height": IMAGE_SIDE, "width": IMAGE_SIDE},
        image_mean=list(IMAGE_MEAN),
        image_std=list(IMAGE_STD),
    )
    tokenizer = build_tokenizer()
    tokenizer.chat_template = CHAT_TEMPLATE
    return LlavaProcessor(
        image_processor=images,
        tokenizer=tokenizer,
        patch_size=patch,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT_TEMPLATE,
    )


class PatchNamer(nn.Module):
    """Tower and projector, trained to map each patch to a word embedding of the language model.

    A patch with an object is to become that object's word embedding, an empty patch that of
    ``<image>``. The embeddings themselves are not trained.

    Args:
        model: The model whose tower and projector learn, in place.
        words: Token of each object, then that of an empty patch.
    """

    def __init__(self, model: LlavaForConditionalGeneration, words: Sequence[int]) -> None:
        super().__init__()
        self.tower = model.model.vision_tower
        self.projector = model.model.multi_modal_projector
        embeddings = model.model.language_model.embed_tokens.weight.detach()
        self.register_buffer("meanings", embeddings[list(words)].clone())
        self.meanings: Tensor

    def forward(self, images: Tensor) -> Tensor:
        """``[row, 3, side, side]`` -> image tokens ``[row, patch, width]``."""
        hidden = self.tower(images, output_hidden_states=True).hidden_states[-1]
        read: Tensor = self.projector(hidden[:, 1:])
        return read

    def scores(self, read: Tensor) -> Tensor:
        """Similarity of image tokens to words, ``[row, patch, word]``; largest for the nearest.

        Negative squared distance up to a constant per row, scaled for a softmax.
        """
        lengths = self.meanings.pow(2).sum(-1)
        near: Tensor = (read @ self.meanings.T - 0.5 * lengths) / lengths.mean() * SHARPNESS
        return near


@torch.no_grad()
def scale_image_tokens(model: LlavaForConditionalGeneration) -> None:
    """Lengthen image tokens by :data:`IMAGE_TOKEN_SCALE`; their directions stay.

    Layer 0 of the trained language model adds a vector of length 30 to 60 to every position, while
    a word embedding has length 7. Training alone lengthened image tokens to about 200.
    """
    for parameter in model.model.multi_modal_projector.linear_2.parameters():
        parameter *= IMAGE_TOKEN_SCALE


def choose_visual_heads(taken: Mapping[int, Iterable[int]]) -> list[tuple[int, int]]:
    """The last four heads of each layer that are neither planted nor kept for retrieval.

    Args:
        taken: Layer -> heads to leave alone.
    """
    chosen = []
    for layer in range(LAYERS):
        free = [head for head in range(HEADS) if head not in set(taken.get(layer, ()))]
        chosen += [(layer, head) for head in free[-VISUAL_HEADS_PER_LAYER:]]
    return chosen


class AsLanguage:
    """Presents a vision-language model as the language model that the head functions expect."""

    def __init__(self, model: LlavaForConditionalGeneration) -> None:
        self.model = model.model.language_model


def regrow_visual_heads(
    model: LlavaForConditionalGeneration, heads: Sequence[tuple[int, int]], seed: int
) -> None:
    """Re-initialise the visual heads.

    Args:
        model: The model, changed in place.
        heads: ``(layer, head)``.
        seed: Draws the weights.
    """
    regrow_heads(cast("Any", AsLanguage(model)), heads, torch.Generator().manual_seed(seed))


def rates(
    model: LlavaForConditionalGeneration,
    heads: Sequence[tuple[int, int]],
    *,
    language: float,
    tower: float,
) -> dict[str, Tensor]:
    """Share of each update that is applied, elementwise, by parameter name.

    The visual heads and the projector learn at the full rate, everything else more slowly, so that
    the language model keeps what it can do.

    Args:
        model: The model to be trained.
        heads: The visual heads, ``(layer, head)``.
        language: Share for the rest of the language model.
        tower: Share for the vision tower.
    """
    shares: dict[str, Tensor] = {}
    for name, parameter in model.named_parameters():
        slow = tower if "vision_tower" in name else 1.0 if "projector" in name else language
        shares[name] = torch.full_like(parameter, slow)
    for layer, head in heads:
        stem = f"model.language_model.layers.{layer}.self_attn."
        rows = head_slice(head)
        for projection in ("q_proj", "k_proj", "v_proj"):
            shares[f"{stem}{projection}.weight"][rows] = 1.0
            shares[f"{stem}{projection}.bias"][rows] = 1.0
        shares[f"{stem}o_proj.weight"][:, rows] = 1.0
    return shares


class DampedStep:
    """Applies a share of each update, elementwise.

    Args:
        model: The model that the optimizer steps.
        shares: As :func:`rates` gives them.
    """

    def __init__(self, model: nn.Module, shares: Mapping[str, Tensor]) -> None:
        self._pairs = [
            (parameter, shares[name])
            for name, parameter in model.named_parameters()
            if bool((shares[name] != 1).any())
        ]
        self._before: list[Tensor] = []

    @torch.no_grad()
    def remember(self) -> None:
        """Call before the optimizer's step."""
        self._before = [parameter.detach().clone() for parameter, _ in self._pairs]

    @torch.no_grad()
    def damp(self) -> None:
        """Call after it: each parameter keeps only its share of the update."""
        for (parameter, share), before in zip(self._pairs, self._before, strict=True):
            parameter.copy_(torch.lerp(before, parameter, share))
