"""Surprisal per word: aligned by character, and caught when it is off by one word."""

from __future__ import annotations

import numpy as np
import pytest

from headbench.errors import DataError
from headbench.families.brain.reading_times import (
    check_alignment,
    sentence_initial,
    shift_profile,
    word_surprisal,
)

NAN = float("nan")


def test_tokens_are_summed_per_word_in_bits() -> None:
    tokens = ["The", " un", "likely", " end", "."]
    found = word_surprisal(
        tokens, np.log([NAN, 0.5, 0.25, 0.125, 0.5]), ["The", "unlikely", "end."]
    )
    assert found.aligned.tolist() == [False, True, True]
    np.testing.assert_allclose(found.bits, [NAN, 3.0, 4.0])


def test_a_token_of_blanks_counts_to_the_next_word() -> None:
    found = word_surprisal(["a", "\n", " ", "b"], np.log([NAN, 0.5, 0.5, 0.25]), ["a", "b"])
    np.testing.assert_allclose(found.bits, [NAN, 4.0])


def test_another_spelling_costs_its_own_word_only() -> None:
    found = word_surprisal(
        ["He", " pe", "aked", " in"], np.log([0.5, 0.5, 0.5, 0.5]), ["He", "peeked", "in"]
    )
    np.testing.assert_allclose(found.bits, [1, NAN, 1])


def test_a_token_over_two_words_belongs_to_neither() -> None:
    found = word_surprisal(["a", " b c", " d"], np.log([0.5] * 3), ["a", "b", "c", "d"])
    np.testing.assert_allclose(found.bits, [1, NAN, NAN, 1])


def test_texts_of_another_length_are_refused() -> None:
    with pytest.raises(DataError, match="they part at character 3: 'dog' and 'catsat'"):
        word_surprisal(["the", " dog"], [0, 0], ["the", "cat", "sat"])
    with pytest.raises(DataError, match="1 log-probabilities for 2 tokens"):
        word_surprisal(["the", " dog"], [0], ["the", "dog"])


def test_sentences_start_after_their_ends_and_closing_marks() -> None:
    words = ["It", "ended.", "'Why?'", "she", "said,", "'Mr.", "No!')", "Then"]
    assert sentence_initial(words).tolist() == [True, False, True, True, False, False, True, True]


def simulated(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Surprisals like those of a text, and times that follow them a little, also a word later."""
    random = np.random.default_rng(seed)
    bits = random.gamma(1.5, 3, size=4000)
    times = 300 + 4 * bits + 2 * np.roll(bits, 1) + 40 * random.standard_normal(4000)
    bits[0] = NAN
    return bits, times


@pytest.mark.parametrize("seed", range(3))
def test_a_shift_by_one_word_is_seen_and_refused(seed: int) -> None:
    bits, times = simulated(seed)
    profile = shift_profile(bits, times)
    assert profile[0] > max(profile[-1], profile[1]) + 0.05
    assert check_alignment(bits, times) == profile[0]
    late = np.append(times[1:], times[0])
    with pytest.raises(DataError, match="better than their own"):
        check_alignment(bits, late)
    with pytest.raises(DataError, match="shifted by"):
        check_alignment(np.append(NAN, bits[:-1]), times)


def test_a_shift_pairs_word_i_with_the_time_of_word_i_less_it() -> None:
    bits, times = np.array([1.0, 2, NAN, 4, 8, 5]), np.array([5.0, 1, 7, 2, 4, 8])
    assert shift_profile(bits, times, [-1])[-1] == pytest.approx(1)
    assert shift_profile(times, bits, [1])[1] == pytest.approx(1)
    with pytest.raises(DataError, match="6 surprisals and 4 reading times"):
        shift_profile(bits, times[:4])
