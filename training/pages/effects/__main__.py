"""Write, or check, the page of effects: what the interventions do on the shipped models.

``python -m training.pages.effects`` runs every cell, stores the figures in ``docs/effects.json``,
and writes ``docs/effects.md`` and its figures from them: about seven minutes of one busy core. With
``--check`` it writes nothing, and fails when a cell now measures something else. With ``--redraw``
it measures nothing and writes the page from the stored figures.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from training.pages.effects.cells import PARTS, directions, run
from training.pages.effects.page import page
from training.pages.effects.rows import FORMAT, differences, read, rows, write
from training.pages.stored import DOCS

STORED, PAGE, FIGURES = DOCS / "effects.json", DOCS / "effects.md", DOCS / "figures"
TOLERANCE = 0.02


def measure(out: Path) -> dict[str, Any]:
    """The whole table, measured now.

    Args:
        out: Where results and answers go; answers that lie there are not asked again.
    """
    import torch

    torch.set_num_threads(1)
    vectors = directions(out)
    found: list[Mapping[str, Any]] = []
    models: dict[str, str] = {}
    for number, part in enumerate(PARTS):
        began = time.process_time()
        outcome = run(part, out / f"part-{number}", vectors)
        found += rows(part.section, outcome)
        models |= dict.fromkeys(part.tasks, outcome.model)
        print(f"{part.section}: {', '.join(part.tasks)}: {time.process_time() - began:.0f} s")
    return {"format": FORMAT, "models": models, **shapes(models), "rows": found}


def shapes(models: dict[str, str]) -> dict[str, int]:
    """What the page says about the models' shapes, read from their configurations."""
    from headbench.reference.shipped import checkpoint

    text, seeing = (
        json.loads((checkpoint(models[task]) / "config.json").read_text(encoding="utf-8"))
        for task in ("niah", "pope")
    )
    vision = seeing["vision_config"]
    return {
        "head_dim": text.get("head_dim") or text["hidden_size"] // text["num_attention_heads"],
        "image_tokens": (vision["image_size"] // vision["patch_size"]) ** 2,
    }


@contextmanager
def folder(given: Path | None) -> Iterator[Path]:
    """The given folder, or one that is gone afterwards."""
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


def main() -> int:
    """Write or check; 1 where a check fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    parser.add_argument("--redraw", action="store_true", help="measure nothing")
    parser.add_argument("--out", type=Path, help="keep results and answers here")
    given = parser.parse_args()
    if given.redraw:
        table = read(STORED)
    else:
        with folder(given.out) as out:
            table = measure(out)
    if given.check:
        found = differences(read(STORED)["rows"], table["rows"], TOLERANCE)
        print(*found, sep="\n")
        return 1 if found else 0
    write(STORED, table)
    PAGE.write_text(page(table), encoding="utf-8")
    from training.pages.effects.figures import write as draw

    draw(FIGURES, table)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
