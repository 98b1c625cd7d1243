"""What the vision-language model sees, says and invents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor

from headbench.worlds.scene_text import CAPTION_REQUEST, context, question
from headbench.worlds.scene_words import HOME, OBJECTS
from headbench.worlds.scenes import Scene, SceneWorld, counts
from training.vlm_v2.scene_rows import prompt, shrink
from training.vlm_v2.visual_heads import Half, Reinforcement, divergence, reinforced, watched
from training.vlm_v2.vocabulary import EOS, vocabulary

if TYPE_CHECKING:
    from transformers import LlavaForConditionalGeneration

Setting = Literal["random", "popular", "adversarial", "hinted"]
SETTINGS: tuple[Setting, ...] = ("random", "popular", "adversarial")
LONGEST = 44
"""Most tokens of a caption: all 29 objects would not fit, no honest caption comes near."""
_ROWS = 256


@dataclass(frozen=True)
class Gallery:
    """Scenes with their images, ready for the model.

    Attributes:
        scenes: In order.
        images: ``[scene, 3, 64, 64]``.
        leads: Words before each request (empty outside the ``text`` world).
    """

    scenes: tuple[Scene, ...]
    images: Tensor
    leads: tuple[str, ...]


@dataclass(frozen=True)
class Asked:
    """One yes/no question: which scene, about what, and the truth."""

    scene: int
    name: str
    truth: bool


@dataclass(frozen=True)
class PopeScore:
    """Outcome of one setting; rates are 0..1. ``unparsed``: answers that are neither yes nor no."""

    accuracy: float
    precision: float
    recall: float
    f1: float
    yes_ratio: float
    unparsed: float
    questions: int


@dataclass(frozen=True)
class ChairScore:
    """Outcome of captioning.

    Attributes:
        chair_i: Invented mentions over all mentions.
        chair_s: Captions with an invented object over all captions.
        recall: Objects named over objects there, summed over scenes.
        length: Mean words of a caption.
        mentions: Mean objects named.
        captions: How many.
    """

    chair_i: float
    chair_s: float
    recall: float
    length: float
    mentions: float
    captions: int


def gallery(world: SceneWorld, count: int, first_seed: int = 0, least: int = 1) -> Gallery:
    """The first ``count`` scenes of a split that hold at least ``least`` objects."""
    scenes: list[Scene] = []
    seed = first_seed
    while len(scenes) < count:
        scene = world.scene(seed)
        seed += 1
        if len(scene.objects) >= least:
            scenes.append(scene)
    images = np.stack([shrink(world.pixels(scene)) for scene in scenes])
    leads = tuple(context(scene.place) if world.prior == "text" else "" for scene in scenes)
    return Gallery(tuple(scenes), torch.from_numpy(images), leads)


# ------------------------------------------------------------------ one pass


def embed(model: LlavaForConditionalGeneration, tokens: Tensor, seen: Tensor | None) -> Tensor:
    """Input embeddings ``[row, position, width]``.

    Args:
        model: The model.
        tokens: ``[row, position]``; with an image, its places follow the first.
        seen: Projected images ``[row, patch, width]``, or ``None``.
    """
    embedded: Tensor = model.model.language_model.embed_tokens(tokens)
    if seen is not None:
        embedded = embedded.clone()
        embedded[:, 1 : 1 + seen.shape[1]] = seen
    return embedded


@torch.no_grad()
def project_images(model: LlavaForConditionalGeneration, images: Tensor) -> Tensor:
    """Projected images ``[row, patch, width]``."""
    parts = [
        torch.stack(tuple(model.get_image_features(chunk).pooler_output))
        for chunk in images.split(_ROWS)
    ]
    return torch.cat(parts)


@torch.no_grad()
def text_only_outputs(model: LlavaForConditionalGeneration, tokens: Tensor) -> list[Tensor]:
    """Last-position z of text-only prompts, ``[layer][row, head, dim]``."""
    with watched(model) as kept:
        model.model.language_model(input_ids=tokens, use_cache=False)
    return [z[:, -1] for z in kept]


def _per_row(how: Reinforcement | None) -> bool:
    return how is not None and how.heads is None


# ------------------------------------------------------------------ POPE


def pope_questions(scenes: Sequence[Scene], setting: Setting, seed: int = 0) -> list[Asked]:
    """Six questions a scene (Li et al. 2023, arXiv 2305.10355, section 5).

    The first three objects of a scene, each followed by one that is not there: drawn evenly, the
    most frequent of the scenes, or the one seen most often together with the object just asked.
    ``hinted`` is ours: drawn evenly from the objects that the scene's place suggests.
    """
    random = Random(f"pope/{setting}/{seed}")
    single, double = counts(scenes)
    popular = [name for name, _ in single.most_common()]
    asked = []
    for index, scene in enumerate(scenes):
        used: set[str] = set()
        for name in scene.objects[:3]:
            asked.append(Asked(index, name, truth=True))
            absent = [
                other for other in popular if other not in scene.objects and other not in used
            ]
            hinted = [other for other in absent if HOME.get(other) == scene.place]
            if setting == "random" or (setting == "hinted" and not hinted):
                chosen = random.choice(sorted(absent))
            elif setting == "hinted":
                chosen = random.choice(sorted(hinted))
            elif setting == "popular":
                chosen = absent[0]
            else:
                chosen = max(absent, key=lambda other: _together(double, name, other))
            used.add(chosen)
            asked.append(Asked(index, chosen, truth=False))
    return asked


def _together(double: Counter[tuple[str, str]], name: str, other: str) -> int:
    first, second = sorted((name, other), key=OBJECTS.index)
    return double[first, second]


def answer(
    model: LlavaForConditionalGeneration,
    shown: Gallery,
    asked: Sequence[Asked],
    how: Reinforcement | None = None,
) -> list[bool | None]:
    """Greedy first word of the answer to each question: yes, no, or neither."""
    ids = vocabulary()
    best = answer_logits(model, shown, asked, how).argmax(-1).tolist()
    return [True if b == ids["yes"] else False if b == ids["no"] else None for b in best]


def margins(
    model: LlavaForConditionalGeneration,
    shown: Gallery,
    asked: Sequence[Asked],
    how: Reinforcement | None = None,
) -> Tensor:
    """Logit of yes minus logit of no, ``[question]``."""
    ids = vocabulary()
    logits = answer_logits(model, shown, asked, how)
    return logits[:, ids["yes"]] - logits[:, ids["no"]]


@torch.no_grad()
def answer_logits(
    model: LlavaForConditionalGeneration,
    shown: Gallery,
    asked: Sequence[Asked],
    how: Reinforcement | None = None,
) -> Tensor:
    """Logits of the first word of each answer, ``[question, vocabulary]``."""
    seen = project_images(model, shown.images)
    parts: list[Tensor] = []
    for start in range(0, len(asked), _ROWS):
        chunk = asked[start : start + _ROWS]
        rows = torch.tensor([one.scene for one in chunk])
        tokens = _prompts(shown, chunk, seen.shape[1])
        if how is not None and _per_row(how):
            how.text_only = text_only_outputs(model, _prompts(shown, chunk, 0))
        with reinforced(model, how):
            out = model.model.language_model(
                inputs_embeds=embed(model, tokens, seen[rows]), use_cache=False
            )
        parts.append(model.lm_head(out.last_hidden_state[:, -1]))
    return torch.cat(parts)


def _prompts(shown: Gallery, chunk: Sequence[Asked], places: int) -> Tensor:
    """All questions are equally long, so nothing is padded."""
    return torch.tensor(
        [prompt(question(one.name), places=places, lead=shown.leads[one.scene]) for one in chunk]
    )


def score_pope(asked: Sequence[Asked], said: Sequence[bool | None]) -> PopeScore:
    """Accuracy, precision, recall, F1 and yes ratio; an unparsed answer counts as wrong."""
    pairs = list(zip((one.truth for one in asked), said, strict=True))
    right = sum(truth is got for truth, got in pairs)
    yes = sum(got is True for _, got in pairs)
    hit = sum(truth and got is True for truth, got in pairs)
    there = sum(truth for truth, _ in pairs)
    precision, recall = hit / max(1, yes), hit / max(1, there)
    return PopeScore(
        accuracy=right / len(pairs),
        precision=precision,
        recall=recall,
        f1=2 * precision * recall / max(1e-9, precision + recall),
        yes_ratio=yes / len(pairs),
        unparsed=sum(got is None for _, got in pairs) / len(pairs),
        questions=len(pairs),
    )


def pope(
    model: LlavaForConditionalGeneration, shown: Gallery, how: Reinforcement | None = None
) -> dict[str, dict[str, float]]:
    """The three settings, as JSON values. Questions shared by settings are asked once."""
    lists = {setting: pope_questions(shown.scenes, setting) for setting in SETTINGS}
    unique = list(dict.fromkeys(one for asked in lists.values() for one in asked))
    known = dict(zip(unique, answer(model, shown, unique, how), strict=True))
    return {
        setting: rounded(asdict(score_pope(asked, [known[one] for one in asked])))
        for setting, asked in lists.items()
    }


# ------------------------------------------------------------------ captions and CHAIR


@torch.no_grad()
def captions(
    model: LlavaForConditionalGeneration, shown: Gallery, how: Reinforcement | None = None
) -> list[list[int]]:
    """Greedy captions as token ids, the end of text left out."""
    end = vocabulary()[EOS]
    body = model.model.language_model
    seen = project_images(model, shown.images)
    tokens = torch.tensor(
        [prompt(CAPTION_REQUEST, places=seen.shape[1], lead=lead) for lead in shown.leads]
    )
    if how is not None and _per_row(how):
        text_only = [prompt(CAPTION_REQUEST, places=0, lead=lead) for lead in shown.leads]
        how.text_only = text_only_outputs(model, torch.tensor(text_only))
    said: list[Tensor] = []
    running = torch.ones(len(tokens), dtype=torch.bool)
    with reinforced(model, how):
        out = body(inputs_embeds=embed(model, tokens, seen), use_cache=True)
        for _ in range(LONGEST):
            newest = model.lm_head(out.last_hidden_state[:, -1]).argmax(-1)
            newest = torch.where(running, newest, end)
            running &= newest != end
            if not running.any():
                break
            said.append(newest)
            out = body(
                input_ids=newest[:, None], past_key_values=out.past_key_values, use_cache=True
            )
    table = torch.stack(said, 1).tolist() if said else [[] for _ in shown.scenes]
    return [row[: row.index(end)] if end in row else row for row in table]


@cache
def _objects() -> dict[int, str]:
    ids = vocabulary()
    return {ids[name]: name for name in OBJECTS}


def score_chair(scenes: Sequence[Scene], said: Sequence[Sequence[int]]) -> ChairScore:
    """CHAIR (Rohrbach et al. 2018, arXiv 1809.02156) with object recall and length beside it."""
    names = _objects()
    mentioned = [[names[token] for token in row if token in names] for row in said]
    invented = [
        sum(name not in scene.objects for name in row)
        for scene, row in zip(scenes, mentioned, strict=True)
    ]
    found = sum(
        len(set(row) & set(scene.objects)) for scene, row in zip(scenes, mentioned, strict=True)
    )
    mentions = sum(map(len, mentioned))
    return ChairScore(
        chair_i=sum(invented) / max(1, mentions),
        chair_s=sum(count > 0 for count in invented) / len(scenes),
        recall=found / sum(len(scene.objects) for scene in scenes),
        length=sum(map(len, said)) / len(scenes),
        mentions=mentions / len(scenes),
        captions=len(scenes),
    )


def chair(
    model: LlavaForConditionalGeneration, shown: Gallery, how: Reinforcement | None = None
) -> dict[str, float]:
    """CHAIR of greedy captions, as JSON values."""
    return rounded(asdict(score_chair(shown.scenes, captions(model, shown, how))))


def rounded(values: dict[str, float]) -> dict[str, float]:
    """Four digits are enough for a table."""
    return {name: round(value, 4) for name, value in values.items()}


# ------------------------------------------------------------------ head map


@torch.no_grad()
def vhd_map(model: LlavaForConditionalGeneration, shown: Gallery) -> Tensor:
    """Mean divergence of each head over the generated tokens of captions, ``[layer, head]``.

    At every position that produced a token the same words are read with and without the image.
    """
    said = captions(model, shown)
    seen = project_images(model, shown.images)
    total, weight = torch.zeros(0), 0
    for index, row in enumerate(said):
        lead = shown.leads[index]
        sighted = torch.tensor([prompt(CAPTION_REQUEST, places=seen.shape[1], lead=lead) + row])
        text_only = torch.tensor([prompt(CAPTION_REQUEST, places=0, lead=lead) + row])
        with watched(model) as kept:
            embedded = embed(model, sighted, seen[index : index + 1])
            model.model.language_model(inputs_embeds=embedded, use_cache=False)
            with_image = [z[0, -len(row) - 1 : -1] for z in kept]
            model.model.language_model(input_ids=text_only, use_cache=False)
            without = [z[0, -len(row) - 1 : -1] for z in kept]
        apart = [divergence(a, b).sum(0) for a, b in zip(with_image, without, strict=True)]
        total = torch.stack(apart) if weight == 0 else total + torch.stack(apart)
        weight += len(row)
    return total / max(1, weight)


def per_sample(
    factor: float, layers: tuple[int, ...], half: Half = "top", seed: int = 0
) -> Reinforcement:
    """VHR: heads chosen per row at the first step."""
    return Reinforcement(factor, half=half, layers=layers, seed=seed)


def fixed(factor: float, heads: dict[int, tuple[int, ...]]) -> Reinforcement:
    """The same heads for every row."""
    return Reinforcement(factor, heads=heads)
