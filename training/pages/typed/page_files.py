"""What a reader's folder holds when a page begins: the files that the page speaks of.

Small ones stand on the pages themselves and are written from there. Checkpoints are those that ship
with headbench, under the folder's name that the page uses.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from headbench._paths import checkpoints_root
from training.pages.typed.blocks import ROOT, blocks_of
from training.pages.typed.session import Session

Setup = Callable[[Path, Session], object]


def checkpoint(folder: Path, _: Session, name: str = "checkpoint", model: str = "ref-lm-v2") -> None:
    """A model of the reader's own."""
    shutil.copytree(checkpoints_root() / model, folder / name)


def encoder(folder: Path, _: Session, name: str = "encoder") -> None:
    """A sentence encoder of the reader's own: a small BERT with random weights."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    letters = "abcdefghijklmnopqrstuvwxyz0123456789-'.,()"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, *(f"##{sign}" for sign in letters)]
    pieces = Tokenizer(
        models.WordPiece({word: n for n, word in enumerate(words)}, unk_token="[UNK]")  # noqa: S106
    )
    pieces.normalizer = normalizers.BertNormalizer()
    pieces.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    pieces.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=pieces,
        pad_token="[PAD]",  # noqa: S106
        unk_token="[UNK]",  # noqa: S106
        cls_token="[CLS]",  # noqa: S106
        sep_token="[SEP]",  # noqa: S106
        model_max_length=128,
    ).save_pretrained(folder / name)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=32,
        max_position_embeddings=128,
    )
    BertModel(config).save_pretrained(folder / name)


def logs(folder: Path, _: Session) -> None:
    """The logs whose first lines the page on rescoring shows."""
    page = ROOT / "docs" / "rescoring.md"
    (text,) = (one.text for one in blocks_of(page) if one.text.startswith('{"image_id": 42'))
    caption, question, answer, wall, grouping, response = text.splitlines()
    group = {"grouping": 1, "connection": 0}
    played = [
        {"gt_words": words, "gt_connection": words[0], "human_performance": group}
        for words in json.loads(wall)["groups"]
    ]
    write(
        folder,
        {
            "captions.jsonl": caption,
            "objects.json": '{"42": ["dog", "couch"]}',
            "coco_pope_random.json": question,
            "answers.jsonl": answer,
            "walls.json": json.dumps([json.loads(wall) | {"groups": played}]),
            "groupings.json": grouping,
            "responses/1.json": response,
            "mine.json": caption.replace("image_id", "picture").replace("caption", "said"),
        },
    )


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write texts under their names."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def typed(folder: Path, session: Session, command: str) -> None:
    """Type a command that the page takes for granted."""
    done = session.bash(command, folder)
    if done.status:
        raise AssertionError(f"$ {command}\n{done.err}")


FILES: Mapping[str, tuple[Setup, ...]] = {
    "README.md": (logs, checkpoint),
    "docs/rescoring.md": (logs, partial(typed, command="headbench guard --pin")),
}
"""Page -> what makes its folder."""
