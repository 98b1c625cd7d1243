"""Walls as training rows: which tokens are right where, and what is held out."""

from __future__ import annotations

from collections import Counter
from itertools import chain, islice
from random import Random

import pytest

from headbench.tasks.loader import load
from headbench.worlds.walls import CATEGORIES
from training.lm_v2 import label_rows, wall_rows
from training.lm_v2.model import tokenizer_v2


@pytest.fixture(scope="module")
def tokenizer():
    return tokenizer_v2()


def text(tokenizer, row) -> str:
    return tokenizer.decode(row.tokens, skip_special_tokens=True)


HOMES = Counter(word for members in CATEGORIES.values() for word in members)


def test_a_wall_row_asks_for_every_clue_once_and_takes_any_clue_that_is_left(tokenizer):
    """Clues of one list first in their group; while one of them is left, no other would do."""
    seen = 0
    for clues, groups, _ in islice(wall_rows.walls(0, 0), 12):
        row = wall_rows.grouping_row(Random(1), clues, groups)
        group_of = {tokenizer.convert_tokens_to_ids(c): set(g) for g in groups for c in g}
        places = [place for place in row.wanted if row.tokens[place] in group_of]
        assert Counter(row.tokens[place] for place in places) == Counter(list(group_of))
        answer = text(tokenizer, row).partition("answer:")[2].rstrip(".")
        said = [part.replace(",", "").split() for part in answer.split(";")]
        assert sorted(map(sorted, said)) == sorted(map(sorted, groups))
        for group in said:
            homes = [HOMES[word] > 1 for word in group]
            assert homes == sorted(homes)
            seen += sum(homes)
        for number, place in enumerate(places):
            among = tokenizer.convert_ids_to_tokens(list(row.wanted[place]))
            later = list(chain(*said[number // 4 :]))
            left = said[number // 4][number % 4 :] if number % 4 else later
            word = tokenizer.convert_ids_to_tokens(row.tokens[place])
            plain = [one for one in left if HOMES[one] == 1]
            assert sorted(among) == sorted(plain if HOMES[word] == 1 else left)
            assert word in among
    assert seen > 3


def test_a_part_of_a_wall_is_a_smaller_wall():
    for clues, groups, _ in islice(wall_rows.walls(1, 0), 6):
        shown, kept = wall_rows.part_of(Random(2), clues, groups, 3, 2)
        assert [clue for clue in clues if clue in shown] == list(shown)
        assert sorted(shown) == sorted(clue for group in kept for clue in group)
        assert [len(group) for group in kept] == [2, 2, 2]
        homes = [next(g for g in groups if set(part) <= set(g)) for part in kept]
        assert len(set(homes)) == 3


def test_training_never_shows_what_is_held_out():
    found = [group for _, groups, _ in islice(wall_rows.walls(3, 0), 60) for group in groups]
    assert not any(wall_rows.is_held(group) for group in found)
    random = Random(0)
    for _ in range(60):
        asked = label_rows.draw(random)
        assert not any(map(label_rows.pair_held, (asked.message, *asked.examples)))
    test_groups = [g for d in load("walls").documents() for g in d.fields["groups"]]
    assert 20 <= sum(map(wall_rows.is_held, test_groups)) < len(test_groups) / 2
