"""Ranks among controls, and the difference to their mean."""

from __future__ import annotations

import numpy as np
import pytest

from headbench.errors import RefusedError
from headbench.interventions.control_draws import apart_sets, other_sets
from headbench.nouns import Record
from headbench.scoring import lookup
from headbench.statistics import against_controls, control_rank, smallest_p

ACCURACY = lookup.metric("niah.recall")


def cell(right: list[int], cluster: int = 1) -> list[Record]:
    return [
        Record(
            f"d{i:03}",
            f"c{i // cluster:03}",
            ("x",),
            "x",
            "p@1",
            {"correct": int(hit), "fraction": float(hit)},
            target="x",
        )
        for i, hit in enumerate(right)
    ]


# ------------------------------------------------------------------ the rank


def test_the_best_of_twenty_among_harmful_controls_is_first_and_not_last() -> None:
    """Ranked by |difference to the baseline| this was 20 of 20, p 1."""
    found = control_rank(0.988, [0.9874 - 0.01 * i for i in range(19)])
    assert (found.rank, found.of, found.end, str(found)) == (1, 20, "high", "1 of 20, high")
    assert found.p == pytest.approx(0.1) == found.least


@pytest.mark.parametrize(
    ("value", "controls", "rank", "end"),
    [
        (0.0, [1.0, 2.0, 3.0], 1, "low"),
        (2.5, [1.0, 2.0, 3.0], 2, "high"),
        (2.0, [1.0, 3.0], 2, "middle"),
        (1.0, [1.0, 2.0, 3.0], 2, "low"),  # a tie counts against it
        (0.1 + 0.2, [0.3, 2.0], 2, "low"),  # equal but for rounding
        (0.0, [float("nan"), 2.0], 2, "low"),  # an undefined control is no evidence
        (1.0, [], 1, "middle"),
    ],
)
def test_the_rank_is_counted_from_the_nearer_end(
    value: float, controls: list[float], rank: int, end: str
) -> None:
    found = control_rank(value, controls)
    assert (found.rank, found.of, found.end) == (rank, len(controls) + 1, end)
    assert found.p == min(1.0, 2 * rank / (len(controls) + 1))


def test_the_smallest_p_follows_from_the_number_of_draws() -> None:
    assert [smallest_p(k) for k in (0, 1, 3, 19)] == [1.0, 1.0, 0.5, pytest.approx(0.1)]
    assert smallest_p(39) == pytest.approx(0.05)
    assert smallest_p(38) > 0.05
    assert control_rank(9.0, [0.0] * 39).p == pytest.approx(0.05)


def test_draws_that_could_not_have_been_the_intervention_give_no_p() -> None:
    assert control_rank(1.0, [0.0] * 39, exchangeable=False).p is None


def type_one(draw: object, *, share: bool) -> tuple[float, float]:
    """Rejections at .05 for heads chosen at random, where one head of sixteen matters."""
    random = np.random.default_rng(0)
    hits = ranked = 0
    for seed in range(600):
        matters = np.zeros((2, 8))
        matters[random.integers(2), random.integers(8)] = 1.0
        table = {
            layer: tuple(sorted(random.choice(8, 3, replace=False).tolist())) for layer in (0, 1)
        }

        def effect(heads: dict[int, tuple[int, ...]], m: np.ndarray = matters) -> float:
            noise = float(random.normal(0, 1e-6))
            return sum(float(m[layer, list(h)].sum()) for layer, h in heads.items()) + noise

        drawn = [effect(dict(t)) for t in draw(table, 8, 39, seed).tables]  # type: ignore[operator]
        found = control_rank(effect(table), drawn, exchangeable=share)
        hits += found.p is not None and found.p <= 0.05
        ranked += found.rank == 1
    return hits / 600, ranked / 600


def test_with_own_heads_among_the_draws_chance_gives_p_below_05_in_5_percent() -> None:
    rejected, _ = type_one(other_sets, share=True)
    assert rejected <= 0.07


def test_without_own_heads_chance_ranks_first_far_too_often_so_there_is_no_p() -> None:
    rejected, first = type_one(apart_sets, share=False)
    assert rejected == 0 and first > 0.25


# ------------------------------------------------------------------ less the mean of the controls


