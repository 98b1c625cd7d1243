"""Initialisation of ``ref-lm-v2``: four layers, a longer vocabulary, planted word lists.

The connections of walls have names that the vocabulary of version 1 lacks, so it is extended; every
old word keeps its id. The model is trained from scratch: in a trained version 1 the residual stream
after layer 0 is thirteen times as long as the embeddings, and new circuits formed slowly in it
(docs/decisions-training.md).

What belongs together is *planted*: each list of words (fruits, jobs, ..., animals, praise) has a
random vector, its code, which is added to the embeddings of its words. A word of two lists has two
codes, and the name of a connection is its code. How to use it is learned. Planted heads and
vocabulary head are those of version 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from headbench.errors import ConfigError
from headbench.worlds.labels import ANIMALS, BLAMED, FOODS, PRAISED, WATERS
from headbench.worlds.walls import CATEGORIES
from training.lm_v2.language_model import EMBEDDING_STD, HEAD_STD, build_model
from training.lm_v2.vocabulary import build_tokenizer, vocabulary

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

LAYERS = 4
SIZE = 800
"""Entries of the longer vocabulary, spare places included."""
CODE_STD = 0.5
"""Size of a code in each dimension; that of an embedding is 0.6."""


def vocabulary_v2() -> dict[str, int]:
    """Token -> id: version 1's entries, then the names of connections, then spare places.

    Raises:
        ConfigError: There are more names than spare entries.
    """
    old = vocabulary()
    names = [name for name in CATEGORIES if name not in old]
    spares = SIZE - len(old) - len(names)
    if spares < 0:
        raise ConfigError(
            f"{len(names)} names do not fit a vocabulary of {SIZE}",
            where="training/lm_v2/model.py",
            hint="raise SIZE and train a new version",
        )
    later = [*names, *(f"<later_{number}>" for number in range(spares))]
    return old | {word: len(old) + index for index, word in enumerate(later)}


def tokenizer_v2(max_length: int = 4096) -> PreTrainedTokenizerFast:
    """The tokenizer of version 1 with the longer vocabulary."""
    return build_tokenizer(max_length, vocabulary_v2())


def code_lists() -> dict[str, tuple[str, ...]]:
    """Lists of words that share a code: connections, and what labels may go by."""
    return {
        **CATEGORIES,
        "label/animal": ANIMALS,
        "label/food": FOODS,
        "label/water": WATERS,
        "label/praise": PRAISED,
        "label/blame": BLAMED,
    }


def start_model(seed: int) -> LlamaForCausalLM:
    """A fresh model with planted heads and codes.

    Args:
        seed: Draws the weights and the codes.
    """
    model = build_model(seed, layers=LAYERS, words=SIZE)
    embeddings, head = model.get_input_embeddings().weight, model.lm_head.weight
    with torch.no_grad():
        _plant_codes(embeddings, torch.Generator().manual_seed(seed))
        head.copy_(embeddings * (HEAD_STD / EMBEDDING_STD))
    return model


def _plant_codes(embeddings: Tensor, generator: torch.Generator) -> None:
    """Add each list's code to its words ``[word, width]``; a connection's name becomes its code."""
    entries = vocabulary_v2()
    for name, words in code_lists().items():
        code = torch.empty(embeddings.size(1)).normal_(std=CODE_STD, generator=generator)
        embeddings[[entries[word] for word in words]] += code
        if name in CATEGORIES:
            embeddings[entries[name]] = code * (EMBEDDING_STD / CODE_STD)
