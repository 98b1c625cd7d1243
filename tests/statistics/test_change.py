from __future__ import annotations

import math
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headbench.statistics import changed_share, first_token_kl, mean_first_token_kl
from helpers_records import answers

LOGITS = st.lists(st.floats(-5, 5), min_size=12, max_size=12)


def logprobs(logits: list[float]) -> np.ndarray:
    values = np.array(logits)
    return values - np.log(np.exp(values).sum())


def top(values: np.ndarray, k: int) -> dict[int, float]:
    return {int(token): float(values[token]) for token in np.argsort(-values)[:k]}


@given(LOGITS, LOGITS, st.integers(1, 12))
def test_top_tokens_give_a_lower_bound_and_all_tokens_the_divergence(one, two, k) -> None:
    p, q = logprobs(one), logprobs(two)
    true = float((np.exp(p) * (p - q)).sum())
    bound = first_token_kl(top(p, k), top(q, k))
    assert bound is not None
    assert 0 <= bound <= true + 2e-5
    assert first_token_kl(top(p, 12), top(q, 12)) == pytest.approx(true, abs=2e-5)


def test_equal_distributions_do_not_diverge() -> None:
    listed = {3: math.log(0.6), 5: math.log(0.3)}
    assert first_token_kl(listed, listed) == pytest.approx(0.0, abs=1e-12)


def test_a_token_that_moved_into_the_tail_is_seen() -> None:
    sure, other = {1: math.log(0.9)}, {2: math.log(0.9)}
    # Token 1 is not among the other's best, and only .1 is left there for all that is not.
    expected = 0.9 * math.log(0.9 / 0.1) + 0.1 * math.log(0.1 / 1.0)
    assert first_token_kl(sure, other) == pytest.approx(expected)
    listed = {1: math.log(0.05), 2: math.log(0.9)}
    expected = 0.9 * math.log(0.9 / 0.05) + 0.1 * math.log(0.1 / 0.95)
    assert first_token_kl(sure, listed) == pytest.approx(expected)


def test_an_impossible_token_is_finite() -> None:
    kl = first_token_kl({1: math.log(0.5), 2: math.log(0.5)}, {1: 0.0})
    assert kl is not None and math.isfinite(kl) and kl > 5


def test_nothing_listed_is_no_divergence_at_all() -> None:
    assert first_token_kl({}, {1: 0.0}) is None
    assert mean_first_token_kl([({}, {})]) is None
    assert mean_first_token_kl([({}, {}), ({1: 0.0}, {1: 0.0})]) == 0.0


def test_changed_share_looks_at_raw_outputs() -> None:
    base = answers(["yes"] * 4, ["yes", "yes", "no", "no"])
    other = answers(["yes"] * 4, ["yes", "no", "no", "unparsed"])
    assert changed_share(base, other) == 0.5
    assert changed_share(base, base[::-1]) == 0.0


def test_a_document_has_changed_where_its_output_has_and_not_where_its_reading_has() -> None:
    base = answers(["yes"] * 4, ["yes", "no", "yes", "no"])
    other = [
        replace(base[0], outputs=("Yes, there is.",)),  # said otherwise, read alike
        replace(base[1], parsed=None),  # said alike, read otherwise
        base[2],
        replace(base[3], outputs=("No.",)),
    ]
    assert changed_share(base, other) == 2 / 4
    assert changed_share(base, list(reversed(base))) == 0  # paired by document


def test_the_order_in_which_tokens_are_listed_changes_no_bit() -> None:
    chance = random.Random(5)
    moved = 0
    for _ in range(200):
        p, q = ([chance.random() for _ in range(16)] for _ in "pq")
        base = {token: math.log(x / sum(p) * 0.9) for token, x in enumerate(p)}
        other = {token + 3: math.log(x / sum(q) * 0.9) for token, x in enumerate(q)}
        expected = first_token_kl(base, other)
        for listed in (shuffled(base, chance), dict(sorted(base.items(), key=lambda i: str(i[0])))):
            assert first_token_kl(listed, shuffled(other, chance)) == expected
            moved += sum(map(math.exp, listed.values())) != sum(map(math.exp, base.values()))
    assert moved > 20, "a plain sum would have moved"


def shuffled(listed: dict[int, float], chance: random.Random) -> dict[int, float]:
    return dict(chance.sample(sorted(listed.items()), len(listed)))
