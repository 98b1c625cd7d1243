"""POPE's figures of recorded answers to several files of questions, one per setting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from headbench.errors import DataError
from headbench.families.pope.answer_join import (
    JoinedAnswers,
    LabelledQuestion,
    join_answers,
    question_fields,
    questions_of,
    version_of,
)
from headbench.families.pope.pope_build import SETTINGS
from headbench.families.pope.rescore_pope import named_settings, pope_documents
from headbench.families.pope.setting_means import NAMES
from headbench.results.canonical import digest
from headbench.results.fields import Fields
from headbench.results.figures import Sampling
from headbench.results.joins import Vouched, unproven
from headbench.results.recorded import Recorded, log_name, read_rows
from headbench.results.rescored import SAMPLING, Log, Rescored, rescored
from headbench.scoring import lookup
from headbench.scoring.thoughts import DEFAULT


def rescore_settings(
    predictions: Path,
    questions: Sequence[Path],
    parser: str = "pope_ref",
    fields: Fields | None = None,
    sampling: Sampling = SAMPLING,
    marks: Sequence[str] = DEFAULT,
    join: Vouched | None = None,
) -> Rescored:
    """POPE's figures by setting, and their means over the settings.

    Rows of the log that name a setting answer the questions of that setting only. Where no row
    names one, a row answers its question in every setting that asks it.

    Args:
        predictions: Answers to all settings, in one log.
        questions: One file of labelled questions per setting.
        parser: How answers are read.
        fields: Field names.
        sampling: How intervals are made.
        marks: Marks of thoughts, which are cut before anything is read.
        join: ``id`` or ``order``: you say that rows belong together by it.

    Returns:
        ``mean_f1``, ``mean_accuracy`` and so on: the mean of the settings, never pooled; the
        breakdown ``setting`` holds each setting's own. No headline where a setting lacks answers.

    Raises:
        DataError: A file names no setting, or several; two files have one setting; or what
            ``rescore_pope`` refuses.
    """
    fields = fields or Fields()
    log, files = read_rows(predictions), [read_rows(path) for path in questions]
    by_setting: dict[str, Recorded] = {}
    for path, file in zip(questions, files, strict=True):
        setting = _setting(path, file, fields)
        if setting in by_setting:
            raise DataError(
                f"two files hold the questions of the setting {setting!r}",
                where=f"{by_setting[setting].name} and {file.name}",
                hint="give one file per setting; rescore data sets one by one",
            )
        by_setting[setting] = file
    scorer, reader = lookup.scorer("pope"), lookup.parser(parser)
    logs = _split_log(log, fields)
    joined: dict[str, JoinedAnswers] = {}
    items: dict[str, tuple[LabelledQuestion, ...]] = {}
    records = []
    for setting, file in by_setting.items():
        items[setting] = questions_of(file, fields)
        rows = logs.get(setting, ()) if logs else log.rows
        if not rows:
            joined[setting] = JoinedAnswers((None,) * len(items[setting]), "nothing", 0, 0)
            continue
        part = join_answers(replace(log, rows=tuple(rows)), items[setting], fields, join)
        joined[setting] = part
        for document, answer in zip(
            pope_documents(items[setting], setting), part.answers, strict=True
        ):
            if answer is not None:
                records.append(scorer.record(document, (answer,), reader, marks=marks))
    without = [setting for setting, one in joined.items() if one.how == "nothing"]
    hows = {one.how for one in joined.values()} - {"nothing"}
    unproved = [reason for how in sorted(hows) if (reason := unproven(how, join))]
    missing = [f"no answer to the questions of {setting}" for setting in without]
    first = next(iter(joined.values()))
    asked = sum(map(len, items.values()))
    told = "; ".join(one.reason for one in joined.values() if one.reason)
    return rescored(
        Log(
            task="pope",
            scorer=scorer.id,
            parser=reader.id,
            metrics={name: lookup.metric(name) for name in NAMES},
            records=tuple(records),
            expected=asked,
            inputs={
                "predictions": log,
                **{f"questions.{name}": file for name, file in by_setting.items()},
            },
            name=log_name(predictions),
            data=digest({name: version_of(one) for name, one in items.items()}),
            source={
                "joined by": ", ".join(sorted(hows)) or "nothing",
                "predictions.fields": str(first.fields),
                "questions.fields": "; ".join(
                    dict.fromkeys(str(question_fields(one, fields)) for one in by_setting.values())
                ),
                "averaged": f"mean of the settings {', '.join(by_setting)}, not pooled",
                **{
                    f"answered.{name}": f"{sum(a is not None for a in one.answers)} of "
                    f"{len(one.answers)}"
                    for name, one in joined.items()
                },
            },
            reason="; ".join([*missing, *unproved]),
            parts=("setting",),
            shows_split=True,
            vouched=join or "",
            prompts=tuple(dict.fromkeys(p for one in joined.values() for p in one.prompts)),
            settings=tuple(by_setting),
            marks=marks,
            notes=(f"mean: of the settings {', '.join(by_setting)}, not pooled",),
            unmatched=f"0 of {asked:,} questions were answered{': ' if told else ''}{told}",
        ),
        sampling,
    )


def _setting(path: Path, file: Recorded, fields: Fields) -> str:
    """The one setting that a file of questions is of."""
    found = named_settings((file,), ("questions",), fields, path.name)
    if len(found) != 1:
        several = f"several settings: {', '.join(found)}" if found else "no setting"
        raise DataError(
            f"a file of questions names {several}",
            where=str(path),
            hint=f"let its name hold one of {', '.join(SETTINGS)}, or its rows a field 'setting'",
        )
    return found[0]


def _split_log(log: Recorded, fields: Fields) -> dict[str, list[dict[str, object]]]:
    """Rows of the log by the setting that they name; empty where none names one.

    Raises:
        DataError: Some rows name a setting and others do not.
    """
    reading = fields.of("predictions").reading(log.rows, ("setting",), log.name)
    found: dict[str, list[dict[str, object]]] = {}
    bare = 0
    for row in log.rows:
        name = (reading.text(row, "setting") or "").strip().lower()
        if name in SETTINGS:
            found.setdefault(name, []).append(dict(row))
        else:
            bare += 1
    if found and bare:
        raise DataError(
            f"{bare:,} of {len(log.rows):,} rows name no setting, and the others do",
            where=log.name,
            hint="let every row name its setting, or none",
        )
    return found
