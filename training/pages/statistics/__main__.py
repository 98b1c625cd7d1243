"""Simulate what intervals and tests promise, and write the tables of ``docs/statistics.md``.

``python -m training.pages.statistics`` simulates and writes; ``--check`` simulates, prints the
tables and fails where a promise is not kept, and writes nothing. Some fifteen minutes on one core;
the same seeds every time.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Sequence

from training.pages.statistics.sample_simulations import Ranks, Scores, one_sample, two_samples
from training.pages.statistics.simulations import (
    Chair,
    Pope,
    Tally,
    one_condition,
    power_clustered,
    power_exactly,
    power_permuted,
    tango_exactly,
    two_conditions,
    wilson_exactly,
)
from training.pages.stored import DOCS

PAGE = DOCS / "statistics.md"
RUNS = 500
"""Experiments per setting; a coverage of .95 then has the standard error .010."""
LEAST, APART, POWER, MISSED = 0.93, 0.03, 0.80, 0.03
"""What is promised: coverage, disagreement of interval and p, power and its tolerance."""

ONE_ARM: tuple[tuple[str, Pope | Chair, str, tuple[int, ...]], ...] = (
    ("half right", Pope(0.5, 0.1), "pope.accuracy", (15, 60)),
    (".9 right, ICC .1", Pope(0.9, 0.1), "pope.accuracy", (15, 20, 60)),
    (".9 right, ICC .3", Pope(0.9, 0.3), "pope.accuracy", (15, 20, 60, 200)),
    ("ceiling of .98, ICC .3", Pope(0.98, 0.3), "pope.accuracy", (15, 20, 60, 200)),
    ("ceiling of .98, ICC .3", Pope(0.98, 0.3), "pope.f1", (20, 60)),
    ("one mention in 20 is wrong", Chair(0.05, 0.0), "chair.chair_i", (20, 50, 100)),
    ("one mention in 20 is wrong", Chair(0.05, 0.0), "chair.f1", (20, 50, 100)),
    ("as written", Chair(0.05, 0.0), "chair.len", (20, 50)),
)
TWO_ARMS: tuple[tuple[str, Pope | Chair, str, tuple[int, ...]], ...] = (
    ("no difference, ICC .1", Pope(0.9, 0.1), "pope.accuracy", (15, 20, 60)),
    ("no difference, ICC .3", Pope(0.9, 0.3), "pope.accuracy", (20, 60, 200)),
    (".05 lower, ICC .3", Pope(0.9, 0.3, shift=-0.05), "pope.accuracy", (15, 60)),
    ("ceiling of .98, no difference", Pope(0.98, 0.3, 0.95), "pope.accuracy", (20, 60)),
    ("ceiling of .98, .03 lower", Pope(0.98, 0.3, 0.95, -0.03), "pope.accuracy", (20, 60, 200)),
    ("losses only, .005", Pope(0.9, 0.3, lost=0.005), "pope.accuracy", (20, 60, 200)),
    ("losses only, .03", Pope(0.9, 0.3, lost=0.03), "pope.accuracy", (20, 60)),
    ("no difference, ICC .3", Pope(0.9, 0.3), "pope.f1", (20, 60)),
    ("losses only, .01", Pope(0.9, 0.1, lost=0.01), "pope.f1", (20, 60, 200)),
    ("1 % of captions anew, .3 worse", Chair(0.05, 0.01, 0.3), "chair.chair_i", (50, 200)),
    ("5 % of captions anew, .3 worse", Chair(0.05, 0.05, 0.3), "chair.chair_i", (20, 50, 200)),
    ("5 % of captions anew, no worse", Chair(0.05, 0.05), "chair.f1", (20, 50, 200)),
    ("30 % of captions anew, .1 worse", Chair(0.05, 0.3, 0.1), "chair.chair_i", (50, 200)),
    ("90 % of captions anew, .1 better", Chair(0.2, 0.9, -0.1), "chair.f1", (20, 50)),
    ("90 % of captions anew", Chair(0.2, 0.9, -0.1), "chair.len", (50,)),
)
PAIRS = (
    (20, 0.1, -0.1), (20, 0.03, -0.03), (20, 0.14, -0.1), (20, 0.3, 0.0), (90, 0.01, -0.01),
    (90, 0.03, -0.03), (90, 0.14, -0.1), (90, 0.1, 0.0), (90, 0.4, 0.2), (200, 0.02, -0.01),
)  # fmt: skip
SAMPLES: tuple[tuple[str, Scores | Ranks, tuple[int, ...]], ...] = (
    ("AUROC .5", Scores(0.5), (20, 40, 100)),
    ("AUROC .8", Scores(0.8), (20, 40, 100)),
    ("AUROC .95", Scores(0.95), (20, 40, 100)),
    ("AUROC .99", Scores(0.99), (20, 40, 100)),
    ("AUROC .8, one in ten positive", Scores(0.8, 0.1), (40, 100)),
    ("AUROC .95, one in ten positive", Scores(0.95, 0.1), (40, 100)),
    ("r 0", Ranks(0.0), (20, 40, 100)),
    ("r .3", Ranks(0.3), (20, 40, 100)),
    ("r .7", Ranks(0.7), (20, 40, 100)),
    ("r .95", Ranks(0.95), (20, 40, 100)),
)
SAMPLE_PAIRS: tuple[tuple[str, Scores | Ranks, tuple[int, ...]], ...] = (
    ("no difference at .8", Scores(0.8), (20, 40, 100)),
    ("no difference at .8, one in ten positive", Scores(0.8, 0.1), (40, 100)),
    ("5 % of the scores anew at .8", Scores(0.8, anew=0.05), (40, 100)),
    ("the same, one in ten positive", Scores(0.8, 0.1, anew=0.05), (40, 100)),
    (".8 to .9", Scores(0.8, second=0.9), (20, 40, 100)),
    (".95 to .99", Scores(0.95, second=0.99), (40, 100)),
    ("no difference at r .5", Ranks(0.5), (20, 40, 100)),
    ("r .5 to .7", Ranks(0.5, 0.7), (20, 40, 100)),
)
GRADED = (0.3, -0.2, 0.1, 0.45, -0.05, 0.2, 0.15, -0.4, 0.1, 0.05)


def wilson_table() -> tuple[str, list[str]]:
    """Wilson's interval, exactly."""
    rows: list[tuple[str, ...]] = []
    faults: list[str] = []
    for share in (0.5, 0.9, 0.98, 0.99):
        found = [wilson_exactly(n, share).shares()["covered"] for n in (20, 50, 90, 300)]
        rows.append((f"{share:g}", *map(digits, found)))
    return table(("true share", "n 20", "50", "90", "300"), rows), faults


