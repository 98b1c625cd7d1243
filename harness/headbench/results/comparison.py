"""Two cells over the same documents: what differs in the figures, and what differs in the runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from headbench.errors import RefusedError
from headbench.nouns import Record
from headbench.results.cell import Cell
from headbench.results.check import metric_of, read_checked
from headbench.results.figures import Sampling
from headbench.results.keys import seed_for
from headbench.results.schema import ControlFacts, NeutralLoss, Result
from headbench.statistics import (
    AgainstControls,
    ControlRank,
    LossChange,
    PairedResult,
    against_controls,
    changed_share,
    compare_paired,
    control_rank,
    holm,
    loss_change,
)
from headbench.statistics.metric import Metric

_DECIDED_ELSEWHERE = (
    "run.spec.interventions", "run.digest", "run.batch_plan", "run.batches", "arm.defaults",
    "arm.baseline", "arm.role",
)  # fmt: skip


@dataclass(frozen=True)
class MetricComparison:
    """One metric of a comparison.

    Attributes:
        name: Short name.
        metric: The metric.
        main: Whether it is the task's headline.
        paired: The paired statistics; ``None`` for an inert cell. ``paired.p`` is not adjusted.
        holm: p after Holm's adjustment over all main metrics that one command shows; ``None`` for
            other metrics.
        rank: The intervention among its controls, two-tailed; ``rank.p`` is not adjusted.
        rank_holm: The rank's p after Holm's adjustment over the same family; ``None`` where the
            number of draws does not let it reach 1 - level.
        against: The intervention less the mean of its controls.
    """

    name: str
    metric: Metric
    main: bool
    paired: PairedResult | None
    holm: float | None = None
    rank: ControlRank | None = None
    rank_holm: float | None = None
    against: AgainstControls | None = None


@dataclass(frozen=True)
class NeutralChange:
    """How the loss on one neutral text differs between two cells.

    Attributes:
        text: Which text.
        base: Loss of the first cell, nats per token.
        change: Second less first on the same passages, with its interval.
        controls: Change of each control draw, on the first passages only; empty without controls.
        on_same: Change of the second cell on just those passages.
    """

    text: str
    base: float
    change: LossChange
    controls: tuple[LossChange, ...] = ()
    on_same: LossChange | None = None


@dataclass(frozen=True)
class Comparison:
    """A cell compared with another one.

    Attributes:
        base: The first result, usually the baseline.
        other: The second.
        lines: One per metric, the main one first.
        changed_share: Share of documents whose raw outputs differ.
        differs: ``(what, first, second)`` for everything else in which the runs differ.
        first_token_kl: Lower bound of the first token's KL divergence, first against second, nats;
            ``None`` where the first is not the baseline that the second was measured against:
            results hold no distributions, so it cannot be computed for other pairs.
        neutral: Change of the loss on each neutral text that both cells were measured on.
        family: How many tests ``holm`` adjusts for; 1: no adjustment.
        unchecked: Figures of either file that could not be computed again, and are left out.
        note: Why there is no control rank, where controls were drawn; empty otherwise.
    """

    base: Result
    other: Result
    lines: tuple[MetricComparison, ...]
    changed_share: float
    differs: tuple[tuple[str, str, str], ...] = ()
    first_token_kl: float | None = None
    neutral: tuple[NeutralChange, ...] = ()
    family: int = 1
    unchecked: tuple[str, ...] = ()
    note: str = ""

    @property
    def _left_out(self) -> bool:
        """Whether both results have the main metric, which could not be computed here."""
        name = self.other.task.main_metric
        return name in self.base.metrics and name in self.other.metrics

    @property
    def main(self) -> MetricComparison:
        """The headline's line."""
        found = next((line for line in self.lines if line.main), None)
        if found is None and self._left_out:
            raise RefusedError(
                f"the main metric, {self.other.task.main_metric!r}, is of a package that is not "
                "installed here",
                where=f"{self.base.task.name} and {self.other.task.name}",
                hint="install the package that defines it",
            )
        if found is None:
            raise RefusedError(
                f"the results do not share {self.other.task.main_metric!r}, the main metric",
                where=f"{self.base.task.name} and {self.other.task.name}",
                hint="compare results of one task version",
            )
        return found


