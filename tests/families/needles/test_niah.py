from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headbench.errors import ConfigError, DataError
from headbench.families.needles.needle_text import matched_in_order, words
from headbench.nouns import Document, Record
from headbench.scoring import lookup
from headbench.scoring.breakdown import by_part, effective_length, grid

VERBATIM = lookup.parser("verbatim")
RECALL = lookup.metric("niah.recall")
FRACTION = lookup.metric("niah.fraction")
FULL = "Eat a sandwich and sit in Dolores Park on a sunny day."
WORDS = st.lists(st.sampled_from(["red", "stone", "nine", "oak"]), max_size=6)


def parts(scorer: str, target: object, *outputs: str, **options: object) -> tuple[int, float]:
    document = Document("d", "c", {}, target)
    made = lookup.scorer(scorer).record(document, outputs, VERBATIM, options).parts
    return made["correct"], made["fraction"]  # type: ignore[return-value]


def cell(length: float, depth: float, right: bool) -> Record:
    document = Document("d", "c", {"length": length, "depth": depth}, "red oak")
    said = "red oak" if right else "red"
    return lookup.scorer("niah").record(document, (said,), VERBATIM)


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        (["stone oak nine."], (1, 1.0)),
        (["It is Stone, oak and NINE!"], (1, 1.0)),
        (["stone oak"], (0, 2 / 3)),
        (["nine oak stone"], (0, 1 / 3)),
        (["stones oaks nines"], (0, 0.0)),
        (["stone oak ninety"], (0, 2 / 3)),
        (["stone stone oak nine"], (1, 1.0)),
        ([""], (0, 0.0)),
    ],
)
def test_words_are_whole_and_in_order(outputs: list[str], expected: tuple[int, float]) -> None:
    assert parts("niah", "stone oak nine", *outputs) == pytest.approx(expected)


def test_several_needles_are_sought_in_one_answer_or_paired_with_several() -> None:
    assert parts("niah", ["red oak", "nine"], "nine, and red oak") == (1, 1.0)
    assert parts("niah", ["red oak", "nine"], "red oak", "nine") == (1, 1.0)
    assert parts("niah", ["red oak", "nine"], "nine", "red oak") == (0, 0.0)
    assert parts("niah", ["red oak", "nine"], "red", "nine") == pytest.approx((0, 2 / 3))


@given(WORDS, WORDS)
def test_matching_in_order_is_the_longest_common_subsequence(left, right) -> None:
    def slow(a: list[str], b: list[str]) -> int:
        if not a or not b:
            return 0
        if a[-1] == b[-1]:
            return 1 + slow(a[:-1], b[:-1])
        return max(slow(a[:-1], b), slow(a, b[:-1]))

    assert matched_in_order(left, right) == slow(left, right)


@given(WORDS, WORDS)
def test_words_around_an_answer_never_take_it_away(before, after) -> None:
    said = " ".join([*before, "stone", "nine", *after])
    assert parts("niah", "stone nine", said) == (1, 1.0)


def test_words_are_runs_of_letters_and_digits() -> None:
    assert words("Caf\u00e9-9, it's") == ("caf\u00e9", "9", "it", "s")


def test_key_phrases_are_all_or_nothing_and_a_fraction() -> None:
    assert parts("keyphrase3", None, FULL) == (1, 1.0)
    assert parts("keyphrase3", None, "a SANDWICH on a sunny day") == pytest.approx((0, 2 / 3))
    assert parts("keyphrase3", None, "Visit the museum.") == (0, 0.0)
    assert parts("keyphrase3", None, "figs and dates", phrases=["fig", "date"]) == (1, 1.0)
    with pytest.raises(ConfigError, match="phrases"):
        parts("keyphrase3", None, FULL, phrases="sandwich")
    with pytest.raises(ConfigError, match="phrase"):
        parts("keyphrase3", None, FULL, phrase=["sandwich"])


def test_string_match_all_is_a_share_and_part_is_any() -> None:
    target = ["1234567", "7654321"]
    assert parts("string_match_all", target, "1234567 and 7654321") == (1, 1.0)
    assert parts("string_match_all", target, "1234567") == (0, 0.5)
    assert parts("string_match_part", target, "1234567") == (1, 1.0)
    assert parts("string_match_part", target, "none") == (0, 0.0)


def test_string_match_keeps_rulers_faults() -> None:
    assert parts("string_match_all", "1234567", "912345678") == (1, 1.0)
    assert parts("string_match_all", "ab\ncd", " AB\tcd ") == (1, 1.0)


@pytest.mark.parametrize("target", [None, [], "", ["red", " "], {"a": 1}])
def test_a_missing_target_is_refused(target: object) -> None:
    with pytest.raises(DataError, match="target"):
        parts("niah", target, "red")


def test_a_length_that_is_no_number_is_refused() -> None:
    document = Document("d", "c", {"length": "long"}, "red")
    with pytest.raises(DataError, match="length"):
        lookup.scorer("niah").record(document, ("red",), VERBATIM)


def test_recall_is_exact_and_fraction_is_not() -> None:
    records = [cell(10, 0, True), cell(10, 1, False)]
    assert RECALL.of(records) == 0.5
    assert FRACTION.of(records) == 0.75
    assert RECALL.outcome is not None
    assert [RECALL.outcome(record) for record in records] == [True, False]


def test_tables_by_length_and_depth() -> None:
    records = [cell(20, 0, True), cell(100, 0.5, False), cell(100, 0, True), cell(9, 0, True)]
    lengths = by_part(RECALL, records, "length")
    assert list(lengths) == [9.0, 20.0, 100.0]
    assert (lengths[100.0].value, lengths[100.0].n) == (0.5, 2)
    table = grid(RECALL, records, "length", "depth")
    assert table[100.0][0.5].value == 0.0
    assert 0.5 not in table[20.0]
    with pytest.raises(ConfigError, match="split by 'setting'"):
        by_part(RECALL, records, "setting")


def test_effective_length_ends_before_the_first_length_that_fails() -> None:
    lengths = {10: True, 20: True, 40: False, 80: True}
    records = [cell(length, 0, right) for length, right in lengths.items()]
    assert effective_length(RECALL, records, 0.9) == 20.0
    assert effective_length(RECALL, records, 0.0) == 80.0
    assert effective_length(RECALL, [cell(10, 0, False)], 0.9) is None
    assert effective_length(RECALL, [], 0.9) is None
