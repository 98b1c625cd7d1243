"""No answer of a model ends a parser or a scorer."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz.answers import ANSWERS, STATES
from fuzz.oracle import Target
from fuzz.test_readers import check
from headbench.scoring import family as families


@pytest.mark.parametrize("target", ANSWERS, ids=lambda one: one.name)
def test_a_parser_or_scorer_reads_any_answer(target: Target, tmp_path: Path) -> None:
    check(target, tmp_path)


def test_every_registered_parser_and_scorer_is_tried() -> None:
    tried = {one.name for one in ANSWERS}
    parsers = {f"parser {name}" for name in families.names("parsers")}
    scorers = {f"scorer {name}" for name in families.names("scorers") if name not in STATES}
    assert tried == parsers | scorers
