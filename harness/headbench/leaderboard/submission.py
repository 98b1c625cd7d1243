"""Is a result fit for the board? What CI asks of a pull request, asked before there is one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from headbench._reading import is_file, resolved
from headbench.errors import HeadbenchError
from headbench.leaderboard.foreign import unfit
from headbench.leaderboard.licences import may_show_texts
from headbench.results.bounds import MOST_CONTROLS
from headbench.results.check import Checked, read_checked
from headbench.results.files import result_path
from headbench.results.run_list import read_run_list
from headbench.results.schema import Result
from headbench.scoring.withheld import is_digest
from headbench.tasks.documents import hash_documents
from headbench.tasks.loader import load
from headbench.tasks.task import Task

MOST_BYTES = 5_000_000
"""Largest file of a submission: the folder of committed results holds 25 MB in all."""
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Submitted:
    """One file that was checked.

    Attributes:
        path: The file.
        checked: The result, where it could be read.
        faults: What to correct; none: it is fit for the board.
        notes: What could not be looked at here, which is no fault of the file.
    """

    path: Path
    checked: Checked | None
    faults: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass
class _Reader:
    """Reads and checks each file once: neighbours of one result are those of the next."""

    known: dict[Path, Checked | HeadbenchError] = field(default_factory=dict)

    def read(self, path: Path) -> Checked:
        """A result that its records bear out: schema, hashes, every figure.

        Raises:
            HeadbenchError: it is none.
        """
        place = resolved(path)
        if place not in self.known:
            try:
                self.known[place] = read_checked(path)
            except HeadbenchError as error:
                self.known[place] = error
        found = self.known[place]
        if isinstance(found, HeadbenchError):
            raise found
        return found

    def beside(self, path: Path) -> Iterator[Result]:
        """The whole results in the folder of a file, itself included."""
        for other in sorted(path.parent.glob("*.json")):
            try:
                yield self.read(other).result
            except HeadbenchError:
                continue  # a broken neighbour is as good as none


def submit(paths: Sequence[Path]) -> list[Submitted]:
    """Check result files, each with the files beside it; nothing is written or sent.

    Args:
        paths: Result files.
    """
    reader = _Reader()
    found = [_one(path, reader) for path in paths]
    ids: dict[str, Path] = {}
    done = []
    for one in found:
        again = one.checked and ids.setdefault(one.checked.result.id, one.path)
        if again and again != one.path:
            fault = f"the same result as {again}: give each once"
            one = replace(one, faults=(*one.faults, fault))
        done.append(one)
    return done


def _one(path: Path, reader: _Reader) -> Submitted:
    try:
        checked = reader.read(path)
    except HeadbenchError as error:
        return Submitted(path, None, (str(error),))
    notes: list[str] = []
    faults = tuple(_faults(path, checked, reader, notes))
    return Submitted(path, checked, faults, tuple(notes))


def _faults(path: Path, checked: Checked, reader: _Reader, notes: list[str]) -> Iterator[str]:
    result = checked.result
    yield from checked.unchecked
    if reason := unfit(result):
        yield f"{reason}: run it again under a name that a page can show"
        return
    if result.kind != "measured":
        yield (
            f"it is {result.kind}: rescored outputs come through 'headbench rescore', published "
            "cells through a file of results/published"
        )
        return
    yield from _coverage(result)
    yield from _place(path, result)
    yield from _provenance(result)
    yield from _relatives(path, result, reader)
    asked = _task(result)
    task = None if isinstance(asked, str) else asked
    if isinstance(asked, str):
        yield asked
    else:
        yield from _data(checked, asked, notes)
    yield from _texts(checked, task)


def _coverage(result: Result) -> Iterator[str]:
    answered, expected = result.coverage.answered, result.coverage.expected
    if answered < expected:
        yield f"{answered:,} of {expected:,} documents are answered: run it to its end"
    if result.status == "ok" and result.headline is None:
        yield "it has no headline, though every document is answered: run it again"


def _place(path: Path, result: Result) -> Iterator[str]:
    wanted = result_path(Path(), result)
    if resolved(path).parts[-len(wanted.parts) :] != wanted.parts:
        yield f"it lies in another place than a run writes it to: {wanted}"
    beside = [path, *(path.parent / one.name for one in (result.records, result.arrays) if one)]
    for one in beside:
        if is_file(one) and one.stat().st_size > MOST_BYTES:
            yield f"{one.name} has more than {MOST_BYTES // 1_000_000} MB: run it with a --limit"
    if result.arrays is not None:
        size = (path.parent / result.arrays.name).stat().st_size
        if size != result.arrays.bytes:
            yield (
                f"its arrays are said to have {result.arrays.bytes:,} bytes, and have {size:,}: "
                "run it again"
            )


def _provenance(result: Result) -> Iterator[str]:
    run = result.run
    if not run.spec or not run.digest:
        yield "it does not say how it was run: there is no spec to run again"
    elif run.spec.get("seed", run.seed) != run.seed:
        yield f"its seed is {run.seed}, its spec's {run.spec['seed']}: run it again"
    for name in ("headbench", "numpy"):
        if name not in run.versions:
            yield f"it does not say which version of {name} made it: run it again"
    if run.commit and run.commit.endswith("-dirty"):
        yield "it was made with changed files of headbench: commit them, and run again"
    elif run.commit and not _COMMIT.fullmatch(run.commit):
        yield f"its commit {run.commit[:60]!r} is none: run it again from a checkout or a release"
    if not result.model.identity.get("weights"):
        yield "it does not say which weights answered: run it again with this version"
    if not result.task.data_hash:
        yield "it does not say which documents were asked: run it again with this version"
    if result.arm.role != "baseline" and not result.arm.canonical:
        yield "it does not say with which parameters its intervention ran: run it again"
    for code in run.code:
        if not code.digest:
            yield f"it does not say which code {code.kind} {code.name} is: run it again"


def _relatives(path: Path, result: Result, reader: _Reader) -> Iterator[str]:
    """The baseline and the control draws, which the board needs to show a difference."""
    arm = result.arm
    if arm.role == "baseline":
        return
    others = list(reader.beside(path))
    if arm.baseline is None:
        yield "it names no baseline: run it again, with its baseline"
    elif not any((one.id, one.arm.role) == (arm.baseline, "baseline") for one in others):
        yield f"its baseline {arm.baseline[:8]} does not lie beside it: submit it, too"
    if arm.role == "control":
        if not any((one.arm.name, one.arm.role) == (arm.of, "toggle") for one in others):
            yield f"it is a control of {arm.of}, which does not lie beside it: submit it, too"
        return
    yield from _controls(path, result, others)


def _controls(path: Path, result: Result, others: Sequence[Result]) -> Iterator[str]:
    """Every control that was drawn is there, and as many were drawn as the run asked for."""
    arm, asked = result.arm, result.run.spec.get("controls")
    if arm.controls is None:
        if result.status != "ok" or asked in (None, 0) or _listed_without(path, result):
            return
        yield (
            f"its run asked for {asked} controls, and it has none: submit it as the run wrote it, "
            "with the run's list (run-*.json), which says whether the method has controls"
        )
        return
    drawn = arm.controls.drawn
    if asked is not None:
        most = MOST_CONTROLS if asked == "all" else asked
        wanted = min(most, arm.controls.possible) if isinstance(most, int) else drawn
        if drawn != wanted:
            yield f"its run asked for {asked} controls, and {drawn} were drawn: run all of them"
    if result.status == "inert":  # its controls would say nothing, and did not run
        return
    here = {
        one.arm.draw
        for one in others
        if (one.arm.role, one.arm.of, one.arm.baseline) == ("control", arm.name, arm.baseline)
    }
    if missing := set(range(drawn)) - here:
        yield (
            f"{drawn} controls were drawn, and {drawn - len(missing)} of them lie beside it: "
            "submit all of them"
        )


def _listed_without(path: Path, result: Result) -> bool:
    """Whether the list of its run says that the condition has no controls."""
    place = path.parent.parent / f"run-{result.run.digest[:12]}.json"
    try:
        listed = read_run_list(place)
    except HeadbenchError:
        return False
    return any((one.id, one.controls) == (result.id, None) for one in listed.cells)


def _task(result: Result) -> Task | str:
    """The packaged task under its arguments, or why the result is not one of its."""
    told = result.task
    given = result.run.spec.get("task_args")
    asked = given if isinstance(given, Mapping) else {}
    try:
        task = load(told.name)
    except HeadbenchError:
        return f"no packaged task is called {told.name!r}: submit its YAML file first"
    if task.version != told.version:
        return (
            f"it is of version {told.version} of {told.name}, which is at {task.version}: "
            "run it again"
        )
    if asked:
        try:
            task = load(told.name, args=_own(asked, told.name))
        except HeadbenchError as error:
            return f"{told.name} does not take its task arguments: {error.what}; run it again"
    if task.prompt_hash != told.prompt_hash:
        return (
            f"it was not asked what {told.name} asks: the hash of the prompt differs; run the "
            "packaged task"
        )
    return task


def _own(given: Mapping[str, object], task: str) -> dict[str, str]:
    """The arguments of one task: those for every task, and those that name it."""
    found = {name: str(value) for name, value in given.items() if "." not in name}
    own = {
        name.partition(".")[2]: str(value)
        for name, value in given.items()
        if name.startswith(f"{task}.")
    }
    return found | own


def _data(checked: Checked, task: Task, notes: list[str]) -> Iterator[str]:
    """Whether the documents that were asked are the task's, all of them under the run's limit."""
    result = checked.result
    if result.run.spec.get("task_args"):  # nothing that a file names is followed as a path
        notes.append("its task arguments choose the data, so their hash was not compared here")
        return
    limit = result.run.spec.get("limit")
    try:
        documents = task.documents(result.run.seed, limit if type(limit) is int else None)
    except HeadbenchError as error:
        notes.append(f"the data of {task.name} are not here, so they were not compared: {error}")
        return
    expected = result.coverage.expected
    if len(documents) != expected:
        yield (
            f"{task.name} has {len(documents):,} documents under the run's limit, and {expected:,} "
            "are expected: run all of them"
        )
    elif hash_documents(documents) != result.task.data_hash:
        yield f"the hash of its data is not that of {task.name}'s documents: run it on these"
    else:
        strange = {entry.record.document for entry in checked.entries} - {
            document.id for document in documents
        }
        if strange:
            yield (
                f"{len(strange):,} records are of documents that {task.name} does not have, such "
                f"as {sorted(strange)[0][:60]!r}: run it again"
            )


def _texts(checked: Checked, task: Task | None) -> Iterator[str]:
    """Whether the records hold texts that must not be made public."""
    shown = sum(
        any(output and not is_digest(output) for output in entry.record.outputs)
        for entry in checked.entries
    )
    if not shown:
        return
    if checked.result.withheld:
        yield (
            f"its texts are said to be withheld, and {shown:,} records hold outputs: run it again, "
            "which stores digests"
        )
    elif not may_show_texts(task):
        licence = "unknown" if task is None else task.config.metadata.licence or "not stated"
        yield (
            f"{shown:,} records hold outputs, which may repeat texts of data whose licence is "
            f"{licence}: submit the results of this task without them (sensitive: true)"
        )
