"""What a result file may ask of whoever reads it.

A file is text that anybody can write. Some of its numbers say how much work a reader does (draws of
a test, documents of a task), others are printed or divided by; a list may be longer than any run
makes it. Outside these bounds a file is refused before any of that.
"""

from __future__ import annotations

from collections.abc import Iterator

from headbench.results.schema import ControlFacts, Diagnostics, Result

MOST_DRAWS = 100_000
"""Random swaps of a test."""
MOST_DOCUMENTS = 10_000_000
"""Documents of a task."""
MOST_FIGURES = 200
"""Figures of a result, and figures of one group of a breakdown."""
MOST_BREAKDOWNS = 100
"""Parts by which figures are split."""
MOST_PASSAGES = 10_000
"""Passages of a neutral text."""
MOST_CONTROLS = 1_000
"""Control draws of an intervention, which is what a run takes at most."""
MOST_COUNTED = 10**15
"""Any other count; a float holds it exactly."""


def out_of_bounds(result: Result) -> Iterator[str]:
    """Every number or list of a file that is out of bounds, one sentence each."""
    yield from _sampling(result)
    if result.coverage.expected > MOST_DOCUMENTS:
        yield f"{_short(result.coverage.expected)} documents are expected, more than a task has"
    if len(result.metrics) > MOST_FIGURES:
        yield f"it has {len(result.metrics):,} figures, at most {MOST_FIGURES} are read"
    if len(result.breakdowns) > MOST_BREAKDOWNS:
        yield f"it has {len(result.breakdowns):,} breakdowns, at most {MOST_BREAKDOWNS} are read"
    for part, groups in result.breakdowns.items():
        most = max((len(figures) for figures in groups.values()), default=0)
        if most > MOST_FIGURES:
            yield f"breakdown {part[:40]} has {most:,} figures, at most {MOST_FIGURES} are read"
    if result.arm.draw is not None and not 0 <= result.arm.draw <= MOST_COUNTED:
        yield f"its draw has the number {_short(result.arm.draw)}"
    if result.arm.controls is not None:
        yield from controls_out_of_bounds(result.arm.controls)
    if result.diagnostics is not None:
        yield from _diagnostics(result.diagnostics)


def _sampling(result: Result) -> Iterator[str]:
    """How intervals and tests are drawn, which a reader repeats."""
    draws, level = result.run.spec.get("draws"), result.run.spec.get("level")
    if draws is not None and (type(draws) is not int or not 1 <= draws <= MOST_DRAWS):
        yield f"its tests rest on {_short(draws)} draws; 1 to {MOST_DRAWS:,} are made"
    if level is not None and (type(level) is not float or not 0 < level < 1):
        yield f"its intervals have the confidence level {_short(level)}"


def controls_out_of_bounds(facts: ControlFacts) -> Iterator[str]:
    """The same for the controls of an intervention, which the list of a run states, too."""
    if not 0 <= facts.drawn <= min(MOST_CONTROLS, facts.possible):
        yield f"{_short(facts.drawn)} controls were drawn, of {_short(facts.possible)} that exist"
    if facts.smallest_p is not None and not 0 < facts.smallest_p <= 1:
        yield f"the smallest p of its controls is {facts.smallest_p:g}"


def _diagnostics(told: Diagnostics) -> Iterator[str]:
    for name in ("visited", "changed", "passes", "rewritten", "overrun"):
        count = getattr(told, name)
        if count is not None and not 0 <= count <= MOST_COUNTED:
            yield f"{name} is {_short(count)}"
    for one in told.neutral:
        text = one.text[:40]
        if len(one.losses) > MOST_PASSAGES:
            yield f"{text} has {len(one.losses):,} passages, at most {MOST_PASSAGES:,} are read"
        if len(one.losses) != len(one.tokens):
            yield f"{text} has {len(one.losses)} losses and {len(one.tokens)} counts of tokens"
        if not all(0 < tokens <= MOST_COUNTED for tokens in one.tokens):
            yield f"a passage of {text} has no token, or more than there are"


def _short(value: object) -> str:
    """A value for a message; a number of hundreds of digits is cut."""
    text = str(value)
    return text if len(text) <= 20 else f"{text[:17]}..."
