from __future__ import annotations

import pytest

from headbench.errors import DataError
from headbench.scoring import lookup
from headbench.scoring.coverage import Coverage, headline
from helpers_records import answers

F1 = lookup.metric("pope.f1")


def test_a_partial_log_gets_no_headline() -> None:
    records = answers(["yes", "no"], ["yes", "no"])
    assert headline(F1, records, 2) == 1.0
    assert headline(F1, records, 3) is None
    assert headline(F1, [], 0) is None


def test_coverage_is_stated_in_words() -> None:
    assert str(Coverage(2712, 2910)) == "2,712 of 2,910 (93.2 %)"
    assert not Coverage(0, 0).complete
    assert Coverage(0, 0).fraction == 0.0


def test_more_answers_than_documents_are_of_another_version() -> None:
    with pytest.raises(DataError, match="cannot be"):
        Coverage(3, 2)
