"""What a result states besides its figures, against its records and against itself.

Status and coverage, counts, what edits did, the loss on neutral text, thoughts.
:mod:`headbench.results.check` asks here, and computes the figures again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from headbench.results.canonical import digest
from headbench.results.files import Entry
from headbench.results.schema import Diagnostics, Estimate, Result

SLACK = 1e-9
"""What summing in another order may change."""


def state_faults(result: Result) -> Iterator[str]:
    """Status, coverage, headline and the run, as far as the file alone shows them."""
    answered, expected = result.coverage.answered, result.coverage.expected
    if not 0 <= answered <= expected:
        yield f"{answered} documents answered, of {expected}"
    if result.status == "partial" and answered == expected > 0:
        yield "it is called partial, and every document is answered"
    if result.status == "ok" and not answered and result.kind != "published":
        yield "it is called ok, and no document is answered"
    if result.status == "inert" and result.arm.role == "baseline":
        yield "a baseline is called inert"
    if result.headline is not None:
        if result.headline not in result.metrics:
            yield f"its headline {result.headline!r} is none of its figures"
        elif result.headline != result.task.main_metric:
            yield (
                f"its headline is {result.headline!r}, "
                f"and the task's main metric {result.task.main_metric!r}"
            )
    if result.run.digest and digest(result.run.spec) != result.run.digest:
        yield "its run's spec is not the one whose digest it states"


def extent_faults(result: Result, entries: Sequence[Entry]) -> Iterator[str]:
    """Counts and coverage."""
    count, expected = len(entries), result.coverage.expected
    if result.records is not None and result.records.count != count:
        yield f"{count} records, but {result.records.count} are announced"
    if count != result.coverage.answered:
        yield f"{count} records, but {result.coverage.answered} answered"
    share, number = result.metrics.get("coverage"), result.metrics.get("n")
    if share is not None and not share.metric:
        yield from drift("coverage", value_of(share), count / expected if expected else 0.0)
    if number is not None and not number.metric:
        yield from drift("n", value_of(number), count)
    if len({entry.record.document for entry in entries}) < count:
        yield "a document has two records"


def diagnostics_faults(result: Result, entries: Sequence[Entry]) -> Iterator[str]:
    """What the edits did, against what the records say of each answer."""
    told = result.diagnostics
    if told is None:
        return
    for name in ("visited", "changed", "rewritten"):
        counts = [entry.facts.get(name) for entry in entries]
        known = [count for count in counts if isinstance(count, int)]
        stored = getattr(told, name) or 0
        if len(known) == len(entries) and sum(known) != stored:
            yield f"{name} is stored as {stored}, its records give {sum(known)}"
    if result.status == "inert" and told.changed:
        yield f"it is called inert, and {told.changed} heads were altered"
    if result.status == "inert" and told.rewritten:
        yield f"it is called inert, and {told.rewritten} requests were rewritten"
    altered = told.changed or told.rewritten
    if result.status == "ok" and result.arm.role != "baseline" and not altered:
        yield "it is called ok, and it altered nothing"
    for name in ("changed_share", "truncated_share"):
        share = getattr(told, name)
        if share is not None and not 0 <= share <= 1:
            yield f"{name} is {share:g}"
    kls = [kl for entry in entries if isinstance(kl := entry.facts.get("kl"), int | float)]
    if told.first_token_kl is not None and not (
        kls and min(kls) - SLACK <= told.first_token_kl <= max(kls) + SLACK
    ):
        yield f"first_token_kl {told.first_token_kl:g} is no mean of its records'"
    yield from _neutral(told)


def _neutral(told: Diagnostics) -> Iterator[str]:
    """The loss on neutral text against the losses of its passages."""
    if told.neutral_loss is not None and told.neutral_loss < 0:
        yield f"neutral_loss is {told.neutral_loss:g}"
    for one in told.neutral:
        tokens = sum(one.tokens)
        mean = math.fsum(one.losses) / tokens if tokens > 0 else math.nan
        yield from drift(f"the loss on {one.text}", one.loss, mean)
        change, low, high = one.change or 0.0, one.low, one.high
        if low is not None and high is not None and not low - SLACK <= change <= high + SLACK:
            yield f"{low:g} .. {high:g} is no interval around {change:g}"
    if told.neutral and told.neutral_loss is not None:
        yield from drift("neutral_loss", told.neutral_loss, told.neutral[0].loss)


def thoughts_faults(result: Result, entries: Sequence[Entry]) -> Iterator[str]:
    """Shares of outputs with thoughts, against the records that hold any."""
    facts = result.reasoning
    if facts is None:
        return
    for name in ("closed", "unclosed"):
        share = getattr(facts, name)
        held = any(entry.record.parts.get(f"{name}_thoughts") for entry in entries)
        if share is not None and (not 0 <= share <= 1 or held != (share > 0)):
            yield f"the share of outputs with {name} thoughts is {share:g}"


def drift(name: str, stored: float, again: float) -> Iterator[str]:
    """A number that a file states and its records do not give."""
    if math.isnan(stored) and math.isnan(again):
        return
    if not near(stored, again, SLACK):
        yield f"{name} is stored as {stored:g}, its records give {again:g}"


def value_of(one: Estimate) -> float:
    """The figure; NaN where it has none."""
    return math.nan if one.value is None else float(one.value)


def near(one: float, two: float, slack: float) -> bool:
    """Whether two numbers differ by no more than ``slack``, relative or absolute."""
    return math.isclose(one, two, rel_tol=slack, abs_tol=slack)
