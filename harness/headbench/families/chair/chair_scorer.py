"""CHAIR: hallucinated objects in captions; read it together with recall and length.

Formulas: Rohrbach et al. 2018 (arXiv 1809.02156), sec. 3. With ``M`` all object mentions over all
captions and ``H`` those whose object is not in the image,

* ``chair_i`` = size of H / size of M over the corpus: mentions, repetitions counted, never a mean
  of captions;
* ``chair_s`` = captions with at least one hallucinated mention / captions (captions that name no
  object stay below the line);
* ``recall`` = distinct true objects named / objects in the images, over the corpus;
* ``len`` = mean pieces of ``caption.split(" ")``: single spaces, as the published lengths of
  Li et al. 2023 (arXiv 2305.10355, Table 1) were counted.

Two figures are called F1 in later papers; both are here under their own names.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from headbench.errors import ConfigError, DataError
from headbench.families.chair.chair_lexicon import Lexicon, lexicon_of
from headbench.families.chair.unfinished import has_sentence_end, without_unfinished
from headbench.nouns import Document, Record
from headbench.scoring.parser import Parser
from headbench.scoring.scorer import AskedStep, Scorer, refuse_unknown
from headbench.statistics.metric import Floats, SumMetric, column, ratio

OPTIONS = ("profile", "vocabulary", "frequent", "drop_unfinished")


def caption_parts(
    caption: str, truth: Collection[str], lexicon: Lexicon, frequent: Sequence[str] | None = None
) -> dict[str, object]:
    """The score parts of one caption.

    Args:
        caption: The caption as generated; leading and trailing spaces count towards its length.
        truth: Objects in the image, as node words of ``lexicon``.
        lexicon: The reading of captions.
        frequent: The k most frequent objects, for the hit ratio; ``None`` leaves it out.

    Returns:
        ``mentions`` and ``hallucinated`` (node words in order, repetitions kept), ``found``
        (distinct true objects, sorted), ``truth_size``, ``words``, and ``hits`` where asked.
    """
    present = frozenset(truth)
    mentions = lexicon.mentions(caption)
    hallucinated = [node for node in mentions if node not in present]
    parts: dict[str, object] = {
        "mentions": list(mentions),
        "hallucinated": hallucinated,
        "found": sorted(present.intersection(mentions)),
        "truth_size": len(present),
        "words": len(caption.split(" ")),
    }
    if frequent is not None:
        parts["hits"] = len(set(hallucinated) & set(frequent))
    return parts


def _words(record: Record, part: str) -> list[str]:
    value = record.parts.get(part, ())
    return [str(word) for word in value] if isinstance(value, list | tuple) else []


def _number(record: Record, part: str) -> float:
    value = record.parts.get(part, 0)
    return float(value) if isinstance(value, int | float) else 0.0


def _caption_row(record: Record) -> Sequence[float]:
    return (float(bool(_words(record, "hallucinated"))), 1.0)


def _mention_row(record: Record) -> Sequence[float]:
    return (float(len(_words(record, "hallucinated"))), float(len(_words(record, "mentions"))))


def _object_row(record: Record) -> Sequence[float]:
    return (float(len(_words(record, "found"))), _number(record, "truth_size"))


def _length_row(record: Record) -> Sequence[float]:
    return (_number(record, "words"), 1.0)


def _both_rows(record: Record) -> Sequence[float]:
    return (*_mention_row(record), *_object_row(record))


def _distinct_row(record: Record) -> Sequence[float]:
    found, truth = _object_row(record)
    return (found, float(len(set(_words(record, "mentions")))), truth)


def _hit_row(record: Record) -> Sequence[float]:
    wrong = len(set(_words(record, "hallucinated")))
    if "hits" not in record.parts or not wrong:
        return (0.0, 0.0)
    return (_number(record, "hits") / wrong, 1.0)


def _first_over_second(sums: Floats) -> Floats:
    return ratio(sums[..., 0], sums[..., 1])


def _first(sums: Floats) -> Floats:
    return column(sums, 0)


def _second(sums: Floats) -> Floats:
    return column(sums, 1)


def _harmonic(sums: Floats) -> Floats:
    precision = 1.0 - ratio(sums[..., 0], sums[..., 1])
    recall = ratio(sums[..., 2], sums[..., 3])
    return ratio(2.0 * precision * recall, precision + recall)


def _dice(sums: Floats) -> Floats:
    return ratio(2.0 * sums[..., 0], sums[..., 1] + sums[..., 2])


CHAIR_S = SumMetric(
    name="chair_s",
    parts=("hallucinated_captions", "captions"),
    row=_caption_row,
    value=_first_over_second,
    higher_is_better=False,
    outcome=lambda record: not _words(record, "hallucinated"),
)
CHAIR_I = SumMetric(
    name="chair_i",
    parts=("hallucinated_mentions", "mentions"),
    row=_mention_row,
    value=_first_over_second,
    higher_is_better=False,
)
RECALL = SumMetric(
    name="recall",
    parts=("objects_found", "objects"),
    row=_object_row,
    value=_first_over_second,
    higher_is_better=True,
)
LENGTH = SumMetric(
    name="len",
    parts=("words", "captions"),
    row=_length_row,
    value=_first_over_second,
    higher_is_better=None,
    unit="words",
    high=None,
)
# Harmonic mean of (1 - chair_i) and recall: mentions above, distinct objects below.
F1 = SumMetric(
    name="f1",
    parts=("hallucinated_mentions", "mentions", "objects_found", "objects"),
    row=_both_rows,
    value=_harmonic,
    higher_is_better=True,
)
# Precision and recall both over distinct objects of a caption.
OBJECT_F1 = SumMetric(
    name="object_f1",
    parts=("objects_found", "objects_named", "objects"),
    row=_distinct_row,
    value=_dice,
    higher_is_better=True,
)
# HR_A@k of Li et al. 2023, sec. 4.3: mean over captions that hallucinate.
HIT_RATIO = SumMetric(
    name="hit_ratio",
    parts=("hit_shares", "hallucinating_captions"),
    row=_hit_row,
    value=_first_over_second,
    higher_is_better=None,
)
MENTIONS = SumMetric(
    name="mentions",
    parts=("hallucinated_mentions", "mentions"),
    row=_mention_row,
    value=_second,
    higher_is_better=None,
    unit="count",
    high=None,
)
HALLUCINATED_MENTIONS = SumMetric(
    name="hallucinated_mentions",
    parts=("hallucinated_mentions", "mentions"),
    row=_mention_row,
    value=_first,
    higher_is_better=False,
    unit="count",
    high=None,
    trials=lambda record: float(len(_words(record, "mentions"))),
)
HALLUCINATED_CAPTIONS = SumMetric(
    name="hallucinated_captions",
    parts=("hallucinated_captions", "captions"),
    row=_caption_row,
    value=_first,
    higher_is_better=False,
    unit="count",
    high=None,
)


def _score(
    document: Document, outputs: tuple[str, ...], parser: Parser, options: Mapping[str, object]
) -> Mapping[str, object]:
    """Parts of one captioned document; the caption is the last output, as generated."""
    target = document.target
    if not isinstance(target, list | tuple | set | frozenset):
        raise DataError(
            "a caption task needs the objects of the image as its target",
            where=f"document {document.id}",
            hint="let doc_to_target give a list of object names",
        )
    lexicon, frequent = _options(options)
    drop = _drops_unfinished(options)
    caption = without_unfinished(outputs[-1]) if drop else outputs[-1]
    parts = caption_parts(caption, [str(name) for name in target], lexicon, frequent)
    parts["lexicon"] = lexicon.id
    if drop:
        parts["dropped"] = int(caption != outputs[-1])
        parts["no_sentence_end"] = int(not has_sentence_end(caption))
    return parts


def _options(options: Mapping[str, object]) -> tuple[Lexicon, list[str] | None]:
    """The lexicon, and the most frequent objects where they are given.

    Raises:
        ConfigError: An option is unknown or wrong.
    """
    refuse_unknown("chair", options, OPTIONS)
    frequent = options.get("frequent")
    if frequent is None:
        return lexicon_of(options), None
    if not isinstance(frequent, list | tuple):
        raise ConfigError(
            f"frequent must be a list of object names, not {frequent!r}",
            where="scorer_options.frequent",
            hint="write frequent: [person, chair, car]",
        )
    return lexicon_of(options), [str(name) for name in frequent]


def _drops_unfinished(options: Mapping[str, object]) -> bool:
    """Whether a cut last sentence is dropped before a caption is read.

    Raises:
        ConfigError: The option is not a truth value.
    """
    value = options.get("drop_unfinished", False)
    if not isinstance(value, bool):
        raise ConfigError(
            f"drop_unfinished must be true or false, not {value!r}",
            where="scorer_options.drop_unfinished",
        )
    return value


def _check(options: Mapping[str, object], steps: Sequence[AskedStep]) -> None:
    _options(options)
    _drops_unfinished(options)


CHAIR = Scorer(
    name="chair",
    version=1,
    score=_score,
    metrics=(
        "chair.chair_s",
        "chair.chair_i",
        "chair.recall",
        "chair.len",
        "chair.f1",
        "chair.object_f1",
        "chair.hit_ratio",
        "chair.hallucinated_captions",
        "chair.hallucinated_mentions",
        "chair.mentions",
    ),
    summary="hallucinated objects in captions; "
    "options: profile, vocabulary, frequent, drop_unfinished",
    check=_check,
)
"""Scorer of captions against ``document.target``, the objects of the image.