def compare_files(first: Path, second: Path) -> Comparison:
    """Compare two result files.

    Raises:
        StoreError: a file or its records cannot be read, or its figures are not its records'.
        RefusedError: the results do not hold the same documents, or not the same task.
        DataError: they disagree about a document's ground truth.
    """
    read = [read_checked(path) for path in (first, second)]
    base, other = (Cell(one.result, one.entries) for one in read)
    left_out = tuple(dict.fromkeys(name for one in read for name in one.unchecked))
    if base.result.task.name != other.result.task.name:
        raise RefusedError(
            "the results are of different tasks, so they share no documents",
            where=f"{base.result.task.name} and {other.result.task.name}",
            hint="compare two results of one task",
        )
    for path, cell in ((first, base), (second, other)):
        if cell.result.records is None:
            raise RefusedError(
                "this result has no item records, so nothing can be paired with it",
                where=str(path),
                hint="a published cell can be looked at, not compared item by item",
            )
    return replace(adjust([compare_cells(base, other, ())])[0], unchecked=left_out)


def compare_cells(base: Cell, other: Cell, controls: Sequence[Cell]) -> Comparison:
    """Compare two cells, and rank the second among its controls.

    Args:
        base: Usually the baseline.
        other: Usually an intervention.
        controls: The intervention's control cells, if it has any.
    """
    one, two = base.result, other.result
    seed = seed_for(one.run.seed, "interval", two.task.name)
    lines = []
    before, after = base.records, other.records  # read from their files once
    drawn = [cell.records for cell in controls]
    # By name: files hold metrics in no other order, and a run shows what its files show.
    for name, figure in sorted(two.metrics.items()):
        if name not in one.metrics or not figure.metric:  # counts of a log are no metrics
            continue
        metric = metric_of(name, figure)
        if metric is None:  # of a package that is not installed here
            continue
        sampling = Sampling(seed, _draws(two), figure.level or _level(two))
        line = MetricComparison(name, metric, name == two.task.main_metric, None)
        if two.status != "inert":
            line = _paired(line, before, after, sampling)
            line = _among(line, after, drawn, two.arm.controls, sampling)
        lines.append(line)
    lines.sort(key=lambda line: not line.main)
    return Comparison(
        one,
        two,
        tuple(lines),
        changed_share(before, after),
        differences(one, two),
        _kl(one, two),
        _neutral(one, two, controls),
        unchecked=tuple(dict.fromkeys([*base.unchecked, *other.unchecked])),
    )