def one_condition_table() -> tuple[str, list[str]]:
    """One figure, with clusters or as a ratio."""
    rows, faults = [], []
    for name, answers, metric, sizes in ONE_ARM:
        for n in sizes:
            tally = one_condition(name, answers, metric, n, RUNS)
            found = tally.shares()
            rows.append((metric, name, str(n), digits(found["covered"]), width(found["width"])))
            faults += _covered(tally, RUNS)
    return table(("metric", "setting", "clusters", "coverage", "mean width"), rows), faults


def pairs_table() -> tuple[str, list[str]]:
    """Paired proportions without clusters, exactly."""
    rows, faults = [], []
    for n, changed, difference in PAIRS:
        tally = tango_exactly(n, changed, difference)
        found = tally.shares()
        size = digits(found["rejected"]) if difference == 0 else ""
        rows.append((str(n), f"{changed:g}", f"{difference:+g}", digits(found["covered"]), size))
        faults += _covered(tally, None)
    return table(("n", "share changed", "difference", "coverage", "p <= .05"), rows), faults


def two_conditions_table() -> tuple[str, list[str]]:
    """Differences with clusters, or of ratios."""
    rows, faults = [], []
    for name, answers, metric, sizes in TWO_ARMS:
        for n in sizes:
            tally = two_conditions(name, answers, metric, n, RUNS, percentile=True)
            found = tally.shares()
            null = name.startswith("no difference") or name.endswith("no difference")
            rows.append(
                (metric, name, str(n), digits(found["covered"]), width(found["width"]),
                 digits((tally.other or 0) / RUNS), digits(found["rejected"]) if null else "")
            )  # fmt: skip
            faults += _covered(tally, RUNS)
    heads = ("metric", "setting", "clusters", "coverage", "mean width", "percentile", "p <= .05")
    return table(heads, rows), faults


