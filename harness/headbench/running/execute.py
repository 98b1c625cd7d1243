"""A run from its spec to files and comparisons."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from headbench.nouns import Role
from headbench.results.cell import Cell
from headbench.results.collection import Run
from headbench.results.comparison import Comparison
from headbench.results.derived import DerivedImages
from headbench.results.disk import remove_leftovers, write_atomic
from headbench.results.files import read_result, slug, write_result
from headbench.results.provenance import commit
from headbench.results.run_list import write_run_list
from headbench.results.schema import Kind, Result
from headbench.results.store import ResponseStore
from headbench.results.timing import add_timing
from headbench.running.ask import Asker, Tally
from headbench.running.build_results import build_cells
from headbench.running.collect import check_known_words, collect
from headbench.running.control_matching import match_norms
from headbench.running.planned_cells import PlannedCell
from headbench.running.run_plan import RunPlan, image_reader, make_plan
from headbench.running.spec import RunSpec

if TYPE_CHECKING:
    import pandas as pd

STORE = ".store"
README = "README.txt"
KEPT = """\
responses.jsonl holds every answer of the models as it came, also those to tasks that are marked
sensitive. Such answers may repeat offensive or private texts. They are nowhere else: results and
records hold labels and digests. The folder images holds what interventions made of the task's
images. Do not publish this folder; deleting it loses no result.
"""
"""Text of the file that is written next to the store after a sensitive task."""
MEASURED: Kind = "measured"
DEFAULT_OUT = Path("results")


@dataclass(frozen=True, repr=False)
class RunOutcome:
    """The outcome of a run.

    Attributes:
        spec: The run, with the model that was taken.
        notes: What the user should know.
        run: The cells and how they compare, as ``headbench.load(folder)`` gives them.
        folder: Where all files of the run lie.
        out: The folder that was asked for, above it.
        control_notes: Those of ``notes`` that say which controls were drawn.
    """

    spec: RunSpec
    notes: tuple[str, ...]
    run: Run
    folder: Path
    out: Path = DEFAULT_OUT
    control_notes: tuple[str, ...] = ()

    @property
    def model(self) -> str:
        """Display name of the model."""
        return self.run.model

    @property
    def results(self) -> tuple[Result, ...]:
        """Every cell's result, in task and condition order."""
        return tuple(cell.result for cell in self.run.cells)

    @property
    def files(self) -> tuple[Path, ...]:
        """The result files, in the order of ``results``."""
        return tuple(cell.path for cell in self.run.cells if cell.path is not None)

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Each intervention against the baseline, task by task."""
        return self.run.comparisons

    def to_frame(self, *, controls: bool = False) -> pd.DataFrame:
        """One row per task, condition and metric; see :func:`headbench.results.frame.to_frame`.

        Args:
            controls: Whether control cells have rows of their own.
        """
        return self.run.to_frame(controls=controls)

    def __repr__(self) -> str:
        return f"<RunOutcome in {self.folder}: {self.run!r}>"

    def _repr_html_(self) -> str:
        return self.run._repr_html_()


def execute(spec: RunSpec, out: Path = DEFAULT_OUT, *, progress: bool | None = None) -> RunOutcome:
    """Run a spec; what an earlier or killed run already answered is not asked again.

    Args:
        spec: What to run.
        out: Where results and the store of answers go.
        progress: Show a bar; ``None`` shows it where standard error is a terminal.

    Raises:
        HeadbenchError: what is wrong, where, and how to correct it. Answers that came before an
            error are kept.
    """
    return run_plan(make_plan(spec), out, progress=progress)


def run_plan(plan: RunPlan, out: Path, *, progress: bool | None = None) -> RunOutcome:
    """Run what :func:`headbench.running.run_plan.make_plan` decided; see :func:`execute`."""
    check_known_words(plan)
    plan = match_norms(plan)
    shown = sys.stderr.isatty() if progress is None else progress
    started = time.perf_counter()
    with ResponseStore(out / STORE) as store:
        derived = DerivedImages(out / STORE)
        tally = Tally()
        askers: dict[Role, Asker] = {}
        for role, one in plan.respondents.items():
            one.model.bind(image_reader(plan.tasks, derived.read))
            askers[role] = Asker(one.model, store, shown, tally, one.identity, derived)
        kept = _say_what_the_store_keeps(plan, store.path)  # before anything is stored
        cells = build_cells(plan, collect(plan, askers))
        # Still under the store's lock: no other run cleans up or writes here.
        remove_leftovers(out / MEASURED)
        written = tuple(_write(out, cell) for cell in cells.values())
        folder = out / MEASURED / slug(plan.model_name)
        spec, results = plan.spec, [cell.result for cell in written]
        # Last: a run that is killed while it writes leaves no list of cells that are not there.
        write_run_list(folder, spec.digest, plan.model_name, spec.document(), results)
        add_timing(
            folder,
            plan.spec.digest,
            {
                "seconds": round(time.perf_counter() - started, 3),
                "answered": tally.answered,
                "reused": tally.reused,
                "batches": tally.batches,
            },
        )
    return RunOutcome(
        spec=spec,
        notes=(
            *plan.notes,
            *_overrun_notes(cells),
            *_edited(tally.reused),
            *kept,
            *store.damage,
        ),
        run=Run(spec.digest, plan.model_name, written, spec.document()),
        folder=folder,
        out=out,
        control_notes=plan.control_notes,
    )


def _write(out: Path, cell: Cell) -> Cell:
    """Write a cell; the result comes back as its file says it, the records from memory."""
    path = write_result(out, cell.result, cell.entries)
    return Cell(read_result(path), cell.entries, path)


def _say_what_the_store_keeps(plan: RunPlan, store: Path) -> list[str]:
    """Say, in a note and in a file, that only the store holds outputs of sensitive tasks."""
    names = [planned.task.name for planned in plan.tasks if planned.task.config.sensitive]
    if not names:
        return []
    write_atomic(store.parent / README, KEPT.encode())
    return [
        f"{', '.join(names)}: sensitive, so results and records hold labels and digests in place "
        f"of outputs; {store} keeps the outputs"
    ]


def _overrun_notes(cells: Mapping[PlannedCell, Cell]) -> list[str]:
    """How many requests of each task went beyond what the model's configuration allows."""
    found: dict[str, int] = {}
    for planned, cell in cells.items():
        beyond = cell.result.diagnostics.overrun if cell.result.diagnostics else None
        if beyond:
            found[planned.task.name] = found.get(planned.task.name, 0) + beyond
    return [
        f"{task}: {count:,} requests went beyond the length that the model's configuration allows"
        for task, count in found.items()
    ]


def _edited(reused: int) -> list[str]:
    """Warn in a checkout with uncommitted changes: headbench's own code counts by version only."""
    if not reused or not (commit() or "").endswith("-dirty"):
        return []
    return [
        f"{reused:,} stored answers were reused, and this checkout of headbench has uncommitted "
        "changes, which stored answers do not notice: give another --out to measure afresh"
    ]
