"""Tiny random models, tokenizers and processors, made in memory: nothing is downloaded.

The initialiser range is wide (.3) and half of the heads attend to the first token (a sink), because
a narrow random model has flat patterns, on which an edit of attention changes nothing.
"""

from __future__ import annotations

from typing import Any

import torch
from PIL import Image
from tokenizers import AddedToken, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Sequence, Split, WhitespaceSplit
from tokenizers.processors import TemplateProcessing
from transformers import (
    BertConfig,
    BertModel,
    CLIPImageProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlamaForCausalLM,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.qwen2_vl.processing_qwen2_vl import Qwen2VLProcessor

SPECIAL = ("<pad>", "<s>", "</s>", "<unk>", "<image>")
VISION = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
_PLAIN = (
    "yes no is there a an in the image photo of cat dog fork knife plate table lamp red blue green "
    "what where who secret word key answer question describe please river stone bread and or with "
    "without near under above one two three four five six seven eight nine ten USER ASSISTANT"
)
WORDS = tuple(_PLAIN.split())
PUNCTUATION = (":", "?", ".", ",", "!")
INITIALIZER_RANGE = 0.3

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] | upper }} : "
    "{% if message['content'] is string %}{{ message['content'] | trim }}"
    "{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %} {% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT :{% endif %}"
)


def tiny_tokenizer(*, chat_template: bool = False, bos: bool = True) -> PreTrainedTokenizerFast:
    """A word-level tokenizer: one token a word or punctuation mark, ``<s>`` in front."""
    vocabulary = [*SPECIAL, *VISION, "USER", "ASSISTANT", *PUNCTUATION, *WORDS]
    ids = {word: index for index, word in enumerate(dict.fromkeys(vocabulary))}
    core = Tokenizer(WordLevel(ids, unk_token="<unk>"))
    core.pre_tokenizer = Sequence(
        [WhitespaceSplit(), *(Split(mark, behavior="isolated") for mark in PUNCTUATION)]
    )
    core.add_special_tokens([AddedToken(word, special=True) for word in (*SPECIAL, *VISION)])
    if bos:
        core.post_processor = TemplateProcessing(
            single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", ids["<s>"])]
        )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
    if chat_template:
        tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def text_settings(**changes: Any) -> dict[str, Any]:
    """Settings of the tiny grouped-head Llama: 3 layers, 4 heads, 2 key/value heads."""
    settings: dict[str, Any] = {
        "vocab_size": len(tiny_tokenizer()),
        "hidden_size": 48,
        "intermediate_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 12,
        "max_position_embeddings": 2048,
        "attention_bias": True,
        "initializer_range": INITIALIZER_RANGE,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
    }
    return settings | changes


def add_sink(model: PreTrainedModel, token: int = 1, strength: float = 4.0) -> PreTrainedModel:
    """Make the odd heads of every layer prefer the position of ``token``.

    One hidden dimension flags the token; keys read the flag, query biases look for it, both in the
    slowest rotary pair, so that distance matters little.
    """
    text = model.get_decoder() if hasattr(model, "get_decoder") else model.model
    with torch.no_grad():
        embedding = model.get_input_embeddings().weight
        embedding[:, 0] = 0.0
        embedding[token] *= 0.1
        embedding[token, 0] = 30.0
        for layer in text.layers:
            attention = layer.self_attn
            size = attention.head_dim
            slow = size // 2 - 1
            keys = attention.k_proj.weight.view(-1, size, embedding.shape[1])
            keys[:, slow, 0] = 0.5 * strength
            bias = attention.q_proj.bias.view(-1, size)
            bias[1::2, slow] = strength
    return model


def tiny_llama(seed: int = 0, **changes: Any) -> PreTrainedModel:
    """A random Llama in fp32 with a sink."""
    torch.manual_seed(seed)
    model = LlamaForCausalLM(LlamaConfig(**text_settings(**changes)))
    return add_sink(model.eval())


def tiny_llava(seed: int = 0, **changes: Any) -> PreTrainedModel:
    """A random LLaVA: the tiny Llama, and a CLIP tower of 16 patches of a 32 x 32 image."""
    torch.manual_seed(seed)
    vision = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=32,
        patch_size=8,
        initializer_range=INITIALIZER_RANGE,
        initializer_factor=5.0,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=LlamaConfig(**text_settings(**changes)),
        image_token_id=4,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        initializer_range=INITIALIZER_RANGE,
    )
    config.eos_token_id, config.pad_token_id, config.bos_token_id = 2, 0, 1
    return add_sink(LlavaForConditionalGeneration(config).eval())


def tiny_llava_processor(*, chat_template: bool = False) -> LlavaProcessor:
    """The processor that fits :func:`tiny_llava`; 16 placeholder tokens an image."""
    pixels = CLIPImageProcessor(
        size={"height": 32, "width": 32},
        do_center_crop=False,
        crop_size={"height": 32, "width": 32},
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )
    return LlavaProcessor(
        pixels,
        tiny_tokenizer(),
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT_TEMPLATE if chat_template else None,
    )


def tiny_qwen2_vl(seed: int = 0, **changes: Any) -> PreTrainedModel:
    """A random Qwen2-VL with three-part rotary positions; 2 x 2 patches merge into one token."""
    torch.manual_seed(seed)
    ids = tiny_tokenizer().convert_tokens_to_ids
    text = text_settings(
        rope_parameters={"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 2, 2]},
        **changes,
    )
    del text["attention_bias"], text["head_dim"]
    config = Qwen2VLConfig(
        text_config=text,
        vision_config={
            "depth": 2,
            "embed_dim": 32,
            "hidden_size": text["hidden_size"],
            "num_heads": 4,
            "mlp_ratio": 2,
            "patch_size": 4,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "initializer_range": INITIALIZER_RANGE,
        },
        image_token_id=ids("<|image_pad|>"),
        video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"),
        vision_end_token_id=ids("<|vision_end|>"),
        initializer_range=INITIALIZER_RANGE,
    )
    return add_sink(Qwen2VLForConditionalGeneration(config).eval())


class ImageOnlyQwen2VLProcessor(Qwen2VLProcessor):
    """The family's processor without its video half, which would need torchvision."""

    @classmethod
    def get_attributes(cls) -> list[str]:
        return ["image_processor", "tokenizer"]


def tiny_qwen2_vl_processor(*, chat_template: bool = False) -> Qwen2VLProcessor:
    """The processor that fits :func:`tiny_qwen2_vl`; the token count follows the image's size."""
    pixels = Qwen2VLImageProcessorPil(
        patch_size=4,
        merge_size=2,
        temporal_patch_size=2,
        size={"shortest_edge": 16 * 16, "longest_edge": 64 * 64},
    )
    template = CHAT_TEMPLATE.replace("<image>", "<|vision_start|><|image_pad|><|vision_end|>")
    return ImageOnlyQwen2VLProcessor(
        pixels, tiny_tokenizer(), chat_template=template if chat_template else None
    )


def tiny_bert(seed: int = 0) -> PreTrainedModel:
    """A random BERT encoder of two layers."""
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(tiny_tokenizer()),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=128,
        initializer_range=INITIALIZER_RANGE,
        pad_token_id=0,
    )
    return BertModel(config).eval()


def picture(seed: int, size: tuple[int, int] = (32, 32)) -> Image.Image:
    """An image of coloured noise, the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (size[1], size[0], 3), generator=generator, dtype=torch.uint8)
    return Image.fromarray(pixels.numpy())
