"""Ranks among controls, and the difference to their mean."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest

from headbench.errors import RefusedError
from headbench.interventions.control_draws import apart_sets, other_sets
from headbench.nouns import Record
from headbench.scoring import lookup
from headbench.statistics import against_controls, control_rank, smallest_p
from headbench.statistics.metric import SampleStatistic, SumMetric, Weighted, ratio
from helpers_records import answers

ACCURACY = lookup.metric("niah.recall")
SPEARMAN = lookup.metric("spearman")


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


def related(taking_part: int, count: int, seed: int) -> list[Record]:
    """Records of which the first few alone have both numbers."""
    random = np.random.default_rng(seed)
    return [
        Record(
            f"d{i:03}",
            f"d{i:03}",
            (),
            None,
            "p@1",
            {"predicted": float(random.normal() + i / 20), "observed": float(i)}
            if i < taking_part
            else {"predicted": None, "observed": None},
        )
        for i in range(count)
    ]


@pytest.mark.parametrize("resampling", ["leave-one-out", "bootstrap"])
def test_records_that_take_no_part_give_no_interval(
    resampling: Literal["leave-one-out", "bootstrap"],
) -> None:
    assert isinstance(SPEARMAN, SampleStatistic)
    metric = replace(SPEARMAN, resampling=resampling)
    cells = [related(5, 60, seed) for seed in range(5)]
    found = against_controls(metric, cells[0], cells[1:], possible=1000)
    assert found is not None and found.low is None
    assert found.note == "no interval from 5 cluster(s): below 20"


@pytest.mark.parametrize("resampling", ["leave-one-out", "bootstrap"])
def test_records_that_take_no_part_change_no_interval(
    resampling: Literal["leave-one-out", "bootstrap"],
) -> None:
    assert isinstance(SPEARMAN, SampleStatistic)
    metric = replace(SPEARMAN, resampling=resampling)
    alone, among = (
        against_controls(
            metric,
            related(25, count, 0),
            [related(25, count, seed) for seed in (1, 2, 3)],
            possible=1000,
        )
        for count in (25, 90)
    )
    assert alone is not None and among is not None
    assert alone.low is not None and among.low == pytest.approx(alone.low, abs=1e-12)
    assert alone.high is not None and among.high == pytest.approx(alone.high, abs=1e-12)


def test_an_outcome_is_counted_where_there_is_one() -> None:
    """A cell of 40 answers has the interval of 40, whatever number of others has no outcome."""

    def outcome(record: Record) -> bool | None:
        return record.parts["answer"] == "yes" if record.target == "yes" else None

    metric = SumMetric(
        "recall",
        ("asked", "found"),
        lambda record: (record.target == "yes", outcome(record) or False),
        lambda sums: ratio(sums[..., 1], sums[..., 0]),
        True,
        outcome=outcome,
    )

    def yes_or_no(said: list[str], others: int) -> list[Record]:
        return answers(["yes"] * 40 + ["no"] * others, said + ["no"] * others)

    alone, among = (
        against_controls(
            metric,
            yes_or_no(["yes"] * 39 + ["no"], others),
            [yes_or_no(["yes"] * 40, others)],
            possible=1,
        )
        for others in (0, 100)
    )
    assert alone is not None and alone.low is not None
    assert among is not None and among.low == pytest.approx(alone.low, abs=1e-12)


def test_a_figure_that_many_resamples_leave_undefined_has_no_interval() -> None:
    def prepare(records: Sequence[Record]) -> Weighted:
        ready = np.array([float(str(record.parts["predicted"])) for record in records])

        def values(weights: np.ndarray) -> np.ndarray:
            means = weights @ ready / weights.sum(axis=1)
            return np.where(weights[:, 0] == 0, np.nan, means)  # 37 % lack the first record

        return Weighted(np.ones(len(records), dtype=bool), values)

    metric = SampleStatistic("mean", prepare, True, low=None, high=None, resampling="bootstrap")
    found = against_controls(metric, related(40, 40, 0), [related(40, 40, 1)], possible=10)
    assert found is not None and found.low is None
    assert re.fullmatch(
        r"no interval: the figure is undefined in 3\d % of the resamples", found.note
    )


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
