"""Rescue, damage and macro F1 of recorded labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from headbench.errors import DataError, HeadbenchError
from headbench.families.stickiness.stickiness_scorer import CONDITIONS, POOLED
from headbench.nouns import Document
from headbench.results.canonical import digest
from headbench.results.fields import Fields
from headbench.results.figures import Sampling
from headbench.results.recorded import Recorded, log_name, read_rows
from headbench.results.rescored import SAMPLING, Log, Rescored, rescored
from headbench.scoring import lookup
from headbench.scoring.binary_labels import as_flag
from headbench.scoring.thoughts import DEFAULT

KNOWN = tuple(dict.fromkeys((*CONDITIONS, *POOLED)))
"""Conditions that a log may name, zero-shot first."""
PRIOR = KNOWN[0]


def rescore_stickiness(
    predictions: Path,
    label: str,
    parser: str = "label_robust",
    fields: Fields | None = None,
    sampling: Sampling = SAMPLING,
    marks: Sequence[str] = DEFAULT,
) -> Rescored:
    """Figures of recorded labels, one row per item and condition.

    Args:
        predictions: Rows with an id, a condition, the right label and the answer.
        label: The class that counts as yes.
        parser: How answers are read.
        fields: Field names.
        sampling: How intervals are made.
        marks: Marks of thoughts, which are cut before anything is read.

    Returns:
        What a run of the ``stickiness`` tasks gives, and ``macro_f1_CONDITION`` of each condition.
        Items that lack a condition of the log are left out and lower coverage.

    Raises:
        DataError: A row lacks something, a condition is unknown, zero-shot or every condition that
            should help is missing, or two rows of an item contradict each other.
    """
    log = read_rows(predictions)
    reading = (
        (fields or Fields())
        .of("predictions")
        .reading(log.rows, ("answer", "label", "condition", "id"), log.name)
    )
    items: dict[str, dict[str, str]] = {}
    golds: dict[str, bool] = {}
    repeated = 0
    for number, row in enumerate(log.rows, start=1):
        where = f"{log.name}, row {number}"
        told = {role: reading.text(row, role) for role in ("id", "condition", "label", "answer")}
        lacking = [role for role, text in told.items() if text is None]
        if lacking:
            raise DataError(
                f"a row has no {lacking[0]}",
                where=f"{where}: {', '.join(map(str, row))}",
                hint=f"name the field, for example --field {lacking[0]}=NAME",
            )
        name, condition, _, answer = (str(text) for text in told.values())
        if condition not in KNOWN:
            raise DataError(
                f"no condition is called {condition[:60]!r}",
                where=where,
                hint=f"known are {', '.join(KNOWN)}",
            )
        gold = _gold(told["label"], label, where)
        if golds.setdefault(name, gold) != gold:
            raise DataError(f"the item {name!r} has two right labels", where=where)
        said = items.setdefault(name, {})
        repeated += condition in said
        if said.setdefault(condition, answer) != answer:
            raise DataError(
                f"the item {name!r} has two different answers under {condition}",
                where=where,
                hint="keep one run in the file",
            )
    conditions = [one for one in KNOWN if any(one in said for said in items.values())]
    pooled = [one for one in POOLED if one in conditions]
    _check_conditions(conditions, pooled, log)
    options = {"label": label, "conditions": conditions, "pooled": pooled}
    scorer, reader = lookup.scorer("stickiness"), lookup.parser(parser)
    whole = {name: said for name, said in items.items() if len(said) == len(conditions)}
    records = tuple(
        scorer.record(
            Document(name, name, {}, target="yes" if golds[name] else "no"),
            tuple(said[one] for one in conditions),
            reader,
            options,
            marks=marks,
        )
        for name, said in whole.items()
    )
    f1 = {name: lookup.metric(name) for name in (f"stickiness.macro_f1_{c}" for c in conditions)}
    return rescored(
        Log(
            task="stickiness",
            scorer=scorer.id,
            parser=reader.id,
            metrics={**lookup.named_metrics("stickiness"), **f1},
            records=records,
            expected=len(items),
            inputs={"predictions": log},
            name=log_name(predictions),
            data=digest({name: golds[name] for name in whole}),
            source={
                "joined by": "id",
                "predictions.fields": str(reading),
                **({"repeated rows": str(repeated)} if repeated else {}),
            },
            options=options,
            marks=marks,
            notes=(
                f"conditions: {', '.join(conditions)}; rescue and damage are pooled over "
                f"{', '.join(pooled)}; |Z|, the items that zero-shot got wrong, is z",
            ),
            unmatched=f"0 of {len(items):,} items have an answer under every condition of the log: "
            f"{', '.join(conditions)}",
        ),
        sampling,
    )


def _check_conditions(conditions: Sequence[str], pooled: Sequence[str], log: Recorded) -> None:
    if PRIOR not in conditions or not pooled:
        needs = PRIOR if PRIOR not in conditions else "condition that should help"
        raise DataError(
            f"the log has no {needs}; it has {', '.join(conditions)}",
            where=log.name,
            hint=f"give rows of {PRIOR} and of one of {', '.join(POOLED)}",
        )


def _gold(value: object, label: str, where: str) -> bool:
    try:
        return as_flag(value, label)
    except HeadbenchError as error:
        raise DataError(error.what, where=where, hint=error.hint) from error
