"""Annotation stickiness: do definitions and examples change a label that was wrong without them?

Casanova, Kocielnik and Alvarez (arXiv 2606.00467). With Z the items whose zero-shot label is wrong
and C those whose zero-shot label is right,

* rescue rate of a condition = items of Z that are right under it / size of Z, and stickiness is
  1 - rescue;
* damage rate of a condition = items of C that are wrong under it / size of C;
* pooled rescue = the sum of the numerators over conditions / the sum of the denominators;
* ever rescued = items of Z that are right under at least one condition / size of Z.

An item whose zero-shot answer cannot be read is in neither set; an unread answer under a condition
is not a rescue, and is damage. Below :data:`LEAST` items the rates are undefined: a rescue rate of
seven items is noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from headbench.errors import ConfigError, DataError
from headbench.nouns import Document, Record
from headbench.scoring.binary_labels import as_flag, class_of
from headbench.scoring.parser import Parser
from headbench.scoring.scorer import AskedStep, Scorer, refuse_unknown
from headbench.statistics.metric import Floats, SumMetric, column, ratio

LEAST = 30
"""Fewest items of Z (or C) for which a rate is given."""
CONDITIONS = ("zero_shot", "aligned", "misaligned", "few_shot", "few_shot_definition")
"""Steps of a task, in the order of its outputs; the first one is the prior."""
POOLED = ("aligned", "few_shot", "few_shot_definition", "turn_1", "turn_2", "turn_3")
"""Conditions that are meant to help; pooled rescue sums over them."""
OPTIONS = ("label", "conditions", "pooled")


def annotation_parts(
    gold: bool,
    labels: Mapping[str, bool | None],
    confidences: Mapping[str, float | None],
    pooled: Sequence[str],
) -> dict[str, object]:
    """The score parts of one item.

    Args:
        gold: The right label.
        labels: Condition -> label, ``None`` unparsed; the first condition is the prior.
        confidences: Condition -> elicited confidence in 0..1.
        pooled: Conditions that count towards pooled rescue.

    Returns:
        ``gold``, ``z``, ``c`` (0 or 1), ``tried`` and ``rescued`` (pooled conditions of an item of
        Z), ``ever``, ``guarded`` and ``damaged`` (the same of an item of C), ``unparsed`` and
        ``asked`` (answers), ``right.NAME`` and ``said.NAME`` where read, and ``confidence.NAME``.
    """
    prior = next(iter(labels))
    first = labels[prior]
    wrong, right = first is not None and first != gold, first is not None and first == gold
    tried = [name for name in pooled if name in labels and name != prior]
    outcomes = [labels[name] == gold for name in tried]
    parts: dict[str, object] = {
        "gold": int(gold),
        "z": int(wrong),
        "c": int(right),
        "tried": len(tried) if wrong else 0,
        "rescued": sum(outcomes) if wrong else 0,
        "ever": int(wrong and any(outcomes)),
        "guarded": len(tried) if right else 0,
        "damaged": len(tried) - sum(outcomes) if right else 0,
        "unparsed": sum(label is None for label in labels.values()),
        "asked": len(labels),
    }
    for name, label in labels.items():
        parts[f"right.{name}"] = int(label is not None and label == gold)
        if label is not None:
            parts[f"said.{name}"] = int(label)
        confidence = confidences.get(name)
        if confidence is not None:
            parts[f"confidence.{name}"] = confidence
    return parts


def _score(
    document: Document, outputs: tuple[str, ...], parser: Parser, options: Mapping[str, object]
) -> Mapping[str, object]:
    """Parts of one item; options: ``label`` (positive class), ``conditions``, ``pooled``."""
    positive, names, pooled = _options(options, len(outputs))
    if document.target is None:
        raise DataError("an item to annotate has no label", where=f"document {document.id}")
    labels: dict[str, bool | None] = {}
    confidences: dict[str, float | None] = {}
    for name, output in zip(names, outputs, strict=True):
        read = parser.read(output)
        word, confidence = read if isinstance(read, tuple) else (read, None)
        labels[name] = class_of(word, positive) if isinstance(word, str) else None
        confidences[name] = confidence
    gold = as_flag(document.target, positive)
    return annotation_parts(gold, labels, confidences, pooled)


def _options(
    options: Mapping[str, object], outputs: int | None
) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """The positive class, the conditions, and those that are pooled.

    Args:
        options: The task's ``scorer_options``.
        outputs: How many outputs a document has; ``None`` where that is not known yet.

    Raises:
        ConfigError: An option is unknown or wrong, or there are not as many conditions as outputs.
    """
    refuse_unknown("stickiness", options, OPTIONS)
    names = _names(options, "conditions", CONDITIONS)
    if outputs is not None and len(names) != outputs:
        raise ConfigError(
            f"{outputs} answers, but {len(names)} conditions",
            where="scorer_options.conditions",
            hint="list the task's steps in their order; the first one is the zero-shot step",
        )
    positive = str(options.get("label") or "")
    if not positive:
        raise ConfigError(
            "the class that counts as yes is not named",
            where="scorer_options.label",
            hint="for example label: toxic",
        )
    return positive, names, _names(options, "pooled", POOLED)


def _check(options: Mapping[str, object], steps: Sequence[AskedStep]) -> None:
    counts = [step.outputs for step in steps]
    _options(options, None if None in counts else sum(count or 0 for count in counts))


def _names(options: Mapping[str, object], key: str, default: tuple[str, ...]) -> tuple[str, ...]:
    value = options.get(key, default)
    if not isinstance(value, list | tuple) or not value or len(set(value)) != len(value):
        raise ConfigError(f"{key} must be a list of distinct names", where=f"scorer_options.{key}")
    return tuple(str(name) for name in value)


def part(record: Record, name: str) -> float:
    """A numeric part; 0 where the record has none."""
    value = record.parts.get(name, 0)
    return float(value) if isinstance(value, int | float) else 0.0


def enough(over: Floats, under: Floats, items: Floats) -> Floats:
    """``over / under``, NaN for fewer than :data:`LEAST` items."""
    return ratio(over, under * (items >= LEAST))


def _rate(
    name: str, parts: tuple[str, str, str], better: bool, inverted: bool = False
) -> SumMetric:
    """A rate of three summed parts: over, under, and the items that must be enough."""

    def value(sums: Floats) -> Floats:
        rate = enough(sums[..., 0], sums[..., 1], sums[..., 2])
        return 1.0 - rate if inverted else rate

    return SumMetric(
        name=name,
        parts=parts,
        row=lambda record: tuple(part(record, one) for one in parts),
        value=value,
        higher_is_better=better,
    )


def _size(name: str, source: str) -> SumMetric:
    return SumMetric(
        name=name,
        parts=(source,),
        row=lambda record: (part(record, source),),
        value=lambda sums: column(sums, 0),
        higher_is_better=None,
        unit="count",
        high=None,
    )


def _shift_row(record: Record) -> Sequence[float]:
    names = ("confidence.aligned", "confidence.misaligned")
    if not all(name in record.parts for name in names):
        return (0.0, 0.0)
    return (part(record, names[1]) - part(record, names[0]), 1.0)


def _change_row(record: Record) -> Sequence[float]:
    names = ("said.aligned", "said.misaligned")
    if not all(name in record.parts for name in names):
        return (0.0, 0.0)
    return (float(part(record, names[0]) != part(record, names[1])), 1.0)


def _share(sums: Floats) -> Floats:
    return ratio(sums[..., 0], sums[..., 1])


RESCUE = _rate("rescue", ("rescued", "tried", "z"), better=True)
STICKINESS_RATE = _rate("stickiness", ("rescued", "tried", "z"), better=False, inverted=True)
EVER_RESCUED = _rate("ever_rescued", ("ever", "z", "z"), better=True)
DAMAGE = _rate("damage", ("damaged", "guarded", "c"), better=False)
Z_SIZE = _size("z", "z")
C_SIZE = _size("c", "c")
ACCURACY = SumMetric(
    name="zero_shot_accuracy",
    parts=("c", "items"),
    row=lambda record: (part(record, "c"), 1.0),
    value=_share,
    higher_is_better=True,
    outcome=lambda record: bool(part(record, "c")),
)
UNPARSED_RATE = SumMetric(
    name="unparsed_rate",
    parts=("unparsed", "asked"),
    row=lambda record: (part(record, "unparsed"), part(record, "asked")),
    value=_share,
    higher_is_better=False,
)
# Misaligned minus aligned definition, over items with both.
CONFIDENCE_SHIFT = SumMetric(
    name="confidence_shift",
    parts=("shift", "items"),
    row=_shift_row,
    value=_share,
    higher_is_better=None,
    low=-1.0,
)
CHANGE_RATE = SumMetric(
    name="change_rate",
    parts=("changed", "items"),
    row=_change_row,
    value=_share,
    higher_is_better=None,
)

STICKINESS = Scorer(
    name="stickiness",
    version=1,
    score=_score,
    metrics=(
        "stickiness.rescue",
        "stickiness.z",
        "stickiness.stickiness",
        "stickiness.ever_rescued",
        "stickiness.damage",
        "stickiness.c",
        "stickiness.zero_shot_accuracy",
        "stickiness.unparsed_rate",
        "stickiness.confidence_shift",
        "stickiness.change_rate",
    ),
    default_parser="label_robust",
    summary="rescue and damage of labels by definitions; options: label, conditions, pooled",
    check=_check,
)
"""Scorer of annotation under several conditions, one output each."""
