"""Needles in any script: words, numbers as numbers, phrases across line breaks and emphasis."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headbench.errors import ConfigError, DataError
from headbench.families.needles.needle_text import holds_phrase, running, tokens, words
from headbench.nouns import Document
from headbench.scoring import lookup

VERBATIM = lookup.parser("verbatim")


def scored(scorer: str, target: object, said: str, **options: object) -> dict[str, object]:
    document = Document("d", "c", {}, target)
    return dict(lookup.scorer(scorer).record(document, (said,), VERBATIM, options).parts)


def right(target: str, said: str, scorer: str = "niah") -> bool:
    return scored(scorer, target, said)["correct"] == 1


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("-5", "-5"), ("\u22125", "-5"), ("(-5)", "-5"), ("x=-5", "-5"), ("-$5", "-5"),
        ("+5", "5"), ("5.", "5"), ("5,", "5"), ("5%", "5"), ("$5", "5"), ("05", "05"),
        ("007", "007"), ("2.5", "2.5"), ("2.50", "2.5"), ("2.0", "2"), (".5", "0.5"),
        ("-0.5", "-0.5"), ("-0.0", "0"), ("12,5", "12.5"), ("1,000", "1000"),
        ("1,234,567", "1234567"), ("1,234.50", "1234.5"), ("1.234,5", "1234.5"),
        ("1.234.567", "1234567"), ("1.234", "1.234"), ("0,123", "0.123"), ("1'000", "1000"),
        ("1\u00a0000", "1000"), ("1\u202f234\u202f567", "1234567"), ("2.5.1", "2.5.1"),
        ("\uff14\uff17", "47"), ("\u0664\u0667", "47"),
    ],
)  # fmt: skip
def test_a_number_has_one_spelling(text: str, number: str) -> None:
    found = tokens(text)
    assert [one.text for one in found if one.kind == "number"] == [number]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3-5", ("3", "5")), ("10-20", ("10", "20")), ("1,2,3", ("1", "2", "3")),
        ("12:30", ("12", "30")), ("b12 3rd v2.5", ("b12", "3rd", "v2.5")),
        ("f47ac10b-58cc-4372", ("f47ac10b", "58cc", "4372")), ("1 234", ("1", "234")),
        ("_sunny_ **day**", ("sunny", "day")), ("Straße", ("strasse",)),
        ("ﬁsh", ("fish",)), ("cafe\u0301", ("café",)), ("sun\u00adny", ("sunny",)),
        ("हिन्दी", ("हिन्दी",)),
    ],
)  # fmt: skip
def test_words_are_words_in_any_spelling(text: str, expected: tuple[str, ...]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("target", "said", "found"),
    [
        ("5", "It is 5.", True), ("5", "It is -5.", False), ("-5", "It is -5.", True),
        ("-5", "It is 5.", False), ("-5", "It is \u22125 degrees.", True),
        ("2", "It is 2.5.", False), ("2.5", "It is 2.50.", True), ("2.5", "It is 2.", False),
        ("1000", "It is 1,000.", True), ("1,000", "1000", True), ("1", "1,000", False),
        ("4711", "14711", False), ("4711", "4711号です", True),
        ("5", ".5", False), ("10", "10-20", True),
        ("北京", "答案是北京市。", True),
        ("北京", "北方的南京", False),
        ("北京", "**北**\n京", True), ("北京", "北。京", False),
        ("東京 大阪", "大阪と東京", False),
        ("東京、大阪", "東京と大阪", True),
        ("กรุงเทพ", "ที่กรุงเทพครับ", True),
        ("Straße", "STRASSE", True), ("Οδός", "ΟΔΌΣ", True),
        ("red cup", "**red**\u00a0_cup_", True), ("red cup", "red\ncup", True),
        ("red cup", "ＲＥＤ cup", True), ("red cup", "cup red", False),
        ("red", "reddish", False),
    ],
)  # fmt: skip
def test_a_needle_is_found_in_any_script_and_not_in_another_number(
    target: str, said: str, found: bool
) -> None:
    assert right(target, said) is found


@pytest.mark.parametrize(
    ("phrase", "said", "found"),
    [
        ("dolores park", "Dolores\nPark", True), ("dolores park", "Dolores\u00a0Park", True),
        ("dolores park", "**Dolores** _Park_", True), ("dolores park", "Dolores the Park", False),
        ("sunny day", "on a sunny-day", True), ("fig", "figs", True), ("4711", "14711", False),
        ("4711", "no. 4711.", True), ("5", "-5", False), ("2", "2.5", False),
        ("4711", "4,711", True), ("北京", "是北京。", True),
        ("10,000 steps", "10000 steps", True),
    ],
)  # fmt: skip
def test_phrases_cross_line_breaks_blanks_and_emphasis(phrase: str, said: str, found: bool) -> None:
    assert holds_phrase(running(said), phrase) is found
    assert (scored("keyphrase3", None, said, phrases=[phrase])["correct"] == 1) is found
    assert not holds_phrase(running(said), "...")


@given(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9))
def test_a_number_matches_itself_in_every_spelling_and_no_other(one: int, other: int) -> None:
    spellings = (str(one), f"{one:,}", f"It is {one}.", f"**{one}**,", f"{one}.0")
    for said in spellings:
        assert right(str(one), said), said
        assert right(str(other), said) == (one == other), said


@given(st.text(max_size=40))
def test_a_text_with_a_word_holds_itself(text: str) -> None:
    if words(text):
        assert right(text, f"The answer: {text}")
        assert holds_phrase(running(text), text)


def test_the_needle_word_for_word_crosses_emphasis_too() -> None:
    said = "**Eat** a\nsandwich"
    assert scored("needle_rouge", "eat a sandwich", said)["substring"] == 1
    assert scored("needle_rouge@1", "eat a sandwich", said)["substring"] == 0
    with pytest.raises(ConfigError, match="reads ASCII words"):
        scored("needle_rouge", "北京", "北京")
    with pytest.raises(DataError, match="holds no word"):
        scored("niah", "...", "...")
    with pytest.raises(ConfigError, match="list of texts"):
        scored("keyphrase3", None, "x", phrases=["..."])


def test_the_first_versions_stay_for_figures_that_name_them() -> None:
    assert scored("niah@1", "5", "-5")["correct"] == 1
    assert scored("keyphrase3@1", None, "2.5", phrases=["2"])["correct"] == 1
    assert {lookup.scorer(name).id for name in ("niah", "keyphrase3", "needle_rouge")} == {
        "niah@2",
        "keyphrase3@2",
        "needle_rouge@2",
    }
