from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headbench.scoring import lookup
from helpers_odd_outputs import ODD_OUTPUTS

COLUMNS = ("pope_ref", "pope_strict", "pope_robust")


@pytest.mark.parametrize("column", range(3), ids=COLUMNS)
@pytest.mark.parametrize("case", ODD_OUTPUTS, ids=lambda case: repr(case[0]))
def test_each_parser_reads_each_odd_output_as_the_table_says(
    case: tuple[str, str, str | None, str | None], column: int
) -> None:
    assert lookup.parser(COLUMNS[column]).read(case[0]) == case[1 + column]


def test_the_table_tells_the_parsers_apart() -> None:
    for left, right in ((1, 2), (1, 3), (2, 3)):
        assert any(case[left] != case[right] for case in ODD_OUTPUTS)


def test_the_first_robust_reading_stays_for_figures_that_name_it() -> None:
    """It knows no statement of presence and passes no question over."""
    first = lookup.parser("pope_robust@1")
    assert first.id == "pope_robust@1"
    unread = {"There is a dog in the image.", "Yes or no? Yes."}
    for text, _, _, now in ODD_OUTPUTS:
        assert first.read(text) == (None if text in unread else now), text


@given(st.text())
def test_parsers_return_yes_no_or_nothing_for_any_text(text: str) -> None:
    assert lookup.parser("pope_ref").read(text) in ("yes", "no")
    for name in ("pope_strict", "pope_robust"):
        assert lookup.parser(name).read(text) in ("yes", "no", None)


@given(st.sampled_from(["yes", "no"]), st.text(alphabet=" \n\t", max_size=3), st.booleans())
def test_strict_answers_are_read_alike_by_robust(word: str, blanks: str, upper: bool) -> None:
    text = blanks + (word.upper() if upper else word) + blanks
    assert lookup.parser("pope_strict").read(text) == word
    assert lookup.parser("pope_robust").read(text) == word
