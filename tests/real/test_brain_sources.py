"""Natural Stories, and the packed human data made anew from their sources."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headbench.errors import DataError
from headbench.families.brain import vendored_data
from headbench.families.brain.natural_stories import davinci_surprisal, reading_times
from headbench.families.brain.pack_data import pack
from headbench.families.brain.reading_times import check_alignment, shift_profile
from headbench.families.brain.weighted_correlation import (
    partial_pearson,
    pearson,
    weighted_pearson,
)
from headbench.nouns import ScoredText
from headbench.scoring import lookup
from headbench.scoring.parser import VERBATIM
from headbench.tasks.loader import load

pytestmark = pytest.mark.real


def test_packing_the_sources_again_gives_the_same_bytes(real_data: Path, tmp_path: Path) -> None:
    pack(real_data / "brain", tmp_path)
    packed = sorted(path.name for path in vendored_data.FOLDER.iterdir() if path.is_file())
    assert sorted(path.name for path in tmp_path.iterdir()) == packed
    for name in packed:
        assert (tmp_path / name).read_bytes() == (vendored_data.FOLDER / name).read_bytes(), name


def test_surprisal_and_length_follow_reading_times(real_data: Path) -> None:
    times = reading_times(real_data)
    bits = davinci_surprisal(times, real_data)
    known = np.isfinite(bits)
    assert (len(bits), int((~known).sum())) == (10_256, 11)  # ten first words, one misspelled
    scored = known & ~times.initial
    assert int(scored.sum()) == 9_739
    length = np.array([len(word) for word in times.words], dtype=float)
    assert round(pearson(bits[scored], times.mean[scored]), 3) == 0.206
    assert round(pearson(length[scored], times.mean[scored]), 3) == 0.326
    assert round(times.reliability, 3) == 0.830
    assert round(float(np.sqrt(times.reliability)), 3) == 0.911
    controls = np.stack([length, times.zone], axis=1)[scored]
    assert partial_pearson(bits[scored], times.mean[scored], controls) == pytest.approx(
        0.123, abs=2e-3
    )


def test_a_file_shifted_by_one_word_is_caught(real_data: Path) -> None:
    times = reading_times(real_data)
    bits = davinci_surprisal(times, real_data)
    profile = shift_profile(bits, times.mean)
    assert {shift: round(r, 3) for shift, r in profile.items()} == {-1: 0.116, 0: 0.212, 1: 0.176}
    assert check_alignment(bits, times.mean) == profile[0]
    for shift in (-1, 1):
        with pytest.raises(DataError, match="better than their own"):
            check_alignment(bits, np.roll(times.mean, shift))


def test_intervals_of_the_correlation_by_word_and_by_story(real_data: Path) -> None:
    times = reading_times(real_data)
    bits = davinci_surprisal(times, real_data)
    scored = np.isfinite(bits) & ~times.initial
    random = np.random.default_rng(0)
    stories = times.story[scored] - 1
    by_story = random.multinomial(10, np.full(10, 0.1), size=2000)[:, stories]
    found = weighted_pearson(bits[scored], times.mean[scored], by_story)
    np.testing.assert_allclose(np.quantile(found, [0.025, 0.975]), [0.175, 0.244], atol=0.006)


def test_the_task_of_reading_times_gives_the_figures_of_its_words(
    real_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of davinci's surprisals, in the documents, metrics and order of `rt_natural_stories`."""
    monkeypatch.setenv("HEADBENCH_DATA", str(real_data))
    bits = davinci_surprisal(reading_times(real_data), real_data)
    records = []
    for document in load("rt_natural_stories").documents():
        start, count = document.fields["order"], len(document.fields["beginnings"])
        own = [None if np.isnan(one) else float(one) for one in bits[start : start + count]]
        zeros = ScoredText.of("x", (0.0,) * count)
        blank = lookup.scorer("reading_times").record(document, (zeros,), VERBATIM)
        records.append(replace(blank, parts={**blank.parts, "bits": own}))
    found = {
        name: round(lookup.metric(f"brain.rt_{name}").of(records), 3)
        for name in (
            "surprisal_r",
            "length_r",
            "log_frequency_r",
            "previous_r",
            "beyond_nuisance",
            "in_place",
            "shifted_back",
            "shifted_on",
            "words",
        )
    }
    assert found == {
        "surprisal_r": 0.206,
        "length_r": 0.326,
        "log_frequency_r": -0.306,
        "previous_r": 0.703,
        "beyond_nuisance": 0.079,
        "in_place": 0.212,
        "shifted_back": 0.116,
        "shifted_on": 0.176,
        "words": 9739,
    }
    assert lookup.metric("brain.rt_normalised").of(records) == pytest.approx(0.225, abs=2e-3)
    assert lookup.metric("brain.rt_beyond_length").of(records) == pytest.approx(0.123, abs=2e-3)
