"""Run what the board shows of the shipped models: ``python -m training.board``.

``results/board/plan.yaml`` lists the runs. Answers are stored as they come, so that the command
goes on where it was stopped; run again after a scorer changed, it scores the stored answers anew.
Result files that no run of the plan gives any more are removed.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel, ConfigDict, Field

from headbench.guard.yaml_forms import read_form
from headbench.results.disk import write_atomic
from headbench.results.run_list import FILE_NAME, read_run_list
from headbench.running.spec import RunSpec

FOLDER = Path("results/board")
"""Relative, as the plan and every stored spec name files: the same on every machine."""
OF_A_CELL = re.compile(r"-([0-9a-f]{8})\.[a-z.]+$")
"""The end of a result file's name, and of its records and arrays: eight digits of its id."""
VECTORS = FOLDER / "there.safetensors"
TABLE = FOLDER / "words.csv"
SUBJECTS, WORDS, UNITS = 4, 48, 8
NOISE = 1.0
"""Standard deviation of a simulated response around the subjects' shared one, per unit."""


class Plan(BaseModel):
    """``plan.yaml``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    runs: tuple[RunSpec, ...] = Field(min_length=1)
    """In the order in which they run: what matters most comes first."""


def read_plan(folder: Path = FOLDER) -> Plan:
    """The runs of the board.

    Raises:
        DataError: there is no plan, or it is not of this form.
    """
    hint = "run it at the top of the repository; see results/README.md"
    return read_form(folder / "plan.yaml", Plan, "a list of the board's runs", hint)


def leftovers(digests: Mapping[str, str], folder: Path = FOLDER) -> list[Path]:
    """Files of the models that these runs were on, and that none of them gives.

    Args:
        digests: Digest of a run -> the model it was on. Other models are somebody else's.
        folder: Holds ``measured``.
    """
    planned = {f"run-{digest[:12]}.json" for digest in digests}
    kept: set[str] = set()
    gone: list[Path] = []
    folders = [folder / "measured" / model for model in sorted(set(digests.values()))]
    for path in (found for one in folders for found in sorted(one.glob("run-*.json"))):
        if FILE_NAME.fullmatch(path.name) and path.name in planned:
            kept |= {cell.id[:8] for cell in read_run_list(path).cells}
        else:
            gone.append(path)
    for path in (found for one in folders for found in sorted(one.glob("*/*"))):
        cell = OF_A_CELL.search(path.name)
        if cell and cell[1] not in kept:
            gone.append(path)
    return gone


def make_vectors() -> None:
    """The directions that ``offset_heads`` and ``steer`` add; committed, so rarely made."""
    from training.pages.effects.cells import directions

    with tempfile.TemporaryDirectory() as scratch:
        write_atomic(VECTORS, directions(Path(scratch)).read_bytes())


def table() -> str:
    """Simulated responses to words of known categories, in the form that ``rsa_table`` reads.

    Every subject responds to a word with a random projection of its categories and noise of its
    own. Committed, so that the runs of the plan name the same bytes on every machine.
    """
    import numpy as np

    from headbench.families.brain.concept_world import concept_world

    world = concept_world()
    draw = np.random.default_rng(0)
    chosen = np.sort(draw.permutation(len(world.words))[:WORDS])
    shared = world.features[chosen] @ draw.standard_normal((len(world.categories), UNITS))
    lines = [",".join(["subject", "stimulus", "text", *(f"unit{at}" for at in range(UNITS))])]
    for subject in range(SUBJECTS):
        responses = shared + NOISE * draw.standard_normal(shared.shape)
        for at, values in zip(chosen.tolist(), responses, strict=True):
            word = world.words[at]
            numbers = (f"{value:.3f}" for value in values)
            lines.append(
                ",".join([f"s{subject}", word, f"Question: {word} are what? Answer:", *numbers])
            )
    return "\n".join(lines) + "\n"


def main(
    only: Annotated[str, typer.Option(help="Only runs with this text in their command.")] = "",
    dry_run: Annotated[bool, typer.Option(help="Print the commands and stop.")] = False,
) -> None:
    """Run the plan of the board."""
    from headbench.running.execute import execute

    ran: dict[str, str] = {}
    specs = [spec for spec in read_plan().runs if only in spec.command()]
    if not dry_run and not VECTORS.exists():
        make_vectors()
    if not dry_run and not TABLE.exists():
        write_atomic(TABLE, table().encode())
    for number, spec in enumerate(specs, 1):
        typer.echo(f"{number} of {len(specs)}: {spec.command()}")
        if dry_run:
            continue
        started, cpu = time.monotonic(), time.process_time()
        outcome = execute(spec, FOLDER)
        took, spent = time.monotonic() - started, time.process_time() - cpu
        cells = len(outcome.run.cells)
        ran[outcome.run.digest] = outcome.run.model
        typer.echo(f"    {cells} cells in {took:.0f} s, {spent:.0f} CPU-s")
    if not dry_run and not only:
        for path in leftovers(ran):
            path.unlink()
            typer.echo(f"removed {path}: no run of the plan gives it")


if __name__ == "__main__":
    typer.run(main)
