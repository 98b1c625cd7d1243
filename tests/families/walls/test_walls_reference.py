"""``walls_ref`` against a table of answers with what the released notebook makes of each.

``data/walls_reference.json`` holds answers beside the four groups that the parsing lines of
``notebooks/run_openai.ipynb`` (TaatiTeam/OCW) gave for them.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headbench.families.walls.walls_parse import fit, read_reference
from headbench.nouns import Document
from headbench.scoring import lookup

TABLE = json.loads((Path(__file__).parent / "data/walls_reference.json").read_text("utf-8"))
GOLD = [list("abcd"), list("efgh"), list("ijkl"), list("mnop")]
LINES = ["a, b, c, d", "e, f, g, h", "i, j, k, l", "m, n, o, p"]


def test_the_table_is_long_and_says_different_things() -> None:
    assert len({text for text, _ in TABLE}) >= 60
    assert len({json.dumps(groups) for _, groups in TABLE}) >= 40


@pytest.mark.parametrize(("text", "groups"), TABLE, ids=[repr(text[:40]) for text, _ in TABLE])
def test_an_answer_is_read_as_the_notebook_reads_it(text: str, groups: list[list[str]]) -> None:
    found = read_reference(text)
    if found is None:
        assert groups == [[""] * 4] * 4  # the stated difference: no line at all is unparsed
    else:
        assert [list(group) for group in found] == groups


@pytest.mark.parametrize(
    ("text", "now", "before"),
    [
        ("\n".join(f"Group {at}\n{line}" for at, line in enumerate(LINES)), 4, 2),
        ("\n".join(f"Group {at} {line}" for at, line in enumerate(LINES)), 4, 0),
        ("\n".join(f"{line}.Connection: x" for line in LINES), 0, 4),
        ("\n".join(f"{line}. Connection: x, y" for line in LINES), 4, 4),
    ],
)
def test_labels_need_no_colon_and_cuts_need_a_blank(text: str, now: int, before: int) -> None:
    document = Document("w", "w", {}, target={"groups": GOLD})
    for name, correct in (("walls_ref", now), ("walls_ref@2", now), ("walls_ref@1", before)):
        parser = lookup.parser(name)
        record = lookup.scorer("walls").record(document, (text,), parser)
        assert record.parts["correct_groups"] == correct, parser.id


@given(st.lists(st.sampled_from(["10", "000", "a", "b", "5", "6"]), max_size=9))
def test_rejoining_takes_the_longest_run_that_is_a_clue(items: list[str]) -> None:
    known = ["10,000", "5, 6, 5", "a", "b"]

    def slow(rest: list[str]) -> list[str]:
        for end in range(len(rest), 1, -1):
            for text in (",".join(rest[:end]), ", ".join(rest[:end])):
                if text in known:
                    return [text, *slow(rest[end:])]
        return [rest[0], *slow(rest[1:])] if rest else []

    found = fit([items], [[*known, *[""] * 9]])
    assert list(found[0]) == (slow(items) + [""] * 13)[:13]
