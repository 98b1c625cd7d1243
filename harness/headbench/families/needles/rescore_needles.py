"""Needle recall of recorded responses, by length and by depth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from headbench.errors import DataError
from headbench.families.needles.expected_phrases import ExpectedPhrases, expected_phrases
from headbench.families.needles.judged_cells import JUDGE, cell_records, with_scores
from headbench.nouns import Document
from headbench.results.canonical import digest
from headbench.results.fields import Fields, LogRow, Reading, as_text
from headbench.results.figures import Sampling
from headbench.results.recorded import log_name, read_rows
from headbench.results.rescored import SAMPLING, Log, Rescored, rescored
from headbench.scoring.parser import VERBATIM
from headbench.scoring.parts import exact
from headbench.scoring.thoughts import DEFAULT
from headbench.statistics.metric import Metric


def rescore_niah(
    predictions: Path,
    fields: Fields | None = None,
    sampling: Sampling = SAMPLING,
    phrases: Sequence[str] = (),
    marks: Sequence[str] = DEFAULT,
) -> Rescored:
    """Needle recall of recorded responses, without a judge, by length and by depth.

    Args:
        predictions: Responses with their length and depth; or judged cells without responses.
        fields: Field names.
        sampling: How intervals are made.
        phrases: What a response must hold; by default the needle that the rows name
            (:mod:`.expected_phrases`), or the San Francisco needle's three phrases.
        marks: Marks of thoughts, which are cut before anything is read
            (:func:`headbench.scoring.thoughts.marks_of`).

    Returns:
        ``keyphrase3`` (all phrases) and ``keyphrase3_fraction``, or ``recall`` and ``fraction`` of
        the words of another needle; ``judge``, the mean of the judge's scores, where rows have
        them, with responses or without.

    Raises:
        DataError: Lengths or depths are missing, a score is not on the judge's scale, or the rows
            are of another needle.
    """
    fields = fields or Fields()
    log = read_rows(predictions)
    roles = ("response", "length", "depth", "needle", "retrieval_question", "judge")
    reading = fields.of("predictions").reading(log.rows, roles, log.name)
    texts = [reading.text(row, "response") for row in log.rows]
    phrases_expected: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    source = {
        "joined by": "length and depth of each row",
        "predictions.fields": str(reading),
    }
    metrics: dict[str, Metric]
    if all(text is None for text in texts):
        if phrases:
            raise DataError(
                "phrases are searched for in responses, and no row has one",
                where=log.name,
                hint="leave --phrases out, or name the field: --field response=NAME",
            )
        judged_cells = [
            {
                "token_limit": _number(reading.value(row, "length"), "length", at),
                "depth_percent": _number(reading.value(row, "depth"), "depth", at),
                "score": _number(reading.value(row, "judge"), "judge", at),
            }
            for at, row in enumerate(log.rows)
        ]
        records, scorer, reader = cell_records(judged_cells), "niah_cells@1", "judge@1"
        metrics = {"judge": JUDGE}
    else:
        needle = expected_phrases(log.rows, reading, phrases, log.name)
        phrases_expected, metrics = needle.texts, needle.metrics()
        source |= {"sought": " | ".join(phrases_expected), "sought by": needle.how}
        notes = (f"sought: {source['sought']} ({needle.how})",)
        records = tuple(
            needle.scorer.record(
                _cell(at, row, reading, needle), (text,), VERBATIM, needle.options, marks=marks
            )
            for at, (row, text) in enumerate(zip(log.rows, texts, strict=True))
            if text is not None
        )
        answered = [at for at, text in enumerate(texts) if text is not None]
        scores = [reading.value(log.rows[at], "judge") for at in answered]
        judged = with_scores(records, scores, [at + 1 for at in answered])
        if judged != records:
            records, metrics = judged, {**metrics, "niah.judge": JUDGE}
        scorer, reader = needle.scorer.id, VERBATIM.id
    cells = {(record.parts["length"], record.parts["depth"]) for record in records}
    pooled = f"{len(records)} responses to {len(cells)} cells: repeats weigh some cells more"
    return rescored(
        Log(
            task="niah",
            scorer=scorer,
            parser=reader,
            metrics=metrics,
            records=records,
            expected=len(log.rows),
            inputs={"predictions": log},
            name=log_name(predictions),
            data=digest(sorted(f"{length} {depth}" for length, depth in cells)),
            source=source,
            reason=pooled if len(records) > len(cells) else "",
            parts=("length", "depth"),
            marks=marks,
            searched_for=phrases_expected,
            notes=notes,
        ),
        sampling,
    )


def _cell(at: int, row: LogRow, reading: Reading, needle: ExpectedPhrases) -> Document:
    numbers = {role: _number(reading.value(row, role), role, at) for role in ("length", "depth")}
    name = f"{exact(numbers['length'])}-{exact(numbers['depth'])}"
    return Document(id=f"{at}-{name}", cluster=name, fields=numbers, target=needle.target)


def _number(value: object, role: str, at: int) -> float:
    try:
        number = float(as_text(value))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise DataError(
            f"a row needs its {role} as a number",
            where=f"row {at + 1}",
            hint=f"name the field, for example --field {role}=NAME",
        )
    return number
