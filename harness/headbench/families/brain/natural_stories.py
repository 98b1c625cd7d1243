"""Natural Stories: mean reading times of ten stories and a language model's token probabilities.

Futrell et al. 2021. Not for commercial use, so it stays outside the package; see
:mod:`headbench.families.brain.external_data`.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from headbench.errors import DataError
from headbench.families.brain.external_data import find_set
from headbench.families.brain.rdm import Booleans, Floats, Integers
from headbench.families.brain.reading_times import sentence_initial, word_surprisal
from headbench.families.brain.weighted_correlation import reliability

TIMES = "naturalstories_RTS_processed_wordinfo.tsv"
TOKENS = "probs_all_stories_gpt3.csv"
COUNTS = "freqs_freqs-1.tsv"
CONTEXT = 2
"""A word with fewer words of its story before it is not scored: a first word has no surprisal, and
the next one's is given a single word. Chosen so that 9,739 words remain, the count of the figure
that the tests hold; with the second words it is 9,749, and r .207 instead of .206."""


@dataclass(frozen=True)
class ReadingTimes:
    """Words in reading order with their mean self-paced reading times.

    Attributes:
        words: ``[word]``.
        story: ``[word]``, 1..10.
        zone: ``[word]``, place in the story, from 1.
        mean: ``[word]``, milliseconds, over readers.
        deviation: ``[word]``, standard deviation over readers, milliseconds.
        readers: ``[word]``.
        initial: ``[word]``: starts a sentence, or has fewer than two words of its story before it.
        reliability: Of all means: 1 - mean(sd^2 / n) / var(means). A perfect predictor reaches its
            square root.
        counts: ``[word]``, unigram counts that come with the data, of the word without punctuation;
            NaN for ten words that have none.
    """

    words: tuple[str, ...]
    story: Integers
    zone: Integers
    mean: Floats
    deviation: Floats
    readers: Integers
    initial: Booleans
    reliability: float
    counts: Floats


def reading_times(root: Path | None = None) -> ReadingTimes:
    """Read the corrected reading times.

    Args:
        root: Instead of the folder that HEADBENCH_DATA names.

    Raises:
        MissingDataError: The files are not there.
        DataError: They are another version, or a story lacks a zone.
    """
    path = find_set("natural_stories", root) / TIMES
    with path.open(encoding="utf-8", newline="") as file:
        # The words hold quotation marks that quote nothing.
        table = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    table.sort(key=lambda row: (int(row["item"]), int(row["zone"])))
    story = np.array([int(row["item"]) for row in table])
    zone = np.array([int(row["zone"]) for row in table])
    words = tuple(row["word"] for row in table)
    initial = np.zeros(len(words), dtype=np.bool_)
    for one in np.unique(story):
        mine = np.flatnonzero(story == one)
        if (zone[mine] != np.arange(1, len(mine) + 1)).any():
            raise DataError(
                f"story {one} lacks a zone", where=str(path), hint="fetch the file again"
            )
        initial[mine] = sentence_initial([words[at] for at in mine]) | (zone[mine] <= CONTEXT)
    counts = _counts(path.parent / COUNTS, story, zone)
    mean = np.array([float(row["meanItemRT"]) for row in table])
    deviation = np.array([float(row["sdItemRT"]) for row in table])
    readers = np.array([int(row["nItem"]) for row in table])
    trust = reliability(deviation, readers, mean)
    return ReadingTimes(words, story, zone, mean, deviation, readers, initial, trust, counts)


def _counts(path: Path, story: Integers, zone: Integers) -> Floats:
    """Unigram count of each word, without its punctuation: ``[word]``; NaN where none is given."""
    with path.open(encoding="utf-8", newline="") as file:
        # Rows: `story.zone.word`, order of the n-gram, text, count, count of what precedes.
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        known = {row[0]: float(row[3]) for row in rows if row[1] == "1" and row[3] != "NA"}
    names = (f"{one}.{place}.word" for one, place in zip(story, zone, strict=True))
    return np.array([known.get(name, np.nan) for name in names])


def davinci_surprisal(times: ReadingTimes, root: Path | None = None) -> Floats:
    """Surprisal of GPT-3 davinci per word, from the token log-probabilities that came with it.

    Args:
        times: From :func:`reading_times`.
        root: Instead of the folder that HEADBENCH_DATA names.

    Returns:
        ``[word]``, bits; NaN for the first word of each story and for one word that the model was
        shown in another spelling.
    """
    path = find_set("natural_stories", root) / TOKENS
    with path.open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    bits = np.full(len(times.words), np.nan)
    for story in np.unique(times.story):
        mine = np.flatnonzero(times.story == story)
        rows = [row for row in table if int(row["story"]) == story - 1]  # counted from 0 there
        chances = [float(row["logprob"] or "nan") for row in rows]
        words = [times.words[at] for at in mine]
        bits[mine] = word_surprisal([row["token"] for row in rows], chances, words).bits
    return bits
