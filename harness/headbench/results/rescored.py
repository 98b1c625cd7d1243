"""From the records of recorded outputs to a result, as a run would have made it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from headbench.nouns import Record
from headbench.results.canonical import Plain, digest, plain
from headbench.results.code_facts import scored_by
from headbench.results.disk import remove_leftovers
from headbench.results.figures import Sampling, figures, split_figures
from headbench.results.files import Entry, write_result
from headbench.results.keys import result_id
from headbench.results.provenance import versions
from headbench.results.reasoning import reasoning_facts, reasoning_parts
from headbench.results.recorded import Recorded
from headbench.results.schema import Coverage, Estimate, ModelFacts, Result, RunFacts, TaskFacts
from headbench.results.unusable import without_reading
from headbench.scoring.thoughts import DEFAULT
from headbench.scoring.withheld import text_digest
from headbench.statistics.metric import Metric

SAMPLING = Sampling(seed=0, draws=2000)
"""Seed and number of random swaps where rescored figures are compared."""


@dataclass(frozen=True)
class Log:
    """Scored outputs, ready to become a result.

    Attributes:
        task: Name of the family.
        scorer: ``name@version`` of what turned outputs into records.
        parser: ``name@version`` of what read them.
        metrics: Registry name -> metric, the headline first.
        records: One per answered document.
        expected: Documents that should have been answered.
        inputs: Role -> file.
        name: Who answered, as far as known.
        profile: Lexical profile.
        data: Digest of the data set's version.
        source: Further facts: how outputs were joined, what was left out.
        reason: Why outputs are missing, or why the figures may not be quoted alone.
        parts: Record parts by which figures are split.
        vouched: By what the user says that rows belong together: ``id``, ``order`` or empty.
        prompts: What the outputs say that was asked, each once; empty where they do not.
        settings: Settings of the task that the files name.
        marks: Marks of thoughts that were cut before anything was read.
        searched_for: Phrases that responses were searched for, where the data name none.
        notes: Lines that a reader must see beside the figures; they are not part of the result.
        unmatched: What was joined with what, and how both look; read where nothing was joined.
        options: Options of the scorer that change figures, without those that other fields state.
        shows_split: The figures are split by few values, which are printed beside them.
    """

    task: str
    scorer: str
    parser: str
    metrics: Mapping[str, Metric]
    records: tuple[Record, ...]
    expected: int
    inputs: Mapping[str, Recorded]
    name: str
    profile: str | None = None
    data: str = ""
    source: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    parts: Sequence[str] = ()
    vouched: str = ""
    prompts: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    marks: Sequence[str] = DEFAULT
    searched_for: Sequence[str] = ()
    notes: tuple[str, ...] = ()
    unmatched: str = ""
    options: Mapping[str, object] = field(default_factory=dict)
    shows_split: bool = False


@dataclass(frozen=True)
class Rescored:
    """A result and its item records.

    Attributes:
        result: The cell.
        records: One per answered document.
        prompts: What the outputs say that was asked, each once; empty where they do not.
        settings: Settings of the task that the files name.
        notes: Lines that a reader must see beside the figures.
        unusable: Why the figures say nothing: nothing was joined, or no answer could be read.
        shows_split: Breakdowns are printed beside the figures.
    """

    result: Result
    records: tuple[Record, ...]
    prompts: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    unusable: str = ""
    shows_split: bool = False

    def document(self) -> Plain:
        """The result as JSON values."""
        return plain(self.result.model_dump(mode="json"))

    def value(self, metric: str) -> int | float | None:
        """A figure by its short name; ``None`` where it is undefined."""
        return self.result.metrics[metric].value

    def named(self, name: str = "", origin: str = "") -> Rescored:
        """The same with the name of who answered, and with where the outputs were found."""
        model = self.result.model.model_copy(update={"name": name} if name else {})
        source = {**self.result.source, **({"origin": origin} if origin else {})}
        result = self.result.model_copy(update={"model": model, "source": source})
        return replace(self, result=result)

    def write(self, out: Path) -> Path:
        """Write result and records below ``out``; outputs are replaced by their digests."""
        remove_leftovers(out / self.result.kind)
        return write_result(out, self.result, [Entry(without_text(one)) for one in self.records])


def without_text(record: Record) -> Record:
    """The record with digests for its outputs, without target and reading.

    Recorded outputs belong to others and may be offensive; ids, counts and digests do not.
    """
    return replace(
        record, outputs=tuple(map(text_digest, record.outputs)), parsed=None, target=None
    )


def rescored(log: Log, sampling: Sampling = SAMPLING) -> Rescored:
    """Make the result.

    Args:
        log: Scored outputs.
        sampling: How intervals are made.

    Raises:
        GuardError: A figure is impossible.
    """
    answered, where = len(log.records), f"{log.task} of {log.name}"
    whole = 0 < answered == log.expected
    reason = "" if whole else _missing(answered, log.expected, log.reason)
    if log.records:
        metrics = figures(log.metrics, log.records, sampling, where)
    else:
        metrics = {m.name: Estimate(metric=name, value=None) for name, m in log.metrics.items()}
    main = next(iter(log.metrics.values())).name
    result = Result(
        kind="rescored",
        id=_id(log, sampling),
        status="ok" if whole else "partial",
        reason=reason,
        task=_task(log, main),
        model=ModelFacts(name=log.name, adapter="recorded"),
        coverage=Coverage(answered=answered, expected=log.expected),
        headline=main if whole and not log.reason else None,
        metrics={**metrics, **_extent(answered, log.expected)},
        breakdowns=split_figures(log.metrics, log.records, log.parts, sampling),
        reasoning=reasoning_facts(
            log.records, sum(len(record.outputs) for record in log.records), log.marks
        ),
        run=RunFacts(
            versions=versions(), code=tuple(scored_by(log.scorer, log.parser, log.metrics))
        ),
        source=_source(log),
    )
    return Rescored(
        result,
        log.records,
        log.prompts,
        log.settings,
        log.notes,
        _unusable(log),
        log.shows_split,
    )


def _unusable(log: Log) -> str:
    if not log.records:
        told = log.unmatched or log.reason
        return told or f"0 of {log.expected:,} documents were answered"
    return without_reading([Entry(record) for record in log.records])


def _missing(answered: int, expected: int, reason: str) -> str:
    counted = f"{answered:,} of {expected:,} answered, and what is missing is rarely random"
    return f"{counted}; {reason}" if reason else counted


def _extent(answered: int, expected: int) -> dict[str, Estimate]:
    """``n`` and ``coverage``, which stand beside the figures."""
    share = answered / expected if expected else 0.0
    return {
        "n": Estimate(value=answered, n=answered, unit="count"),
        "coverage": Estimate(value=share, n=expected, higher_is_better=True),
    }


def _task(log: Log, main: str) -> TaskFacts:
    return TaskFacts(
        name=log.task,
        version="recorded",
        main_metric=main,
        scorer=log.scorer,
        parser=log.parser,
        profile=log.profile,
        data_hash=log.data,
    )


def _source(log: Log) -> dict[str, str]:
    files = {f"{role}.file": file.name for role, file in log.inputs.items()}
    hashes = {f"{role}.sha256": file.sha256 for role, file in log.inputs.items()}
    forms = {f"{role}.form": f"{one.container}, {one.encoding}" for role, one in log.inputs.items()}
    quoted = {"no_headline": log.reason} if log.reason else {}
    options = {f"scorer_options.{key}": json.dumps(value) for key, value in log.options.items()}
    return {**files, **hashes, **forms, **log.source, **options, **quoted}


def _id(log: Log, sampling: Sampling) -> str:
    responses = [digest([record.document, list(record.outputs)]) for record in log.records]
    files = {role: file.sha256 for role, file in log.inputs.items()}
    readings = [log.scorer, log.parser, log.profile, log.data, list(log.metrics)]
    readings += [list(log.searched_for)] if log.searched_for else []
    options = [f"{key}={json.dumps(value)}" for key, value in sorted(log.options.items())]
    readings += [options] if options else []
    thought = any(reasoning_parts(record) for record in log.records)
    # Absent where no thought was looked for otherwise and none was found: ids of before stay.
    readings += [list(log.marks)] if thought or log.marks != DEFAULT else []
    intervals = [sampling.seed, sampling.draws, sampling.level]
    facts = {"task": log.task, "files": files, "read": readings, "intervals": intervals}
    theirs = {
        f"{one.kind} {one.name}": one.digest
        for one in scored_by(log.scorer, log.parser, log.metrics)
    }
    # Absent where nothing was vouched for and all is headbench's own, so that earlier ids stay.
    facts |= {"vouched": log.vouched} if log.vouched else {}
    return result_id(responses, facts | ({"code": theirs} if theirs else {}))
