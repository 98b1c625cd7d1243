"""`rt_natural_stories`: surprisal by word from log-probabilities of beginnings, against times."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import headbench
from headbench.errors import ConfigError, DataError
from headbench.families.brain import reading_time_rows
from headbench.families.brain.concept_world import concept_world
from headbench.families.brain.external_data import ENVIRONMENT, MissingDataError
from headbench.families.brain.natural_stories import ReadingTimes
from headbench.families.brain.reading_time_scorer import (
    BACK,
    BEYOND,
    CEILING,
    FREQUENCY,
    IN_PLACE,
    LENGTH,
    NORMALISED,
    ON,
    PARTIAL,
    PREVIOUS,
    SURPRISAL,
    WORDS,
)
from headbench.families.brain.reading_times import sentence_initial, shift_profile
from headbench.families.brain.weighted_correlation import partial_pearson, pearson, reliability
from headbench.nouns import Document, Record, ScoredText
from headbench.results.files import read_entries
from headbench.scoring import lookup
from headbench.scoring.parser import VERBATIM
from headbench.statistics.paired import compare_paired
from headbench.tasks.check import check
from headbench.tasks.loader import load


def stories(sentences: int = 30) -> ReadingTimes:
    """Two stories of the shipped model's own words, with times that follow their length."""
    random = np.random.default_rng(0)
    known = concept_world().words
    words: list[str] = []
    for number in range(2 * sentences):
        chosen = [known[at] for at in random.integers(len(known), size=4)]
        words += ["Question:", *chosen, "are" if number % 2 else "what", "are", "what?"]
    story = np.repeat([1, 2], len(words) // 2)
    zone = np.tile(np.arange(1, len(words) // 2 + 1), 2)
    initial = np.concatenate([sentence_initial(words[: len(words) // 2])] * 2) | (zone <= 2)
    length = np.array([len(word) for word in words], dtype=float)
    mean = 300 + 5 * length + 30 * random.standard_normal(len(words))
    deviation, readers = np.full(len(words), 60.0), np.full(len(words), 80)
    trust = reliability(deviation, readers, mean)
    counts = random.integers(0, 1000, size=len(words)).astype(float)
    counts[5] = np.nan
    return ReadingTimes(tuple(words), story, zone, mean, deviation, readers, initial, trust, counts)


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> ReadingTimes:
    made = stories()
    monkeypatch.setattr(reading_time_rows, "reading_times", lambda: made)
    return made


def answered(document: Document, bits: list[float]) -> Record:
    """A record of known surprisals, as cumulative log-probabilities."""
    scores = tuple((-np.cumsum(bits) * math.log(2)).tolist())
    return lookup.scorer("reading_times").record(document, (ScoredText.of("x", scores),), VERBATIM)


def records(bits: np.ndarray) -> list[Record]:
    """Records of the surprisal of every word, ``[word]``."""
    made = []
    for document in load("rt_natural_stories").documents():
        start = int(document.fields["order"])
        own = bits[start : start + len(document.fields["beginnings"])]
        made.append(answered(document, own.tolist()))
    return made


def test_documents_are_sentences_after_their_story(times: ReadingTimes) -> None:
    documents = load("rt_natural_stories").documents()
    assert len(documents) == 60
    first, second = documents[0].fields, documents[1].fields
    assert first["context"] == "Question:"  # a first word has nothing before it
    assert first["beginnings"][0] == times.words[1]
    assert first["beginnings"][-1] == " ".join(times.words[1:8])
    assert second["context"] == " ".join(times.words[:8])
    assert documents[30].fields["context"] == "Question:"  # never the story before
    words = sum(len(one.fields["beginnings"]) for one in documents)
    assert words == len(times.words) - 2
    near = load("rt_natural_stories", args={"context_words": "3"}).documents()
    assert near[2].fields["context"] == " ".join(times.words[13:16])


def test_figures_are_those_of_the_words(times: ReadingTimes) -> None:
    random = np.random.default_rng(1)
    length = np.array([len(word) for word in times.words], dtype=float)
    bits = (times.mean - 300) / 20 + length + 5 * random.standard_normal(len(length)) + 30
    made = records(bits)
    assert made[0].parts["bits"] == pytest.approx(bits[1:8].tolist())
    scored = ~times.initial
    assert SURPRISAL.of(made) == pytest.approx(pearson(bits[scored], times.mean[scored]))
    assert LENGTH.of(made) == pytest.approx(pearson(length[scored], times.mean[scored]))
    controls = np.stack([length, times.zone], axis=1)[scored]
    expected = partial_pearson(bits[scored], times.mean[scored], controls)
    assert PARTIAL.of(made) == pytest.approx(expected)
    known = np.log1p(times.counts)
    told = scored & np.isfinite(known)  # a word without a count takes part in the others
    assert FREQUENCY.of(made) == pytest.approx(pearson(known[told], times.mean[told]))
    before = np.roll(times.mean, 1)
    assert PREVIOUS.of(made) == pytest.approx(pearson(before[scored], times.mean[scored]))
    every_row = np.stack([length, times.zone, known, before], axis=1)[told]
    expected = partial_pearson(bits[told], times.mean[told], every_row)
    assert BEYOND.of(made) == pytest.approx(expected)
    mine = (times.deviation[scored], times.readers[scored], times.mean[scored])
    assert CEILING.of(made) == pytest.approx(math.sqrt(reliability(*mine)))
    assert NORMALISED.of(made) == pytest.approx(SURPRISAL.of(made) / CEILING.of(made))
    assert WORDS.of(made) == int(scored.sum())
    every = bits.copy()
    every[times.zone == 1] = np.nan
    profile = shift_profile(every, times.mean)
    found = {-1: BACK.of(made), 0: IN_PLACE.of(made), 1: ON.of(made)}
    assert found == pytest.approx(profile)
    assert max(found, key=lambda shift: found[shift]) == 0
    assert SURPRISAL.of(made[::-1]) == pytest.approx(SURPRISAL.of(made))


def test_records_of_before_have_no_count_and_no_word_before(times: ReadingTimes) -> None:
    made = records(times.mean / 20)
    older = [
        replace(
            one, parts={k: v for k, v in one.parts.items() if k not in ("log_counts", "before")}
        )
        for one in made
    ]
    assert SURPRISAL.of(older) == SURPRISAL.of(made)
    assert np.isnan([FREQUENCY.of(older), PREVIOUS.of(older), BEYOND.of(older)]).all()


def test_lists_one_word_off_fit_better_when_shifted(times: ReadingTimes) -> None:
    bits = np.roll((times.mean - 300) / 20 + 30, 1)
    made = records(bits)
    assert ON.of(made) > 0.9 > IN_PLACE.of(made)


def test_a_word_that_was_ruled_out_has_no_surprisal(times: ReadingTimes) -> None:
    document = load("rt_natural_stories").documents()[0]
    bits = answered(document, [1.0, 2.0, math.inf, 1.0, 2.0, 1.0, 1.0]).parts["bits"]
    assert bits[:2] == pytest.approx([1, 2])
    assert bits[2:] == [None] * 5  # nothing is known behind it either
    with pytest.raises(DataError, match="2 log-probabilities for a sentence of 7 words"):
        answered(document, [1.0, 2.0])


def test_an_edit_that_blurs_surprisal_is_seen_and_none_is_not(times: ReadingTimes) -> None:
    bits = (times.mean - 300) / 20 + 30
    noise = 20 * np.random.default_rng(1).standard_normal(len(bits))
    base = records(bits)
    blurred = compare_paired(SURPRISAL, base, records(bits + noise), seed=0, draws=400)
    assert blurred.difference < -0.5
    assert blurred.p is not None
    assert blurred.p < 0.05
    assert compare_paired(SURPRISAL, base, records(bits), seed=0, draws=400).difference == 0


def test_it_runs_on_a_model(times: ReadingTimes, tmp_path: Path) -> None:
    done = headbench.run(
        "rt_natural_stories",
        "mask_heads(map=retrieval, top=2)",
        model="ref-lm-v2",
        task_args={"context_words": 12},
        limit=21,
        controls=0,
        draws=100,
        out=tmp_path,
    )
    base, masked = done.results
    figures = base.metrics
    for name in ("rt_surprisal_r", "rt_length_r", "rt_beyond_length", "rt_in_place"):
        assert figures[name].low < figures[name].value < figures[name].high
    assert masked.metrics["rt_surprisal_r"].value != figures["rt_surprisal_r"].value
    kept = [entry.record for entry in read_entries(done.files[0], base)]
    assert SURPRISAL.of(kept) == figures["rt_surprisal_r"].value
    document = load("rt_natural_stories", args={"context_words": "12"}).documents()[3]
    assert len(kept[3].parts["bits"]) == len(document.fields["beginnings"])
    assert all(one > 0 for one in kept[3].parts["bits"])


def test_missing_data_is_told_with_source_and_hash(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    with pytest.raises(MissingDataError, match="natural_stories is missing") as caught:
        headbench.run("rt_natural_stories", out=tmp_path)
    assert "languageMIT/naturalstories @ 4700daad" in caught.value.hint
    assert "sha256 047d2a0b84ef" in caught.value.hint
    (report,) = check(["rt_natural_stories"])
    assert not report.problems
    assert "natural_stories is missing" in report.absent


def test_what_gives_no_chances_is_refused(times: ReadingTimes) -> None:
    task = load("rt_natural_stories")
    scorer = lookup.scorer("reading_times")
    with pytest.raises(ConfigError, match="has no option 'bits'"):
        scorer.check_options({"bits": 1}, [])
    document = task.documents()[0]
    with pytest.raises(DataError, match="0 log-probabilities"):
        scorer.record(document, ("word",), VERBATIM)
    bare = replace(document, target=None)
    with pytest.raises(DataError, match="use `dataset_path: natural_stories`"):
        scorer.record(bare, (ScoredText.of("x", (0.0,) * 7),), VERBATIM)