def test_the_difference_is_to_the_mean_of_the_controls() -> None:
    controls = [cell([1] * 8 + [0] * 12), cell([1] * 12 + [0] * 8)]
    found = against_controls(ACCURACY, cell([1] * 15 + [0] * 5), controls, possible=27)
    assert found is not None
    assert (found.mean, found.difference) == (pytest.approx(0.5), pytest.approx(0.25))
    assert found.low is not None and found.high is not None and found.low < 0.25 < found.high
    assert found.draws == 2 and found.note == ""


def test_enumerated_controls_leave_only_the_documents_uncertain() -> None:
    random = np.random.default_rng(3)
    other = cell(random.integers(2, size=60).tolist())
    controls = [cell((random.random(60) < share).astype(int).tolist()) for share in (0.2, 0.5, 0.8)]
    all_of_them = against_controls(ACCURACY, other, controls, possible=3)
    some_of_them = against_controls(ACCURACY, other, controls, possible=300)
    assert all_of_them is not None and some_of_them is not None

    def width(found: object) -> float:
        return found.high - found.low  # type: ignore[attr-defined, no-any-return]

    assert width(some_of_them) > 1.5 * width(all_of_them)


def test_one_draw_gives_an_interval_over_documents_that_says_so() -> None:
    found = against_controls(ACCURACY, cell([1, 0] * 10), [cell([0, 1] * 10)], possible=27)
    assert found is not None and found.low is not None and "one draw" in found.note


def test_a_proportion_never_has_an_interval_of_zero_width() -> None:
    right = cell([1] * 90)
    found = against_controls(ACCURACY, right, [right, right], possible=27)
    assert found is not None and found.low is not None and found.high is not None
    # As wide as Tango's interval for 90 pairs without a change: z^2 / (n + z^2).
    assert found.high == pytest.approx(1.96**2 / (90 + 1.96**2), rel=0.03) == -found.low


def test_documents_of_a_cluster_that_differ_make_the_interval_narrower_than_clusters_alone() -> (
    None
):
    base = cell([1] * 540, cluster=18)  # thirty pictures, eighteen questions each
    moved = cell([0] + [1] * 17 + [1] * 522, cluster=18)
    still = against_controls(ACCURACY, base, [base], possible=1)
    seen = against_controls(ACCURACY, moved, [base], possible=1)
    assert still is not None and still.high is not None and still.high > 0.1
    assert seen is not None and seen.low is not None and seen.high is not None
    # At least the width of 540 documents without a change, far from that of 30 clusters.
    assert seen.high - seen.low == pytest.approx(2 * 2.045 * 1.96 / (540 + 1.96**2), rel=0.02)


def test_what_has_no_interval_says_why() -> None:
    few = against_controls(
        ACCURACY, cell([1, 0] * 9, cluster=2), [cell([1, 1] * 9, cluster=2)], possible=3
    )
    assert few is not None and few.low is None and "9 cluster" in few.note
    assert few.difference == pytest.approx(-0.5)
    assert against_controls(ACCURACY, cell([1]), [], possible=3) is None
    with pytest.raises(RefusedError, match="documents are in only one"):
        against_controls(ACCURACY, cell([1, 0]), [cell([1, 0, 1])], possible=3)


@pytest.mark.parametrize("drawn", [3, 10])
@pytest.mark.parametrize("documents", [20, 60])
def test_the_interval_covers_the_difference_to_all_possible_sets(
    drawn: int, documents: int
) -> None:
    """Truth: the rate under the intervention less the mean rate over all 40 possible sets."""
    random = np.random.default_rng(drawn * documents)
    covered, runs = 0, 300
    for _ in range(runs):
        rates = random.beta(8, 3, size=40)
        ease = random.normal(0, 0.1, size=documents)  # documents differ, for all conditions alike

        def answers(rate: float, shift: np.ndarray = ease) -> list[Record]:
            return cell((random.random(documents) < rate + shift).astype(int).tolist())

        truth = 0.6 - rates.mean()
        controls = [answers(rate) for rate in random.choice(rates, drawn, replace=False)]
        found = against_controls(ACCURACY, answers(0.6), controls, possible=40)
        assert found is not None and found.low is not None and found.high is not None
        covered += found.low <= truth <= found.high
    assert covered / runs >= 0.93
