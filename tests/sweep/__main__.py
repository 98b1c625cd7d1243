"""``python -m sweep [MODEL_TYPE ...]``: run the sweep, and write its page when all classes ran."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sweep.classes import summary, sweep
from sweep.configs import kinds

ROOT = Path(__file__).parents[2]


def main() -> int:
    """Run; 1 where a class is wrong."""
    reader = argparse.ArgumentParser(prog="sweep", description=__doc__)
    reader.add_argument("model_types", nargs="*", help="default: all, and the page is written")
    reader.add_argument("--results", type=Path, default=ROOT / "build" / "sweep")
    given = reader.parse_args()
    rows = sweep(
        given.model_types or list(kinds()), given.results, lambda text: print(text, flush=True)
    )
    if not given.model_types:
        from sweep.page import page

        (ROOT / "docs" / "architectures.md").write_text(page(rows), encoding="utf-8")
    counts = summary(rows)
    print(", ".join(f"{count} {name}" for name, count in counts.items()))
    return 1 if counts["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
