from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headbench.errors import RefusedError
from headbench.nouns import Record
from headbench.scoring import lookup
from headbench.statistics import bootstrap, cluster_bootstrap
from headbench.statistics.metric import Metric, ratio
from helpers_records import answers

F1 = lookup.metric("pope.f1")
ACCURACY = lookup.metric("pope.accuracy")
YESNO = st.sampled_from(["yes", "no"])
SAID = st.sampled_from(["yes", "no", "unparsed"])
MEAN = Metric(
    "mean",
    ("sum", "n"),
    lambda record: (float(record.parts["x"]), 1.0),  # type: ignore[arg-type]
    lambda sums: ratio(sums[..., 0], sums[..., 1]),
    True,
    low=None,
    high=None,
)


def measured(values: np.ndarray, clusters: np.ndarray) -> list[Record]:
    return [
        Record(f"d{index}", str(cluster), (), None, "p@1", {"x": float(value)})
        for index, (value, cluster) in enumerate(zip(values, clusters, strict=True))
    ]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(YESNO, SAID, SAID, st.sampled_from("abcd")), min_size=2, max_size=20))
def test_draws_are_metrics_of_resampled_records(rows) -> None:
    labels, before, after, clusters = zip(*rows, strict=True)
    if len(set(clusters)) < 2:
        return
    base, other = answers(labels, before, clusters), answers(labels, after, clusters)
    names = sorted(set(clusters))
    weights = next(bootstrap._weights(len(names), 40, seed=3))
    slow = []
    for draw in weights:
        picked = [name for name, times in zip(names, draw, strict=True) for _ in range(int(times))]
        conditions = [
            [r for name in picked for r in condition if r.cluster == name]
            for condition in (base, other)
        ]
        slow.append(F1.of(conditions[1]) - F1.of(conditions[0]))
    defined = [value for value in slow if np.isfinite(value)]
    fast = cluster_bootstrap(F1, base, other, seed=3, draws=40)
    assert fast.undefined == pytest.approx(1 - len(defined) / 40)
    if fast.undefined > 0.05:
        assert fast.low is None and "undefined" in fast.note
    else:
        low, high = np.quantile(defined, [0.025, 0.975])
        assert (fast.low, fast.high) == pytest.approx((low, high))
        assert fast.se == pytest.approx(np.std(defined, ddof=1), abs=1e-12)


def test_weights_are_counts_of_as_many_clusters_as_there_are() -> None:
    weights = next(bootstrap._weights(7, 2000, seed=0))
    assert weights.shape == (2000, 7)
    assert (weights.sum(axis=1) == 7).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(7), abs=0.1)


def test_chunks_do_not_change_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.concatenate(list(bootstrap._weights(5, 100, seed=1)))
    monkeypatch.setattr(bootstrap, "CELLS", 50)
    chunked = list(bootstrap._weights(5, 100, seed=1))
    assert len(chunked) == 10
    assert (np.concatenate(chunked) == whole).all()


def test_the_order_of_records_does_not_matter_and_the_seed_does() -> None:
    labels, said = ["yes", "no"] * 10, ["yes"] * 13 + ["no"] * 7
    records = answers(labels, said)
    first = cluster_bootstrap(F1, records, seed=1, draws=200)
    assert cluster_bootstrap(F1, records[::-1], seed=1, draws=200) == first
    assert cluster_bootstrap(F1, records, seed=2, draws=200) != first


def test_resampling_clusters_is_wider_than_resampling_documents() -> None:
    labels = ["yes"] * 60
    said = ["yes" if index // 6 % 2 else "no" for index in range(60)]
    images = [str(index // 6) for index in range(60)]
    alone = cluster_bootstrap(ACCURACY, answers(labels, said), seed=0, draws=2000)
    clustered = cluster_bootstrap(ACCURACY, answers(labels, said, images), seed=0, draws=2000)
    assert alone.se is not None and clustered.se is not None
    assert clustered.se / alone.se == pytest.approx(np.sqrt(6), rel=0.1)


def test_equal_conditions_have_no_spread() -> None:
    records = answers(["yes", "no", "yes"], ["yes", "yes", "no"])
    equal = cluster_bootstrap(ACCURACY, records, records, seed=0, draws=100)
    assert (equal.low, equal.high, equal.se) == (0.0, 0.0, 0.0)


def test_one_cluster_has_no_interval_and_says_so() -> None:
    records = answers(["yes", "no"], ["yes", "yes"], ["image", "image"])
    one = cluster_bootstrap(ACCURACY, records, seed=0)
    assert (one.low, one.high, one.se) == (None, None, None)
    assert "1 cluster" in one.note
    assert "0 cluster" in cluster_bootstrap(ACCURACY, [], seed=0).note


def test_a_metric_that_is_never_defined_has_no_interval() -> None:
    never = answers(["no"] * 4, ["no"] * 4)
    drawn = cluster_bootstrap(F1, never, seed=0, draws=50)
    assert (drawn.low, drawn.undefined) == (None, 1.0)
    assert "undefined" in drawn.note


def test_conditions_over_other_documents_are_refused() -> None:
    with pytest.raises(RefusedError, match="2 documents"):
        cluster_bootstrap(
            F1, answers(["yes"] * 2, ["no"] * 2), answers(["yes"] * 4, ["no"] * 4), seed=0
        )


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    random = np.random.default_rng(11)
    clusters = np.repeat(np.arange(40), 3)
    covered = 0
    for seed in range(200):
        shared = random.normal(size=40)[clusters]
        base = random.normal(size=120)
        other = base + 0.3 + shared + 0.5 * random.normal(size=120)
        interval = cluster_bootstrap(
            MEAN, measured(base, clusters), measured(other, clusters), seed=seed, draws=300
        )
        assert interval.low is not None and interval.high is not None
        covered += interval.low <= 0.3 <= interval.high
    # Binomial spread at 200 repetitions is .015; percentile intervals run slightly short.
    assert 0.89 <= covered / 200 <= 0.985
