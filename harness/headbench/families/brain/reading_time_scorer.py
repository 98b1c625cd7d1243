"""Surprisal against reading times: the scorer of ``rt_natural_stories``, and what is reported."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from headbench.errors import ConfigError, DataError
from headbench.nouns import Document, Record, ScoredText
from headbench.scoring.parser import Parser
from headbench.scoring.parts import number
from headbench.scoring.scorer import AskedStep, Scorer, refuse_unknown
from headbench.statistics.metric import SampleStatistic, Weighted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

COLUMNS = ("ms", "deviation", "readers", "lengths", "positions", "left_out")
"""Lists of one value per word that a record holds beside ``bits``."""
OPTIONAL = ("log_counts", "before")
"""Lists that a record may lack: log(1 + unigram count), mean time of the word before."""


def check(options: Mapping[str, object], steps: Sequence[AskedStep]) -> None:
    """Refuse options, and steps that give no log-probabilities."""
    refuse_unknown("reading_times", options)
    if not steps or steps[-1].kind != "score" or steps[-1].outputs != 1:
        raise ConfigError(
            "reading times need one `score` step over the beginnings of a sentence",
            where="output_type",
            hint="write `output_type: score` and `doc_to_choice: beginnings`",
        )


def score(
    document: Document,
    outputs: tuple[str, ...],
    parser: Parser,
    options: Mapping[str, object],
) -> Mapping[str, object]:
    """Surprisal of each word of a sentence, in bits.

    Returns:
        ``bits``, ``None`` where a word or what precedes it was ruled out; what people did and
        what is known of each word (:data:`COLUMNS`); ``order``, the place of the sentence.

    Raises:
        DataError: The answer has not as many log-probabilities as the sentence has words.
    """
    answer, target = outputs[-1], document.target
    columns = {**document.fields, **target} if isinstance(target, Mapping) else document.fields
    lists = {name: columns.get(name) for name in (*COLUMNS, *OPTIONAL)}
    counts = {len(value) for value in lists.values() if isinstance(value, list | tuple)}
    scores = answer.scores if isinstance(answer, ScoredText) else ()
    if counts != {len(scores)} or any(lists[name] is None for name in COLUMNS):
        raise DataError(
            f"{len(scores)} log-probabilities for a sentence of {max(counts, default=0)} words",
            where=f"document {document.id}",
            hint="use `dataset_path: natural_stories`, `output_type: score`, "
            "`doc_to_choice: beginnings`",
        )
    bits: list[float | None] = []
    before = 0.0
    for whole in scores:
        gained = (before - whole) / math.log(2)
        bits.append(gained if math.isfinite(gained) else None)
        before = whole
    named = {name: list(value) for name, value in lists.items() if isinstance(value, list | tuple)}
    return {"bits": bits, **named, "order": document.fields["order"]}


# ------------------------------------------------------------------ what is reported

Words = Mapping[str, "Floats"]
"""Column -> ``[word]``, of all words of the records that take part, in reading order."""
Terms = Callable[[Words], "Floats"]
"""Words -> ``[word, column]``; a word with a value that is not finite does not count."""
Value = Callable[["Floats", "Floats"], "Floats"]
"""Means ``[draw, column]`` and covariances ``[draw, column, column]`` -> ``[draw]``."""
LEAST = 3
"""Words below which nothing is correlated."""
SINGULAR = 1e10
"""Condition of a correlation matrix beyond which one column is taken to follow from the others."""


def _moments(
    terms: Terms, value: Value, *, every: bool = False
) -> Callable[[Sequence[Record]], Weighted]:
    """A function of first and second moments over words; a word weighs as its sentence does.

    Sums per sentence are formed once, so that a draw costs as much as there are sentences.

    Args:
        terms: The columns, of words in reading order.
        value: Moments -> the figure.
        every: Of all words with a surprisal, also those that are left out of the score.
    """

    def prepare(records: Sequence[Record]) -> Weighted:
        import numpy as np

        takes_part, words, owner = _words(records, every)
        table = terms(words)
        inside = np.isfinite(table).all(axis=1)
        table, owner = table[inside], owner[inside]
        if len(owner) < LEAST:
            return Weighted(takes_part, lambda weights: np.full(len(weights), np.nan))
        centre, width = table.mean(axis=0), table.shape[1]
        table = table - centre
        products = np.einsum("wi,wj->wij", table, table).reshape(len(table), -1)
        columns = np.concatenate([np.ones((len(table), 1)), table, products], axis=1)
        sums = np.zeros((int(takes_part.sum()), columns.shape[1]))  # [sentence, moment]
        np.add.at(sums, owner, columns)

        def values(weights: Floats) -> Floats:
            drawn = weights @ sums
            with np.errstate(invalid="ignore", divide="ignore"):
                drawn = drawn[:, 1:] / drawn[:, :1]
                means, second = drawn[:, :width], drawn[:, width:].reshape(-1, width, width)
                return value(means + centre, second - means[:, :, None] * means[:, None, :])

        return Weighted(takes_part, values)

    return prepare


def _words(
    records: Sequence[Record], every: bool
) -> tuple[NDArray[np.bool_], Words, NDArray[np.int64]]:
    """Which records take part, the columns of their words in reading order, and whose each is."""
    import numpy as np

    takes_part = np.array(["bits" in record.parts for record in records], dtype=bool)
    taken = [record for record in records if "bits" in record.parts]
    columns: dict[str, list[float]] = {name: [] for name in ("bits", *COLUMNS, *OPTIONAL)}
    owner: list[int] = []
    for place in sorted(range(len(taken)), key=lambda at: number(taken[at], "order")):
        for name, column in columns.items():
            values = taken[place].parts.get(name)
            if values is None:  # an optional column that is not there
                column += [math.nan] * (len(columns["bits"]) - len(column))
            for one in values if isinstance(values, list | tuple) else ():
                column.append(math.nan if one is None else float(one))
        owner += [place] * (len(columns["bits"]) - len(owner))
    words = {name: np.array(column) for name, column in columns.items()}
    known = np.isfinite(words["bits"])
    if not every:
        known &= words["left_out"] == 0
    chosen = {name: column[known] for name, column in words.items()}
    return takes_part, chosen, np.array(owner, dtype=np.int64)[known]


def _named(*names: str) -> Terms:
    """Columns by name."""

    def terms(words: Words) -> Floats:
        import numpy as np

        return np.stack([words[name] for name in names], axis=1)

    return terms


def _shifted(shift: int) -> Terms:
    """Surprisal, and the time of the word ``shift`` places before it in the list."""

    def terms(words: Words) -> Floats:
        import numpy as np

        moved = np.roll(words["ms"], shift)
        ends = slice(0, shift) if shift > 0 else slice(len(moved) + shift, None)
        moved[ends] = np.nan  # the ends have no partner
        return np.stack([words["bits"], moved], axis=1)

    return terms


def _with_error(words: Words) -> Floats:
    """Surprisal, time, and the squared standard error of that mean time."""
    import numpy as np

    error = words["deviation"] ** 2 / words["readers"]
    return np.stack([words["bits"], words["ms"], error], axis=1)


def _r(means: Floats, covariance: Floats) -> Floats:
    """Pearson r of the first two columns."""
    import numpy as np

    size = covariance[:, 0, 0] * covariance[:, 1, 1]
    return np.asarray(covariance[:, 0, 1] / np.sqrt(np.where(size > 0, size, np.nan)))


def _partial(means: Floats, covariance: Floats) -> Floats:
    """Partial r of the first two columns given the others, from the inverse correlation."""
    import numpy as np

    found = np.full(len(covariance), np.nan)
    spread = np.einsum("dii->di", covariance)
    usable = np.isfinite(covariance).all(axis=(1, 2)) & (spread > 0).all(axis=1)
    scale = np.sqrt(spread[usable])
    tables = covariance[usable] / scale[:, :, None] / scale[:, None, :]
    regular = np.linalg.cond(tables) < SINGULAR
    inverse = np.linalg.inv(tables[regular])
    places = np.flatnonzero(usable)[regular]
    found[places] = -inverse[:, 0, 1] / np.sqrt(inverse[:, 0, 0] * inverse[:, 1, 1])
    return found


def _ceiling(means: Floats, covariance: Floats) -> Floats:
    """Root of the reliability of the mean times: what a perfect predictor reaches."""
    import numpy as np

    variance = covariance[:, 1, 1]
    trust = 1 - means[:, 2] / np.where(variance > 0, variance, np.nan)
    return np.asarray(np.sqrt(np.where(trust > 0, trust, np.nan)))


def _normalised(means: Floats, covariance: Floats) -> Floats:
    return _r(means, covariance) / _ceiling(means, covariance)


def _count(records: Sequence[Record]) -> Weighted:
    """Words that are scored."""
    import numpy as np

    takes_part, _, owner = _words(records, every=False)
    counts = np.bincount(owner, minlength=int(takes_part.sum())).astype(np.float64)
    return Weighted(takes_part, lambda weights: np.asarray(weights @ counts))


def _statistic(name: str, terms: Terms, value: Value, *, every: bool = False) -> SampleStatistic:
    better = True if name == "rt_surprisal_r" or name.startswith("rt_beyond") else None
    return SampleStatistic(name, _moments(terms, value, every=every), better)


SURPRISAL = _statistic("rt_surprisal_r", _named("bits", "ms"), _r)
PARTIAL = _statistic("rt_beyond_length", _named("bits", "ms", "lengths", "positions"), _partial)
LENGTH = _statistic("rt_length_r", _named("lengths", "ms"), _r)
POSITION = _statistic("rt_position_r", _named("positions", "ms"), _r)
FREQUENCY = _statistic("rt_log_frequency_r", _named("log_counts", "ms"), _r)
PREVIOUS = _statistic("rt_previous_r", _named("before", "ms"), _r)
BEYOND = _statistic(
    "rt_beyond_nuisance",
    _named("bits", "ms", "lengths", "positions", "log_counts", "before"),
    _partial,
)
IN_PLACE = _statistic("rt_in_place", _named("bits", "ms"), _r, every=True)
BACK = _statistic("rt_shifted_back", _shifted(-1), _r, every=True)
ON = _statistic("rt_shifted_on", _shifted(1), _r, every=True)
CEILING = SampleStatistic("rt_ceiling", _moments(_with_error, _ceiling), None, low=0.0)
NORMALISED = SampleStatistic(
    "rt_normalised",
    _moments(_with_error, _normalised),
    True,
    low=None,
    high=None,
    marked_above=1.0,
)
WORDS = SampleStatistic("rt_words", _count, None, unit="count", low=0.0, high=None)

READING_TIMES = Scorer(
    "reading_times",
    1,
    score,
    (
        "brain.rt_surprisal_r",
        "brain.rt_normalised",
        "brain.rt_ceiling",
        "brain.rt_beyond_length",
        "brain.rt_length_r",
        "brain.rt_position_r",
        "brain.rt_log_frequency_r",
        "brain.rt_previous_r",
        "brain.rt_beyond_nuisance",
        "brain.rt_in_place",
        "brain.rt_shifted_back",
        "brain.rt_shifted_on",
        "brain.rt_words",
    ),
    summary="surprisal of words in bits, against mean reading times",
    check=check,
)