Options: ``profile`` (``chair-2018``, the default, ``chair-clean``, or any name together with
``vocabulary``: word -> object name, for worlds of other objects), ``frequent`` (the k most
frequent objects, for ``hit_ratio``) and ``drop_unfinished`` (a last sentence that was cut off is
dropped before the caption is read; see :mod:`headbench.families.chair.unfinished`).
"""


def hit_ratio(hallucinated: Sequence[Collection[str]], ranked: Sequence[str], k: int) -> float:
    """Share of hallucinated objects that are among the first ``k`` of a ranking.

    ``HR_A@k`` ranks objects by frequency, ``HR_C@k(o)`` by co-occurrence with ``o``
    (Li et al. 2023, arXiv 2305.10355, sec. 4.3).

    Args:
        hallucinated: Distinct hallucinated objects of each caption.
        ranked: Objects, the first ranks highest.
        k: How many of the ranking count.

    Returns:
        The mean over captions that hallucinate; NaN where none does.
    """
    top = set(ranked[:k])
    shares = [len(top & set(wrong)) / len(set(wrong)) for wrong in hallucinated if wrong]
    return math.fsum(shares) / len(shares) if shares else float("nan")


def by_frequency(truth: Mapping[str, Collection[str]], with_object: str | None = None) -> list[str]:
    """Objects by the number of images they occur in, ties by name.

    Args:
        truth: Image -> its objects.
        with_object: Count only images that hold this object, and leave it out (co-occurrence).
    """
    counts: dict[str, int] = {}
    for objects in truth.values():
        if with_object is None or with_object in objects:
            for name in objects:
                if name != with_object:
                    counts[name] = counts.get(name, 0) + 1
    return sorted(counts, key=lambda name: (-counts[name], name))
