"""POPE: is this object in the image? Yes/no answers against annotated objects.

Li et al. 2023 (arXiv 2305.10355), sec. 5. "Yes" is the positive class. With TP, FP, TN, FN counted
over the answers that could be read and N over all of them:

* accuracy = (TP + TN) / N: an unparsed answer is a wrong one;
* precision = TP / (TP + FP), recall = TP / (TP + FN): an unparsed answer is in neither, as in
  lmms-eval, which is why the unparsed rate must stand beside them;
* F1 = 2 TP / (2 TP + FP + FN), the harmonic mean of the two;
* yes ratio = (TP + FP) / N, from the predictions (not from the labels, where it is constant).

A figure whose denominator is zero is NaN. Settings (random, popular, adversarial) are reported
apart; they share their positive questions and are no independent samples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from headbench.errors import ConfigError, DataError
from headbench.nouns import Document, Record
from headbench.scoring.parser import Parser
from headbench.scoring.scorer import AskedStep, Scorer, refuse_unknown
from headbench.statistics.metric import Floats, SumMetric, ratio

PARTS = ("tp", "fp", "tn", "fn", "unparsed", "n")
_TP, _FP, _TN, _FN, _UNPARSED, _N = range(len(PARTS))
_CELL = {("yes", "yes"): _TP, ("no", "yes"): _FP, ("no", "no"): _TN, ("yes", "no"): _FN}
"""(label, answer) -> column."""


def score(
    document: Document,
    outputs: tuple[str, ...],
    parser: Parser,
    options: Mapping[str, object],
) -> dict[str, object]:
    """Parts of one question: ``label``, ``answer``, ``setting``, ``object``, ``image``.

    Args:
        document: ``target`` is the label, "yes" or "no"; the fields ``setting``, ``object`` and
            ``image`` are carried along where present.
        outputs: One answer.
        parser: Reads "yes", "no" or ``None``.
        options: None are known.

    Returns:
        The parts; ``answer`` is "unparsed" where nothing could be read.

    Raises:
        DataError: The label is neither yes nor no.
        ConfigError: The parser reads something else than yes and no, or there are options.
    """
    refuse_unknown("pope", options)
    label = str(document.target).strip().lower()
    if label not in ("yes", "no"):
        raise DataError(
            f"a POPE label must be yes or no, not {document.target!r}",
            where=f"document {document.id}",
            hint="point doc_to_target at the label field",
        )
    answer = parser.read(outputs[-1]) if outputs else None
    if answer not in ("yes", "no", None):
        raise ConfigError(
            f"parser {parser.id} read {answer!r} where POPE needs yes or no",
            where="parser",
            hint="use pope_ref, pope_strict or pope_robust",
        )
    parts: dict[str, object] = {"label": label, "answer": answer or "unparsed"}
    for name in ("setting", "object", "image"):
        if name in document.fields:
            parts[name] = str(document.fields[name])
    return parts


def row(record: Record) -> tuple[float, ...]:
    """One record as counts in the order of :data:`PARTS`."""
    counts = [0.0] * len(PARTS)
    answer = str(record.parts["answer"])
    counts[_CELL.get((str(record.parts["label"]), answer), _UNPARSED)] = 1.0
    counts[_N] = 1.0
    return tuple(counts)


def correct(record: Record) -> bool:
    """Whether the answer is the label; an unparsed one is not."""
    return record.parts["label"] == record.parts["answer"]


def _accuracy(sums: Floats) -> Floats:
    return ratio(sums[..., _TP] + sums[..., _TN], sums[..., _N])


def _precision(sums: Floats) -> Floats:
    return ratio(sums[..., _TP], sums[..., _TP] + sums[..., _FP])


def _recall(sums: Floats) -> Floats:
    return ratio(sums[..., _TP], sums[..., _TP] + sums[..., _FN])


def _f1(sums: Floats) -> Floats:
    return ratio(2 * sums[..., _TP], 2 * sums[..., _TP] + sums[..., _FP] + sums[..., _FN])


def _yes_ratio(sums: Floats) -> Floats:
    return ratio(sums[..., _TP] + sums[..., _FP], sums[..., _N])


def _unparsed_rate(sums: Floats) -> Floats:
    return ratio(sums[..., _UNPARSED], sums[..., _N])


def _fraction(
    name: str,
    value: Callable[[Floats], Floats],
    higher_is_better: bool | None,
    outcome: Callable[[Record], bool | None] | None = None,
) -> SumMetric:
    return SumMetric(name, PARTS, row, value, higher_is_better, outcome=outcome)


def _count(name: str, column: int, higher_is_better: bool) -> SumMetric:
    return SumMetric(
        name, PARTS, row, lambda sums: sums[..., column], higher_is_better, unit="count", high=None
    )


ACCURACY = _fraction("accuracy", _accuracy, True, correct)
PRECISION = _fraction("precision", _precision, True)
RECALL = _fraction("recall", _recall, True)
F1 = _fraction("f1", _f1, True)
YES_RATIO = _fraction("yes_ratio", _yes_ratio, None)
UNPARSED_RATE = _fraction("unparsed_rate", _unparsed_rate, False)
TP = _count("tp", _TP, True)
FP = _count("fp", _FP, False)
TN = _count("tn", _TN, True)
FN = _count("fn", _FN, False)


def _check(options: Mapping[str, object], steps: Sequence[AskedStep]) -> None:
    refuse_unknown("pope", options)


POPE = Scorer(
    name="pope",
    version=1,
    score=score,
    metrics=(
        "pope.f1",
        "pope.accuracy",
        "pope.precision",
        "pope.recall",
        "pope.yes_ratio",
        "pope.unparsed_rate",
        "pope.tp",
        "pope.fp",
        "pope.tn",
        "pope.fn",
    ),
    breakdowns=("setting",),
    default_parser="pope_robust",
    summary="yes/no questions about objects in images",
    check=_check,
)