def sample_table() -> tuple[str, list[str]]:
    """Sample statistics of one condition."""
    rows, faults = [], []
    for name, drawn, sizes in SAMPLES:
        for n in sizes:
            tally = one_sample(name, drawn, n, RUNS)
            found = tally.shares()
            rows.append(
                (drawn.metric, name, str(n), digits(found["covered"]), width(found["width"]))
            )
            faults += _covered(tally, RUNS)
    return table(("metric", "setting", "n", "coverage", "mean width"), rows), faults


def sample_pairs_table() -> tuple[str, list[str]]:
    """Differences of sample statistics."""
    rows, faults = [], []
    for name, drawn, sizes in SAMPLE_PAIRS:
        for n in sizes:
            tally = two_samples(name, drawn, n, RUNS)
            found = tally.shares()
            null = drawn.truth[0] == drawn.truth[1]
            size = digits(found["rejected"]) if null else ""
            said = digits(found["covered"]), width(found["width"]), size
            rows.append((drawn.metric, name, str(n), *said))
            faults += _covered(tally, RUNS)
    return table(("metric", "setting", "n", "coverage", "mean width", "p <= .05"), rows), faults


def power_table() -> tuple[str, list[str]]:
    """Power at ``detectable``."""
    rows: list[tuple[str, ...]] = []
    faults = []

    def add(name: str, alpha: float, difference: float, power: float, exact: bool) -> None:
        rows.append((name, f"{alpha:.3g}", f"{difference:.4f}", digits(power)))
        slack = 0.0 if exact else 3 * math.sqrt(POWER * (1 - POWER) / RUNS)
        if abs(power - POWER) > MISSED + slack:
            faults.append(f"power at detectable, {name}, alpha {alpha:g}: {power:.3f}")

    for alpha in (0.05, 0.05 / 12):
        for n, both in ((90, 0), (90, 8), (90, 36), (540, 0), (540, 40)):
            name = f"{n} documents, {both} change both ways"
            add(name, alpha, *power_exactly(n, both, alpha), True)
        for clusters in (20, 60, 200):
            for seen in ((2,), (1, 1, 3, 1, 3), (1, 1, -3, 2, 9, -1), (1, -1, 1, -1, 1, 3)):
                told = ", ".join(f"{one:+d}" for one in seen)
                name = f"{clusters} images of 18, changed by {told}"
                add(name, alpha, *power_clustered(seen, clusters, RUNS, alpha), False)
        for n in (60, 200):
            name = f"{n} graded documents, {len(GRADED)} changed"
            add(name, alpha, *power_permuted(GRADED, n, RUNS, alpha), False)
    return table(("documents, and what changed", "alpha", "detectable", "power"), rows), faults


TABLES: dict[str, Callable[[], tuple[str, list[str]]]] = {
    "wilson": wilson_table,
    "one": one_condition_table,
    "pairs": pairs_table,
    "two": two_conditions_table,
    "power": power_table,
    "samples": sample_table,
    "sample pairs": sample_pairs_table,
}


def _covered(tally: Tally, runs: int | None) -> list[str]:
    """What a setting breaks; simulated coverage may fall short by two standard errors."""
    found = tally.shares()
    slack = 0.0 if runs is None else 2 * math.sqrt(LEAST * (1 - LEAST) / runs)
    where = f"{tally.name}, n {tally.n}"
    faults = []
    if found["covered"] < LEAST - slack:
        faults.append(f"coverage, {where}: {found['covered']:.3f}")
    if found["flat"] > 0:
        faults.append(f"an interval of no width, {where}")
    if found["apart"] > APART:
        faults.append(f"interval and p disagree, {where}: {found['apart']:.3f}")
    return faults


def digits(share: float) -> str:
    """``.952``."""
    return f"{share:.3f}".lstrip("0") if share < 1 else f"{share:.3f}"


def width(value: float) -> str:
    """Three digits."""
    return f"{value:.3g}"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> int:
    """Write the page, or check what it says; 1 where a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    text, broken = PAGE.read_text(encoding="utf-8"), []
    for name, make in TABLES.items():
        made, faults = make()
        broken += faults
        print(f"{name}\n{made}", flush=True)
        head, rest = text.split(f"<!-- simulated: {name} -->\n", 1)
        _, tail = rest.split("<!-- /simulated -->", 1)
        text = f"{head}<!-- simulated: {name} -->\n\n{made}\n<!-- /simulated -->{tail}"
    if not check:
        PAGE.write_text(text, encoding="utf-8")
    for fault in broken:
        print(f"not kept: {fault}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
