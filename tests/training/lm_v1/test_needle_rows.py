from __future__ import annotations

import numpy as np
import pytest

from headbench.worlds.needles import VALUES, NeedleWorld
from training.lm_v1.needle_rows import (
    ANSWER,
    LANGUAGE,
    NOISE,
    REPEAT,
    DataSettings,
    batch,
    filler_rows,
    repeat_row,
)
from training.lm_v1.vocabulary import SIZE, SPECIALS, build_tokenizer, vocabulary


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer()


def test_a_batch_is_a_function_of_seed_and_step():
    settings = DataSettings(96, 3, repeats=0.3)
    first, again = batch(settings, 1, 5), batch(settings, 1, 5)
    assert np.array_equal(first.tokens, again.tokens)
    assert not np.array_equal(first.tokens, batch(settings, 1, 6).tokens)
    assert not np.array_equal(first.tokens, batch(settings, 2, 5).tokens)


@pytest.mark.parametrize("length", [64, 128, 300])
def test_every_answer_stands_earlier_in_its_row(length, tokenizer):
    data = batch(DataSettings(length, 8), 0, 0)
    assert data.tokens.shape == (8, length)
    assert (data.tokens[:, 0] == tokenizer.bos_token_id).all()
    for row, roles in zip(data.tokens, data.roles, strict=True):
        starts = np.flatnonzero(roles == ANSWER)[::VALUES]
        assert len(starts) >= 1
        said = " ".join(map(str, row))
        for start in starts:
            # prefix and values together: " of KEY is V1 V2 V3" occurs in the needle as well
            asked = " ".join(map(str, row[start - 3 : start + VALUES]))
            assert said.count(asked) >= 2


def test_repeats_can_be_predicted_and_nothing_else_of_them_counts():
    for seed in range(20):
        tokens, roles = repeat_row(np.random.default_rng(seed), 64)
        assert len(tokens) == len(roles) == 64
        assert set(roles) == {NOISE, REPEAT}
        period = roles.index(REPEAT) - 2
        for position, role in enumerate(roles):
            if role == REPEAT:
                assert tokens[position] == tokens[position - period]


def test_repeats_come_in_several_periods():
    periods = {repeat_row(np.random.default_rng(seed), 64)[1].index(REPEAT) for seed in range(20)}
    assert len(periods) > 5


def test_filler_rows_hold_no_needle():
    secret = vocabulary()["secret"]
    assert not (filler_rows("test", 256, 4) == secret).any()


def test_the_vocabulary_has_its_size_and_its_specials_first():
    ids = vocabulary()
    assert len(ids) == SIZE
    assert sorted(ids.values()) == list(range(SIZE))
    assert [word for word, index in ids.items() if index < len(SPECIALS)] == list(SPECIALS)


def test_text_maps_without_an_unknown_token_word_for_word(tokenizer):
    for family in ("words", "numbers", "mixed"):
        for seed in range(5):
            document = NeedleWorld("test", family).document(seed, 512, 0.4, needles=3)
            ids = tokenizer(document.prompt()).input_ids
            assert tokenizer.unk_token_id not in ids
            assert len(ids) == document.length + 1


def test_text_survives_a_round_trip(tokenizer):
    text = "on april, the baker asked: where is the red cup?"
    ids = tokenizer(text).input_ids
    assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_the_chat_template_adds_the_start_once(tokenizer):
    text = "The secret word of harbor is"
    turn = [{"role": "user", "content": text}]
    told = tokenizer.apply_chat_template(turn, return_dict=True, add_generation_prompt=True)
    assert told["input_ids"] == tokenizer(text).input_ids
    assert told["input_ids"].count(tokenizer.bos_token_id) == 1


def test_padding_goes_to_the_left(tokenizer):
    padded = tokenizer(["the cup", "the cup is red"], padding=True)
    assert padded.attention_mask[0] == [0, 0, 1, 1, 1]


def test_plain_text_counts_as_language():
    data = batch(DataSettings(128, 4), 0, 0)
    assert set(np.unique(data.roles)) == {LANGUAGE, ANSWER}
