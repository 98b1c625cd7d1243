"""How ``ref-lm-v2`` begins: the weights of ``ref-lm-v1`` under a longer vocabulary.

The shape stays that of version 1. The connections of walls have names that version 1 cannot say, so
the vocabulary grows at its end; every old word keeps its id.

What belongs together is *planted*: each list of words (fruits, jobs, ..., animals, praise) has a
random vector, its code, which is added to the embeddings of its words. A word of two lists has two
codes, and the name of a connection is its code. With it, connections are named by step 60;
without, by step 150 (docs/decisions-training.md). What to do with it is learnt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from headbench.errors import ConfigError
from headbench.reference.checkpoint import load_state
from headbench.reference.lm_model import EMBEDDING_STD, build_model
from headbench.reference.vocabulary import build_tokenizer, vocabulary
from headbench.worlds.labels import ANIMALS, BLAMED, FOODS, PRAISED, WATERS
from headbench.worlds.walls import CATEGORIES

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

SIZE = 800
"""Entries of the longer vocabulary, spare places included."""
CODE_STD = 0.5
"""Size of a code in each dimension; that of an embedding is 0.6."""


def vocabulary_v2() -> dict[str, int]:
    """Token -> id: version 1's entries, then the names of connections, then spare places.

    Raises:
        ConfigError: There are more names than places.
    """
    old = vocabulary()
    names = [name for name in CATEGORIES if name not in old]
    spares = SIZE - len(old) - len(names)
    if spares < 0:
        raise ConfigError(
            f"{len(names)} names do not fit a vocabulary of {SIZE}",
            where="headbench/reference/lm2_model.py",
            mend="raise SIZE and train a new version",
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


def start_model(start: Path, seed: int) -> LlamaForCausalLM:
    """Version 1 at the end of its training, with room for new words, and codes planted.

    Args:
        start: Run folder of ``ref-lm`` with its ``final`` state.
        seed: Draws the codes and the new words' embeddings. The rows of new words in the head of
            the vocabulary start as a small copy, as those of all words did.
    """
    model = build_model(seed)
    load_state(start, "final", model)
    old = model.config.vocab_size
    model.resize_token_embeddings(SIZE, mean_resizing=False)
    generator = torch.Generator().manual_seed(seed)
    embeddings, head = model.get_input_embeddings().weight, model.lm_head.weight
    with torch.no_grad():
        embeddings[old:].normal_(std=EMBEDDING_STD, generator=generator)
        _plant_codes(embeddings, generator)
        head[old:] = embeddings[old:] * (0.05 / EMBEDDING_STD)
    return model


def _plant_codes(embeddings: Tensor, generator: torch.Generator) -> None:
    """Add each list's code to its words ``[word, width]``; a connection's name becomes its code."""
    entries = vocabulary_v2()
    for name, words in code_lists().items():
        code = torch.empty(embeddings.size(1)).normal_(std=CODE_STD, generator=generator)
        embeddings[[entries[word] for word in words]] += code
        if name in CATEGORIES:
            embeddings[entries[name]] = code * (EMBEDDING_STD / CODE_STD)
