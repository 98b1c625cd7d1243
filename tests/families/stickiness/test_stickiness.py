"""Annotation: parsers, rescue and damage against slow counts, refusals, familiarity."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headbench.errors import ConfigError, DataError
from headbench.families.stickiness import stickiness_scorer as stickiness
from headbench.families.stickiness.concept_familiarity import (
    clipped_cosine,
    consensus,
    partial_correlation,
)
from headbench.families.stickiness.label_parsers import read_form, read_loose
from headbench.families.stickiness.stickiness_tables import (
    damage_by_condition,
    rate,
    rescue_by_condition,
    rescue_by_confidence,
)
from headbench.nouns import Document, Record
from headbench.scoring import lookup
from headbench.scoring.binary_labels import as_flag, class_of

NAMES = ("zero_shot", "aligned", "misaligned", "few_shot")
POOLED = ("aligned", "few_shot")


def record(gold: bool, labels: tuple[bool | None, ...], *confidences: float) -> Record:
    named = dict(zip(NAMES, labels, strict=True))
    given_confidences = dict(zip(NAMES, confidences, strict=False))
    parts = stickiness.annotation_parts(gold, named, given_confidences, POOLED)
    return Record("d", "d", ("",) * 4, None, "label_robust@1", parts)


label = st.sampled_from([True, False, None])
items = st.lists(
    st.tuples(st.booleans(), st.tuples(label, label, label, label)), min_size=1, max_size=150
)


@settings(deadline=None)
@given(items)
def test_rates_match_a_count_by_hand(rows: list[tuple[bool, tuple[bool | None, ...]]]) -> None:
    records = [record(gold, labels) for gold, labels in rows]
    wrong = [(g, s) for g, s in rows if s[0] is not None and s[0] != g]
    right = [(g, s) for g, s in rows if s[0] is not None and s[0] == g]
    rescued = sum((s[1] == g) + (s[3] == g) for g, s in wrong)
    damaged = sum((s[1] != g) + (s[3] != g) for g, s in right)
    ever = sum(s[1] == g or s[3] == g for g, s in wrong)
    assert stickiness.Z_SIZE.of(records) == len(wrong)
    assert stickiness.C_SIZE.of(records) == len(right)
    if len(wrong) >= 30:
        pooled = rescued / (2 * len(wrong))
        assert stickiness.RESCUE.of(records) == pytest.approx(pooled)
        assert stickiness.STICKINESS_RATE.of(records) == pytest.approx(1 - pooled)
        assert stickiness.EVER_RESCUED.of(records) == pytest.approx(ever / len(wrong))
    else:
        assert math.isnan(stickiness.RESCUE.of(records))
        assert math.isnan(stickiness.STICKINESS_RATE.of(records))
    if len(right) >= 30:
        assert stickiness.DAMAGE.of(records) == pytest.approx(damaged / (2 * len(right)))
    aligned = rescue_by_condition(records, ["aligned"])[0]
    assert (aligned.n, aligned.hits) == (len(wrong), sum(s[1] == g for g, s in wrong))
    harmed = damage_by_condition(records, ["few_shot"])[0]
    assert (harmed.n, harmed.hits) == (len(right), sum(s[3] != g for g, s in right))


def test_brackets_all_rescued_none_rescued() -> None:
    rescued = [record(True, (False, True, True, True))] * 30
    stuck = [record(True, (False, False, False, False))] * 30
    assert stickiness.RESCUE.of(rescued) == stickiness.EVER_RESCUED.of(rescued) == 1
    assert stickiness.RESCUE.of(stuck) == stickiness.EVER_RESCUED.of(stuck) == 0
    assert stickiness.STICKINESS_RATE.of(stuck) == 1
    assert math.isnan(stickiness.RESCUE.of(rescued[:29]))


def test_label_names_do_not_matter() -> None:
    document = Document("1", "1", {}, target="hateful")
    answers = ("PREDICTION: [not hateful]\nCONFIDENCE: [90]", "PREDICTION: [hateful]")
    options = {"label": "hateful", "conditions": ["zero_shot", "aligned"]}
    one = stickiness.STICKINESS.record(document, answers, lookup.parser("label_form"), options)
    other = stickiness.STICKINESS.record(
        Document("1", "1", {}, target="1.0"),
        tuple(answer.replace("hateful", "offensive") for answer in answers),
        lookup.parser("label_form"),
        {**options, "label": "offensive"},
    )
    assert one.parts == other.parts
    assert (one.parts["z"], one.parts["rescued"], one.parts["confidence.zero_shot"]) == (1, 1, 0.9)


def test_unread_answers_are_neither_right_nor_wrong_at_first_and_no_rescue_later() -> None:
    assert record(True, (None, True, True, True)).parts["z"] == 0
    assert record(True, (None, True, True, True)).parts["c"] == 0
    assert record(True, (False, None, None, True)).parts["rescued"] == 1
    assert record(True, (True, None, True, True)).parts["damaged"] == 1
    assert stickiness.UNPARSED_RATE.of([record(True, (None, True, None, True))]) == 0.5


def test_shift_of_confidence_and_changed_labels() -> None:
    records = [
        record(True, (False, True, False, True), 0.9, 0.8, 0.6),
        record(True, (False, True, True, True), 0.9, 0.5, 0.7),
        record(True, (False, True, None, True), 0.9),
    ]
    assert stickiness.CONFIDENCE_SHIFT.of(records) == pytest.approx((-0.2 + 0.2) / 2)
    assert stickiness.CHANGE_RATE.of(records) == 0.5


def test_bins_of_confidence_share_no_item_and_lose_none() -> None:
    confidences = [0.0, 0.5, 0.6, 0.61, 0.7, 0.95, 1.0] * 10
    records = [record(True, (False, c > 0.6, True, True), c) for c in confidences]
    bins = rescue_by_confidence(records, "aligned")
    assert sum(one.n for one in bins) == len(records)
    assert [(one.name, one.n) for one in bins][:3] == [
        ("0-0.5", 20),
        ("0.5-0.6", 10),
        ("0.6-0.7", 20),
    ]
    assert bins[0].value is None
    assert "refused: 20 items" in str(bins[0])


def test_rates_carry_wilson_intervals_or_a_refusal() -> None:
    found = rate("x", 43, 230)
    assert found.value == pytest.approx(0.187, abs=1e-3)
    assert found.low is not None and found.high is not None
    assert found.low == pytest.approx(0.142, abs=1e-3)
    assert found.high == pytest.approx(0.242, abs=1e-3)
    assert rate("x", 5, 29).value is None


@pytest.mark.parametrize(
    ("text", "form", "loose"),
    [
        ("PREDICTION: [toxic]\nCONFIDENCE: [85]", ("toxic", 0.85), ("toxic", 0.85)),
        ("PREDICTION: [not toxic] CONFIDENCE: [100%]", ("not toxic", 1.0), ("not toxic", 1.0)),
        ("PREDICTION: [Toxic]", ("toxic", None), ("toxic", None)),
        ("PREDICTION: [toxic]\nCONFIDENCE: [185]", ("toxic", None), ("toxic", None)),
        ("PREDICTION: [toxic]\nPREDICTION: [not toxic]", ("not toxic", None), ("not toxic", None)),
        ("Prediction: not toxic\nConfidence: 0.85", None, ("not toxic", 0.85)),
        ("**Label:** Toxic, confidence 70 %", None, ("toxic", 0.7)),
        ("Not toxic.", None, ("not toxic", None)),
        ("toxic", None, ("toxic", None)),
        ("I would rather say nothing about this message.", None, None),
        ("PREDICTION: []", None, None),
        ("", None, None),
    ],
)
def test_parsers_over_odd_answers(text: str, form: object, loose: object) -> None:
    assert read_form(text) == form
    assert read_loose(text) == loose


@settings(deadline=None)
@given(st.text(max_size=120))
def test_parsers_never_fail(text: str) -> None:
    for read in (read_form(text), read_loose(text)):
        assert read is None or (isinstance(read[0], str) and (read[1] is None or 0 <= read[1] <= 1))


def test_classes_in_their_spellings() -> None:
    for word in ("hate speech", "1", "YES", "true"):
        assert class_of(word, "hate speech") is True
    for word in ("not hate speech", "no hate speech", "non-hate speech", "0.0"):
        assert class_of(word, "hate speech") is False
    assert class_of("noHate", "hate") is False
    assert class_of("nonhateful", "hateful") is False
    assert class_of("spam", "hate speech") is None
    with pytest.raises(DataError, match="neither of two classes"):
        as_flag("spam", "hate")


def test_mistakes_are_named() -> None:
    parser = lookup.parser("label_robust")
    with pytest.raises(ConfigError, match="conditions"):
        stickiness.STICKINESS.record(Document("1", "1", {}, target=1), ("toxic",), parser)
    with pytest.raises(DataError, match="no label"):
        stickiness.STICKINESS.record(
            Document("1", "1", {}),
            ("toxic",),
            parser,
            {"label": "toxic", "conditions": ["zero_shot"]},
        )


# ------------------------------------------------------------------ familiarity


def test_familiarity_is_a_cut_cosine() -> None:
    one = np.array([1.0, 1.0])
    assert clipped_cosine(one, 5 * one) == pytest.approx(1)
    assert clipped_cosine(one, np.array([1.0, 0.0])) == pytest.approx(math.sqrt(0.5))
    assert clipped_cosine(one, -one) == 0
    assert consensus([(one, one), (one, -one)]) == (pytest.approx(0.5), 2)
    for wrong in (np.zeros(2), np.ones(3), np.array([np.nan, 1.0])):
        with pytest.raises(DataError, match="no cosine of vectors"):
            clipped_cosine(one, wrong)


@settings(deadline=None)
@given(st.integers(0, 500))
def test_partial_correlation_is_the_regression_on_indicators(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 4, 40)
    x, y = rng.normal(size=40) + groups, rng.normal(size=40) - 2 * groups
    indicators = (groups[:, None] == np.unique(groups)[None, :]).astype(float)
    residuals = [
        values - indicators @ np.linalg.lstsq(indicators, values, rcond=None)[0]
        for values in (x, y)
    ]
    found = partial_correlation(x.tolist(), y.tolist(), groups.tolist())
    assert found.r == pytest.approx(np.corrcoef(*residuals)[0, 1])
    assert 0 <= found.p <= 1
    shifted = partial_correlation((3 * x + 100 * groups).tolist(), y.tolist(), groups.tolist())
    assert shifted.r == pytest.approx(found.r)


def test_a_partial_correlations_p_takes_a_degree_of_freedom_for_each_group() -> None:
    """Ten points in three groups leave 10 - 3 - 1 = 6."""
    groups = ["a"] * 4 + ["b"] * 4 + ["c"] * 2
    x = [1, -1, 1, -1, 1, -1, 1, -1, 1, -1]
    y = [1, -1, 1, -1, 1, -1, 1, -1, -1, 1]
    found = partial_correlation(x, y, groups)
    assert (found.r, found.freedom) == (pytest.approx(0.6), 6)
    # t = 0.6 sqrt(6 / 0.64) = 1.8371; the two-sided p of Student's t with 6 degrees of freedom.
    assert found.p == pytest.approx(0.11584, abs=1e-5)


def test_partial_correlation_at_its_ends() -> None:
    groups = ["a", "a", "a", "b", "b", "b"]
    assert partial_correlation([1, 2, 3, 7, 8, 9], [2, 4, 6, 0, 2, 4], groups).r == pytest.approx(1)
    assert math.isnan(partial_correlation([1, 1, 1, 2, 2, 2], [1, 2, 3, 4, 5, 6], groups).r)
    with pytest.raises(DataError, match="1, 2 and 1 points do not match"):
        partial_correlation([1.0], [1.0, 2.0], ["a"])
