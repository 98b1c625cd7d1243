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


def checkpoint(
    folder: Path, _: Session, name: str = "checkpoint", model: str = "ref-lm-v2"
) -> None:
    """A model of the reader's own."""
    shutil.copytree(checkpoints_root() / model, folder / name)


def any_words(folder: Path, _: Session, name: str = "checkpoint") -> None:
    """A model of the reader's own that reads any text: a small Llama with random weights."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    signs = ["<s>", "</s>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    pieces = Tokenizer(models.BPE({sign: n for n, sign in enumerate(signs)}, merges=[]))
    pieces.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pieces.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(
        tokenizer_object=pieces,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="</s>",
    ).save_pretrained(folder / name)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(signs),
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=4096,
        bos_token_id=0,
        eos_token_id=1,
    )
    LlamaForCausalLM(config).save_pretrained(folder / name)


def encoder(folder: Path, _: Session, name: str = "encoder") -> None:
    """A sentence encoder of the reader's own: a small BERT with random weights."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    letters = "abcdefghijklmnopqrstuvwxyz0123456789-'.,()"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, *(f"##{sign}" for sign in letters)]
    pieces = Tokenizer(
        models.WordPiece({word: n for n, word in enumerate(words)}, unk_token="[UNK]")
    )
    pieces.normalizer = normalizers.BertNormalizer()
    pieces.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    pieces.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=pieces,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
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
    (labels,) = (one.text for one in blocks_of(page) if one.text.startswith('{"id": "m1"'))
    played = {
        f"group_{n}": {"gt_words": words, "gt_connection": words[0], "human_performance": group}
        for n, words in enumerate(json.loads(wall)["groups"], start=1)
    }
    write(
        folder,
        {
            "captions.jsonl": caption,
            "objects.json": '{"42": ["dog", "couch"]}',
            "coco_pope_random.json": question,
            "coco_pope_popular.json": question,
            "answers.jsonl": answer,
            "walls.json": json.dumps([json.loads(wall) | {"groups": played}]),
            "groupings.json": grouping,
            "responses/1.json": response,
            "labels.jsonl": labels,
            "asked.txt": "COCO_val2014_000000000042.jpg\n",
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


def stored_results(folder: Path, session: Session) -> None:
    """Three results of one task, and results of two models."""
    run = "headbench run --tasks niah --limit 4 --controls 0 --draws 200"
    masks = "--intervention 'mask_heads(heads=[[1,0]])' --intervention 'mask_heads(heads=[[1,1]])'"
    typed(folder, session, f"{run} {masks} --model ref-lm --out model-1")
    typed(folder, session, f"{run} --model ref-lm-v2 --out model-2")
    place = folder / "model-1/measured/ref-lm-v1/niah"
    masked = sorted(place.glob("mask_heads*.json"))
    for name, path in zip("ABC", [*place.glob("baseline*.json"), *masked], strict=True):
        shutil.copy(path, folder / f"{name}.json")
        shutil.copy(path.with_suffix(".records.jsonl.gz"), folder)


def paper_cells(folder: Path, _: Session) -> None:
    """The cells of papers that come with a checkout."""
    place = Path("results/published/cells")
    (folder / place).parent.mkdir(parents=True)
    (folder / place).symlink_to(ROOT / place)


def betas(folder: Path, session: Session) -> None:
    """The table that the page on brains writes."""
    page = ROOT / "docs" / "brain.md"
    (text,) = (one.text for one in blocks_of(page) if 'np.savez(\n    "betas.npz"' in one.text)
    script = folder / "betas.py"
    script.write_text(text, encoding="utf-8")
    session.python(script, folder)
    script.unlink()


def brain_tables(folder: Path, _: Session) -> None:
    """Ratings of pairs of words, vectors of networks, and features of images."""
    import numpy as np

    from headbench.families.brain.concept_world import concept_world
    from headbench.families.brain.vendored_data import IMAGE_IDS

    random = np.random.default_rng(0)
    words = list(concept_world().words[:30])
    pairs = [(one, two) for at, one in enumerate(words[:9]) for two in words[at + 1 : 9]]
    rows = [f"{one},{two},{random.random():.3f}" for one, two in pairs]
    write(folder, {"ratings.csv": "\n".join(["one,two,rating", *rows])})
    vectors = random.standard_normal((6 * 30, 20))
    np.savez(
        folder / "networks.npz",
        subject=np.repeat([f"p{number}" for number in range(6)], 30),
        stimulus=words * 6,
        creativity=random.uniform(1, 5, 6 * 30),
        vector_dmn=vectors,
        vector_fp=vectors[:, ::-1],
        vector_som=random.standard_normal((6 * 30, 20)),
    )
    np.savez(
        folder / "network.npz",
        document=IMAGE_IDS,
        features=random.standard_normal((len(IMAGE_IDS), 5, 8)),
    )


def pope_answers(folder: Path, _: Session) -> None:
    """An answer to every question of the packaged task."""
    from headbench.tasks.loader import load

    rows = [{"question_id": one.id, "text": "Yes"} for one in load("pope").documents()]
    write(folder, {"answers.jsonl": "\n".join(map(json.dumps, rows))})


def head_lists(folder: Path, _: Session) -> None:
    """A released head list, and a picture that people looked at."""
    from PIL import Image

    scores = {f"{layer}-{head}": [0.1 * head, 0.0] for layer in range(2) for head in range(4)}
    write(folder, {"llama-2-7b-80k.json": json.dumps(scores)})
    Image.new("RGB", (128, 128), "white").save(folder / "kitchen.png")


def pope_files(folder: Path, _: Session) -> None:
    """POPE questions of the reader's own, with their pictures."""
    from PIL import Image

    (folder / "images").mkdir()
    for name in "ab":
        Image.new("RGB", (32, 32)).save(folder / "images" / f"{name}.png")
    for setting in ("random", "adversarial"):
        rows = [
            {"question_id": n, "image": f"{name}.png", "text": "Is there a cup?", "label": "no"}
            for n, name in enumerate("ab")
        ]
        write(folder, {f"questions_{setting}.json": "\n".join(map(json.dumps, rows))})


def shown(folder: Path, _: Session, page: str, name: str) -> None:
    """A file that another page shows."""
    (text,) = (one.text for one in blocks_of(ROOT / page) if one.name == name)
    write(folder, {name: text})


def guarded(folder: Path, session: Session) -> None:
    """A folder that is guarded already: pins, and the golden measurements that the page lists."""
    typed(folder, session, "headbench guard --pin && headbench guard --golden")


VISION = partial(checkpoint, name="vision", model="ref-vlm-v2")
OTHER = partial(checkpoint, name="other", model="ref-lm-v1")


def picture(folder: Path, _: Session) -> None:
    """A picture of the reader's own: one of the calibration scenes."""
    from headbench.detectors import calibration

    found = calibration.load("scenes", 2, 0)
    (sha256,) = found.trials[0].request.images
    (folder / "cat.png").write_bytes(found.images[sha256])


FILES: Mapping[str, tuple[Setup, ...]] = {
    "README.md": (logs, checkpoint),
    "docs/brain.md": (any_words, encoder, brain_tables),
    "docs/extending/adapter.md": (partial(shown, page="docs/models.md", name="judged.yaml"),),
    "docs/extending/task.md": (pope_files,),
    "docs/heads.md": (OTHER, VISION, head_lists, picture),
    "docs/interventions.md": (checkpoint,),
    "docs/models.md": (checkpoint, OTHER, pope_answers),
    "docs/published.md": (paper_cells,),
    "docs/rescoring.md": (logs, guarded),
    "docs/results-format.md": (stored_results,),
    "docs/tasks.md": (betas,),
    "tasks/stickiness/README.md": (encoder,),
}
"""Page -> what makes its folder."""