def adjust(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Holm's adjustment over every main metric that a command shows: one family of tests.

    A reader looks for what stands out of the whole table, so all of it is one family. Inert cells
    take no part. Ranks among controls are a family of their own.
    """
    mains = [comparison.main for comparison in comparisons]
    raw = [None if main.paired is None else main.paired.p for main in mains]
    ranks = [None if main.rank is None else main.rank.p for main in mains]
    size = sum(p is not None for p in raw)
    found = []
    for comparison, main, p, rank_p in zip(comparisons, mains, holm(raw), holm(ranks), strict=True):
        tests = sum(rank is not None for rank in ranks)
        level = 0.95 if main.paired is None else main.paired.level
        reach = main.rank is not None and tests * main.rank.least <= 1 - level + 1e-12
        paired = main.paired and main.paired.in_family(max(1, size))
        done = replace(main, holm=p, rank_holm=rank_p if reach else None, paired=paired)
        lines = tuple(done if line.main else line for line in comparison.lines)
        found.append(replace(comparison, lines=lines, family=size))
    return found


def differences(one: Result, two: Result) -> tuple[tuple[str, str, str], ...]:
    """In what two runs differ: every fact of task, model, condition and run that is not the same.

    Figures are left out, and what follows from the condition alone.
    """
    sides = [_facts(result) for result in (one, two)]
    flat = [dict(_flatten(side)) for side in sides]
    names = sorted(flat[0].keys() | flat[1].keys())
    told = []
    for name in names:
        if name.startswith("arm.controls") and None in (one.arm.controls, two.arm.controls):
            continue  # a baseline has none
        left, right = (str(side.get(name, "absent")) for side in flat)
        if left != right and not name.startswith(_DECIDED_ELSEWHERE):
            told.append((name, left, right))
    return tuple(told)


def _facts(result: Result) -> dict[str, object]:
    """What a comparison lists where it differs: how answers were asked, joined and read."""
    names = {"kind", "status", "task", "model", "roles", "arm", "run", "withheld"}
    facts = dict(result.model_dump(mode="json", include=names))
    facts["reasoning"] = {"marks": list(result.reasoning.marks) if result.reasoning else []}
    facts["source"] = {
        name: said
        for name, said in result.source.items()
        # A judge's and an encoder's are called ``judge.joined by`` and the like.
        if name.rpartition(".")[2] in ("joined by", "sought", "no_headline", "fields", "sha256")
    }
    return facts


def _draws(result: Result) -> int:
    draws = result.run.spec.get("draws")
    return draws if isinstance(draws, int) else Sampling().draws


def _paired(
    line: MetricComparison, before: Sequence[Record], after: Sequence[Record], sampling: Sampling
) -> MetricComparison:
    paired = compare_paired(
        line.metric,
        before,
        after,
        seed=sampling.seed,
        draws=sampling.draws,
        level=sampling.level,
    )
    return replace(line, paired=paired)


def _among(
    line: MetricComparison,
    after: Sequence[Record],
    drawn: Sequence[Sequence[Record]],
    facts: ControlFacts | None,
    sampling: Sampling,
) -> MetricComparison:
    """The line with the intervention's place among its controls."""
    if line.paired is None or not drawn or math.isnan(line.paired.value_b):
        return line
    values = [line.metric.of(records) for records in drawn]
    return replace(
        line,
        rank=control_rank(
            line.paired.value_b, values, exchangeable=facts is not None and bool(facts.test)
        ),
        against=against_controls(
            line.metric,
            after,
            drawn,
            possible=facts.possible if facts else len(drawn),
            level=line.paired.level,
            seed=sampling.seed,
            draws=sampling.draws,
        ),
    )


def _kl(one: Result, two: Result) -> float | None:
    """The stored divergence of ``two``, where it was measured against just this ``one``."""
    if two.diagnostics is None or two.arm.baseline != one.id:
        return None
    return two.diagnostics.first_token_kl


def _neutral(one: Result, two: Result, controls: Sequence[Cell]) -> tuple[NeutralChange, ...]:
    """Changes of the loss, computed from the stored passages of both cells."""
    before, after = _losses(one), _losses(two)
    drawn = [_losses(cell.result) for cell in controls]
    level = _level(two)
    found = []
    for text, base in before.items():
        change = None if text not in after else _change(base, after[text], level)
        if change is None:
            continue
        moves = [_change(base, losses[text], level) for losses in drawn if text in losses]
        shown = tuple(moved for moved in moves if moved is not None)
        few = min((moved.passages for moved in shown), default=0)
        same = _change(base, after[text], level, few) if shown else None
        found.append(NeutralChange(text, base.loss, change, shown, same))
    return tuple(found)


def _losses(result: Result) -> dict[str, NeutralLoss]:
    told = result.diagnostics
    return {loss.text: loss for loss in told.neutral} if told else {}


def _change(
    base: NeutralLoss, other: NeutralLoss, level: float, passages: int | None = None
) -> LossChange | None:
    """The paired change over the passages that both were measured on, or the first few of them."""
    count = min(len(base.losses), len(other.losses))
    count = count if passages is None else min(count, passages)
    if base.tokens[:count] != other.tokens[:count]:  # another tokenizer: other units
        return None
    return loss_change(base.losses[:count], other.losses[:count], other.tokens[:count], level)


def _level(result: Result) -> float:
    """The run's level; figures without an interval carry none."""
    asked = result.run.spec.get("level")
    if isinstance(asked, float):
        return asked
    levels = [figure.level for figure in result.metrics.values() if figure.level is not None]
    return levels[0] if levels else Sampling().level


def _flatten(value: object, name: str = "") -> list[tuple[str, object]]:
    if not isinstance(value, dict):
        return [(name, value)]
    return [
        pair
        for key, item in value.items()
        for pair in _flatten(item, f"{name}.{key}" if name else str(key))
    ]
