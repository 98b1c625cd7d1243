"""Every detector puts a head first whose work is known by construction."""

from __future__ import annotations

import re

import pytest

from headbench.detectors.detector import Marks, Trial, Trials
from headbench.detectors.head_detection import detect
from headbench.heads.headmap import HeadMap
from headbench.nouns import Request
from helpers_known_head import KNOWN, known_llama, known_llava
from helpers_models import images

IMAGE_WORDS = "is there a cat in the image"
ASKED = "what is the secret word?"
CONTEXTS = (
    "the secret word of river is stone. the photo of a table and a plate.",
    "one two three. the blue lamp with bread. the key of river is stone. a fork and a knife.",
    "a dog near the red table. the secret of river is stone.",
)


def text(context: str) -> Trial:
    content = f"{context} {ASKED} answer:"
    start, asked = content.index("stone"), content.index(ASKED)
    spans = {
        "evidence": ((0, start, start + len("stone")),),
        "question": ((0, asked, asked + len(ASKED)),),
        **{
            f"word {number}": ((0, *found.span()),)
            for number, found in enumerate(re.finditer(r"\w+", content[:asked]))
        },
    }
    turn = {"role": "user", "content": content}
    return Trial(Request(content, "detect", 0, "represent", (turn,), spans=spans), "stone")


TEXTS = Trials(tuple(map(text, CONTEXTS)), {})


def pictures(store: dict[str, bytes]) -> Trials:
    asked = f"{IMAGE_WORDS}?"
    span = {"question": ((0, 8, 8 + len(asked)),)}
    turn = {"role": "user", "content": f"<image>\n{asked}"}
    trials = [
        Trial(Request(sha256, "detect", 0, "represent", (turn,), (sha256,), span), "yes")
        for sha256 in store
    ]
    cell = Marks("image", ((0, 0, 0, 0), (0, 1, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0)))
    return Trials(tuple(trials), {}, "image", store, dict.fromkeys(store, cell))


def first(found: HeadMap) -> None:
    """The known head is first, and alone there."""
    every = sorted(score for layer in found.scores for score in layer)
    assert found.top(1) == ((KNOWN),), found.scores
    assert every[-1] > every[-2], found.scores


@pytest.mark.parametrize("detector", ["retrieval", "evidence", "attribution", "masking_loss"])
def test_the_head_that_finds_the_needle(detector: str) -> None:
    model = known_llama("stone", "what secret word ? :", says="stone")
    first(detect(detector, model, TEXTS))


def test_the_head_that_looks_farthest_back() -> None:
    model = known_llama("<s>", sink=False)
    first(detect("distance", model, TEXTS, parameters={"window": None}))


def test_the_head_that_keeps_one_word_in_view() -> None:
    found = detect("future_influence", known_llama("river"), TEXTS)
    first(found)
    assert found.score(*KNOWN) > 0.9


def test_the_head_that_reads_as_people_did() -> None:
    model = known_llama("stone")
    marks = {}
    for trial in TEXTS.trials:
        words = re.findall(r"\w+", trial.request.messages[0]["content"].partition(ASKED)[0])
        looked = tuple(300.0 if word == "stone" else 100.0 + len(word) for word in words)
        marks[trial.request.document] = Marks("words", (looked,))
    trials = Trials(TEXTS.trials, {}, "words", {}, marks)
    for measure in ("pearson", "spearman", "mass"):
        first(detect("gaze", model, trials, parameters={"measure": measure, "rows": "after"}))


@pytest.mark.parametrize("detector", ["vhd", "image_centric", "evidence"])
def test_the_head_that_looks_at_the_image(detector: str) -> None:
    store = images(3)
    model = known_llava(store, looks_from=IMAGE_WORDS if detector == "evidence" else "")
    first(detect(detector, model, pictures(store)))


def test_the_head_that_looks_at_one_part_of_the_image() -> None:
    store = images(2)
    model = known_llava(store, patches=[5])
    for measure in ("pearson", "mass"):
        first(detect("gaze", model, pictures(store), parameters={"measure": measure}))
