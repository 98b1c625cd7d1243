"""The word-level vocabulary and its tokenizer.

Each word and each punctuation mark is one token. Text is lower-cased first, so capitals need no
entries of their own. Ids never change: words that the worlds gain take spare entries at the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headbench.errors import ConfigError
from headbench.worlds.scene_words import SCENE_WORDS
from headbench.worlds.words import NEEDLE_WORDS, PUNCTUATION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transformers import PreTrainedTokenizerFast

PAD, BOS, EOS, UNKNOWN, IMAGE = "<pad>", "<s>", "</s>", "<unk>", "<image>"
SPECIALS: tuple[str, ...] = (PAD, BOS, EOS, UNKNOWN, IMAGE)
SIZE = 768
"""Entries of the vocabulary, spare ones included."""
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ message['content'] }}{% if not loop.last %} {% endif %}"
    "{% endfor %}"
)
"""The models continue plain text: turns are joined by a space, roles are not written."""


def vocabulary() -> dict[str, int]:
    """Token -> id, :data:`SIZE` entries.

    Raises:
        ConfigError: The worlds have more words than the vocabulary has entries.
    """
    known = dict.fromkeys((*SPECIALS, *PUNCTUATION, *NEEDLE_WORDS, *SCENE_WORDS))
    if len(known) > SIZE:
        raise ConfigError(
            f"{len(known)} words do not fit a vocabulary of {SIZE}",
            where="training/lm_v1/vocabulary.py",
            hint="a recipe is frozen: give the new words a recipe of their own",
        )
    spares = (f"<spare_{number}>" for number in range(SIZE - len(known)))
    return {word: index for index, word in enumerate((*known, *spares))}


def build_tokenizer(
    max_length: int = 4096, entries: Mapping[str, int] | None = None
) -> PreTrainedTokenizerFast:
    """The tokenizer: lower case, one token per word or mark, ``<s>`` in front, left padding.

    Args:
        max_length: What the tokenizer reports as the model's longest input, in tokens.
        entries: Token -> id; :func:`vocabulary` if left out.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    entries = dict(entries or vocabulary())
    backend = Tokenizer(models.WordLevel(entries, unk_token=UNKNOWN))
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("isolated")]
    )
    backend.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A $B", special_tokens=[(BOS, entries[BOS])]
    )
    # Decoding joins words by spaces, then attaches marks to the word before them.
    marks = [decoders.Replace(f" {mark}", mark) for mark in ".,?!:;"]
    backend.decoder = decoders.Sequence([decoders.WordPiece(prefix="##", cleanup=False), *marks])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        unk_token=UNKNOWN,
        additional_special_tokens=[IMAGE],
        padding_side="left",
        model_max_length=max_length,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer
