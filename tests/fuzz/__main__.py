"""``python -m fuzz [TARGET ...]``: look for longer than CI does."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from fuzz.oracle import fuzz
from fuzz.targets import TARGETS
from fuzz.templates import rendered_apart, template


def main() -> int:
    """Run; 1 where something was found."""
    reader = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    reader.add_argument("targets", nargs="*", help="default: all")
    reader.add_argument("--seconds", type=float, default=10.0, help="for each target")
    reader.add_argument("--inputs", type=int, default=None, help="at most, for each target")
    reader.add_argument("--seed", type=int, default=1)
    given = reader.parse_args()
    chosen = [one for one in TARGETS if not given.targets or one.name in given.targets]
    if not chosen:
        reader.error(f"known targets: {', '.join(one.name for one in TARGETS)}")
    wrong = 0
    for target in chosen:
        with tempfile.TemporaryDirectory() as folder:
            found = fuzz(
                target, Path(folder), seed=given.seed, inputs=given.inputs, seconds=given.seconds
            )
        print(
            f"{target.name}: {found.inputs} inputs, {found.read} read, {found.refused} refused, "
            f"{found.failed} failed, {found.spent:.1f} s",
            flush=True,
        )
        for name, (value, told) in found.failures.items():
            print(
                f"  {name}\n    {value[:400]!r}\n    {told.replace(chr(10), chr(10) + '    ')}",
                flush=True,
            )
        wrong += found.failed
    if not given.targets:
        wrong += _templates(given.seed, 20 * max(1, round(given.seconds)))
    return 1 if wrong else 0


def _templates(seed: int, count: int) -> int:
    """Templates in child processes; how many failed."""
    draw = random.Random(f"templates/{seed}")
    texts = [template(draw) for _ in range(count)]
    came = rendered_apart(texts)
    print(f"templates: {count}, {came.count('read')} read, {came.count('refused')} refused")
    wrong = [pair for pair in zip(texts, came, strict=True) if pair[1] not in ("read", "refused")]
    for text, told in wrong:
        print(f"  {text!r}\n    {told}")
    return len(wrong)


if __name__ == "__main__":
    sys.exit(main())
