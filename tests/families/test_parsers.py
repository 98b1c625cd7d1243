"""Every parser of the house over one shared table of odd outputs, and over any text at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headbench.results.canonical import dumps
from headbench.scoring import lookup
from helpers_odd_outputs import ODD_OUTPUTS, ODD_TEXTS

TEXTS = (*(case[0] for case in ODD_OUTPUTS), *ODD_TEXTS)


@pytest.mark.parametrize("name", lookup.parser_names())
@pytest.mark.parametrize("text", TEXTS, ids=lambda text: repr(text[:20]))
def test_no_odd_output_stops_a_parser(name: str, text: str) -> None:
    parser = lookup.parser(name)
    found = parser.read(text)
    assert parser.read(text) == found
    assert dumps(found).encode()  # what was read can be stored


@pytest.mark.parametrize("name", lookup.parser_names())
@given(text=st.text(max_size=80))
def test_no_text_stops_a_parser(name: str, text: str) -> None:
    assert dumps(lookup.parser(name).read(text)).encode()


@pytest.mark.parametrize("name", [name for name in lookup.parser_names() if name != "verbatim"])
def test_a_robust_parser_reads_nothing_out_of_nothing(name: str) -> None:
    """What says nothing is unparsed; the reference parsers are the stated exceptions."""
    read = [lookup.parser(name).read(text) for text in ("", " ", "\n\n")]
    if name == "pope_ref":
        assert read == ["yes"] * 3  # whatever is not no is yes: the released evaluation's reading
    elif name == "walls_ref":
        assert all(not any(clue for group in found or () for clue in group) for found in read)
    else:
        assert read == [None] * 3
