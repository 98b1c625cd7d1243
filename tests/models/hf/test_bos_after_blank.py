"""A template that writes a line break and then BOS has written BOS, where tokens keep the break."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from headbench.models.hf.prompts import Prompter
from headbench.nouns import Request


@pytest.mark.parametrize("blanks", ["", "\n", " \n\n"])
def test_there_is_one_bos(blanks: str) -> None:
    pieces = ("<s>", "<unk>", *sorted(ByteLevel.alphabet()))
    core = Tokenizer(BPE({one: at for at, one in enumerate(pieces)}, [], unk_token="<unk>"))
    core.pre_tokenizer = ByteLevel(add_prefix_space=False)
    core.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>", unk_token="<unk>")
    tokenizer.chat_template = blanks + "{{ bos_token }}{{ messages[0]['content'] }}"
    asked = Request("d", "answer", 0, "generate", ({"role": "user", "content": "a word"},))
    tokens = Prompter(tokenizer, None, tokenizer).resolve(asked).tokens
    assert tokens.count(0) == 1
    assert tokens.index(0) == len(blanks)
