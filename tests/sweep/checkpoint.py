"""Tiny checkpoints: a random model of one class, and a tokenizer with a token per word."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import AddedToken, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from sweep.configs import FAULTS, FIRST_MARK, MARKS, VOCABULARY, kinds, tiny

LARGEST = 25_000_000
"""Parameters of the largest model that still counts as tiny."""
SPECIAL = ("<pad>", "<s>", "</s>", "<unk>", *(f"<{mark}>" for mark in MARKS))
WORDS = tuple(f"w{number}" for number in range(VOCABULARY - len(SPECIAL)))
assert SPECIAL.index(f"<{MARKS[0]}>") == FIRST_MARK


class Unbuilt(Exception):
    """A class of which no tiny model can be made, with the reason."""


def save(model_type: str, folder: Path) -> None:
    """Save a tiny checkpoint of a model type.

    Raises:
        Unbuilt: The class cannot be made from a tiny configuration here.
    """
    try:
        config = tiny(model_type)
        kind = getattr(transformers, kinds()[model_type])
        with torch.device("meta"):
            size = sum(parameter.numel() for parameter in kind(config).parameters())
        if size > LARGEST:
            raise Unbuilt(f"still {size / 1e6:.0f} million parameters when every size is tiny")
        torch.manual_seed(0)
        model = kind(config).eval()
        _settle(model)
        _try(model)
        model.save_pretrained(folder)
    except Unbuilt:
        raise
    except FAULTS as error:
        raise Unbuilt(f"{type(error).__name__}: {' '.join(str(error).split())}") from error
    tokenizer().save_pretrained(folder)


def _settle(model: Any) -> None:
    """Fill what the class leaves empty or infinite, so that random weights give finite logits."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if not bool(parameter.isfinite().all()) or float(parameter.abs().max()) > 1e4:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    if getattr(model, "generation_config", None) is not None:
        model.generation_config.eos_token_id = 2
        model.generation_config.pad_token_id = 0


def _try(model: Any) -> None:
    """One pass of the library's own over a few words.

    Raises:
        RuntimeError: The tiny sizes do not fit together; what else the class wants is its own.
    """
    try:
        with torch.no_grad():
            model(input_ids=torch.arange(VOCABULARY - 12, VOCABULARY)[None])
    except (TypeError, ValueError, AttributeError, LookupError, NotImplementedError):
        pass


def tokenizer() -> PreTrainedTokenizerFast:
    """A word-level tokenizer: marks first, then words; ``<s>`` in front of a text."""
    ids = {word: number for number, word in enumerate((*SPECIAL, *WORDS))}
    core = Tokenizer(WordLevel(ids, unk_token="<unk>"))
    core.pre_tokenizer = WhitespaceSplit()
    core.add_special_tokens([AddedToken(word, special=True) for word in SPECIAL])
    core.post_processor = TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def prompts(count: int = 16) -> list[str]:
    """Texts of 2 to 21 words, longer than every tiny window."""
    generator = random.Random("sweep")
    lengths = [2 + (7 * number) % 20 for number in range(count)]
    return [" ".join(generator.choices(WORDS, k=length)) for length in lengths]


class TextOnly:
    """Stands for an image processor where a checkpoint is asked about texts alone."""

    image_token, image_token_ids = f"<{MARKS[0]}>", (FIRST_MARK,)

    def __init__(self, whole: Any) -> None:
        self.tokenizer = whole
        self.image_processor = self

    def to_json_string(self) -> str:
        return "none"

    def replace_image_token(self, *given: Any, **named: Any) -> str:
        raise NotImplementedError
