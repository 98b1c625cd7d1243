from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headbench.errors import DataError
from headbench.statistics import holm

PS = st.lists(st.floats(0, 1), max_size=8)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))


@given(PS)
def test_holm_rejects_what_the_step_down_procedure_rejects(ps: list[float]) -> None:
    for alpha in (0.05, 0.5):
        rejected = set()
        for place, index in enumerate(sorted(range(len(ps)), key=lambda i: (ps[i], i))):
            if (len(ps) - place) * ps[index] > alpha:
                break
            rejected.add(index)
        adjusted = holm(ps)
        assert {i for i, p in enumerate(adjusted) if p is not None and p <= alpha} == rejected


@given(PS)
def test_holm_lies_between_the_raw_p_and_bonferroni(ps: list[float]) -> None:
    for raw, adjusted in zip(ps, holm(ps), strict=True):
        assert adjusted is not None
        assert raw <= adjusted <= min(1.0, len(ps) * raw) + 1e-12


def test_cells_without_a_p_are_not_in_the_family() -> None:
    assert holm([0.03, None, None]) == (0.03, None, None)
    assert holm([]) == ()


@pytest.mark.parametrize("bad", [-0.1, 1.1, float("nan")])
def test_holm_refuses_what_is_no_p(bad: float) -> None:
    with pytest.raises(DataError, match="p-value"):
        holm([0.5, bad])
