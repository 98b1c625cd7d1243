from __future__ import annotations

import pytest

from headbench.errors import ConfigError
from headbench.worlds.labels import BLAMED, DEFINITIONS, LABEL, PRAISED, LabelWorld
from headbench.worlds.needles import render
from headbench.worlds.scene_words import SCENE_WORDS
from headbench.worlds.words import NEEDLE_WORDS

MESSAGES = [LabelWorld("test").message(seed) for seed in range(600)]


@pytest.mark.parametrize("name", DEFINITIONS)
def test_every_definition_holds_for_about_half(name: str) -> None:
    share = sum(DEFINITIONS[name].holds(message) for message in MESSAGES) / len(MESSAGES)
    assert 0.43 < share < 0.57


@pytest.mark.parametrize("name", ["animal", "food", "water"])
def test_definitions_contradict_the_prior_on_about_half(name: str) -> None:
    prior = DEFINITIONS["prior"]
    agree = sum(DEFINITIONS[name].holds(m) == prior.holds(m) for m in MESSAGES) / len(MESSAGES)
    assert 0.43 < agree < 0.57


def test_a_definition_names_exactly_the_words_that_decide() -> None:
    for definition in DEFINITIONS.values():
        words = definition.text.lower().rstrip(".").replace(",", "").split()
        assert set(definition.words) <= set(words)
        for message in MESSAGES[:50]:
            value = getattr(message, definition.reads)
            assert definition.holds(message) == (value in words)
            assert value in message.text


def test_messages_and_definitions_use_known_words() -> None:
    known = {*NEEDLE_WORDS, *SCENE_WORDS}
    texts = [m.text for m in MESSAGES] + [d.text for d in DEFINITIONS.values()]
    words = {w for text in texts for w in text.lower().translate(str.maketrans(",.", "  ")).split()}
    assert words <= known
    assert LABEL in known
    assert set(PRAISED).isdisjoint(BLAMED)


def test_splits_share_no_message() -> None:
    texts = {
        split: {LabelWorld(split).message(seed).text for seed in range(600)}  # type: ignore[arg-type]
        for split in ("train", "calibration", "test")
    }
    assert texts["train"].isdisjoint(texts["test"])
    assert texts["calibration"].isdisjoint(texts["test"])


def test_messages_are_functions_of_their_seed() -> None:
    assert LabelWorld("test").message(5) == MESSAGES[5]
    assert render(["the", "owl"])[0] == "The owl"
    with pytest.raises(ConfigError, match="unknown split"):
        LabelWorld("dev")  # type: ignore[arg-type]
