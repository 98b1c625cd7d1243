"""Everything that can be wrong with a task file, found without a model.

Unlike loading, which stops at the first file that is wrong, a check goes on: it reports every
unknown key, broken template and unregistered name, then renders documents, and scores empty
answers to see that the scorer accepts the documents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from headbench._reading import is_folder
from headbench.errors import ConfigError, HeadbenchError, nearest
from headbench.nouns import CapturedArrays, Document, Request, ScoredText
from headbench.tasks.all_layers import checkable
from headbench.tasks.arguments import overlaid
from headbench.tasks.data.source import AbsentDataError
from headbench.tasks.index import Index, build_index, task_files
from headbench.tasks.merge import Merged, read_merged
from headbench.tasks.problems import TaskFileError, checked
from headbench.tasks.schema import CaptureConfig, GroupConfig, TaskConfig
from headbench.tasks.steps import Step
from headbench.tasks.survey import Survey
from headbench.tasks.task import Task
from headbench.tasks.templates import compile_template
from headbench.tasks.yamlfile import KeyPath

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MANY_HEADS = 128
"""Heads of a stand-in for a layer's captured heads."""
_TEMPLATES = frozenset({"doc_to_text", "description", "system"})


@dataclass(frozen=True)
class Report:
    """What a check found in one file.

    Attributes:
        path: The file.
        name: Its task or group; empty where not even that could be read.
        documents: How many documents were rendered.
        requests: How many requests they gave.
        problems: Everything that is wrong.
        absent: Why no document was rendered although nothing is wrong: data the user must bring.
        survey: What all rows of the data hold, where they could be read.
    """

    path: Path
    name: str
    documents: int = 0
    requests: int = 0
    problems: tuple[HeadbenchError, ...] = ()
    absent: str = ""
    survey: Survey | None = None


def check(
    targets: Sequence[str], include: Sequence[Path] = (), limit: int = 5
) -> tuple[Report, ...]:
    """Check tasks, groups, files and folders; without targets, everything that is found.

    Args:
        targets: Names, YAML files or folders.
        include: Further folders to search for names.
        limit: Documents to render a task.

    Raises:
        ConfigError: A target is neither a known name nor an existing path.
    """
    index: Index | None = None
    paths: dict[Path, None] = {}
    for target in targets:
        if target.endswith((".yaml", ".yml")) or is_folder(target):
            place = Path(target)
            paths |= dict.fromkeys(task_files(place) if is_folder(place) else [place])
        else:
            index = index or build_index(include)
            entry = index.entries.get(target)
            own = [entry.path] if entry is not None else []
            paths |= dict.fromkeys(own)
            paths |= dict.fromkeys(index.entries[n].path for n in index.expand(target))
    if not targets:
        index = build_index(include)
        paths = dict.fromkeys(entry.path for entry in index.entries.values())
    reports = [check_file(path, limit, include) for path in paths]
    if not targets and index is not None:
        # A file that cannot even be indexed has no name to be asked for by.
        reports += [Report(Path(), "", problems=(problem,)) for problem in index.problems]
    return tuple(reports)


def check_file(path: Path, limit: int = 5, include: Sequence[Path] = ()) -> Report:
    """Check one file; problems are returned, not raised."""
    try:
        merged = read_merged(path)
    except HeadbenchError as problem:
        return Report(path, "", problems=(problem,))
    if "group" in merged.data:
        return _check_group(merged, include)
    name = str(merged.data.get("task", ""))
    problems = [*_wrong_keys(merged), *_wrong_templates(merged), *_wrong_names(merged)]
    if problems:
        return Report(path, name, problems=tuple(problems))
    return _check_rendering(merged, limit)


def _check_group(merged: Merged, include: Sequence[Path]) -> Report:
    name = str(merged.data["group"])
    try:
        group = checked(GroupConfig, merged.data, merged)
        index = build_index((*include, merged.path.parent))
        for member in group.task:
            index.expand(member, (group.group,))
    except TaskFileError as error:
        return Report(merged.path, name, problems=error.problems)
    except HeadbenchError as problem:
        return Report(merged.path, name, problems=(problem,))
    return Report(merged.path, name)


def _wrong_keys(merged: Merged) -> tuple[HeadbenchError, ...]:
    try:
        checked(TaskConfig, merged.data, merged)
    except TaskFileError as error:
        return error.problems
    return ()


def _wrong_templates(merged: Merged) -> Iterator[HeadbenchError]:
    for path, value in _leaves(merged.data):
        templated = path[-1] in _TEMPLATES or "doc_fields" in path
        if templated and isinstance(value, str):
            try:
                compile_template(value, merged.where(path))
            except ConfigError as problem:
                yield problem


def _leaves(value: object, at: KeyPath = ()) -> Iterator[tuple[KeyPath, object]]:
    """Every value of a nested mapping that is not itself a collection, with its path."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, (*at, str(key)))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _leaves(inner, (*at, number))
    elif at:
        yield at, value


def _wrong_names(merged: Merged) -> Iterator[HeadbenchError]:
    """Names of scorers, parsers and metrics that no registry knows."""
    from headbench.scoring import lookup

    def unknown(
        kind: str, name: object, path: KeyPath, known: Callable[[], tuple[str, ...]]
    ) -> Iterator[HeadbenchError]:
        if isinstance(name, str) and name.partition("@")[0] not in known():
            yield ConfigError(
                f"there is no {kind} {name!r}",
                where=merged.where(path),
                hint=nearest(name, known()),
            )

    data = merged.data
    yield from unknown("scorer", data.get("scorer"), ("scorer",), lookup.scorer_names)
    yield from unknown("parser", data.get("parser"), ("parser",), lookup.parser_names)
    metrics = data.get("metric_list")
    for number, item in enumerate(metrics if isinstance(metrics, list) else []):
        name = item.get("metric") if isinstance(item, dict) else None
        path = ("metric_list", number, "metric")
        yield from unknown("metric", name, path, lookup.metric_names)


def _check_rendering(merged: Merged, limit: int) -> Report:
    """Render documents of a file whose words are all right, and score empty answers."""
    path, name = merged.path, str(merged.data["task"])
    requests = 0
    documents: tuple[Document, ...] = ()
    found: Survey | None = None
    try:
        task = checkable(Task.build(checked(TaskConfig, merged.data, merged), overlaid(merged, {})))
        task.check_scorer()
        found = task.survey()
        documents = task.documents(limit=limit)
        if not documents:
            raise ConfigError("the task has no documents", where=str(path))
        for document in documents:
            requests += _ask(task, document)
    except AbsentDataError as absent:
        return Report(path, name, absent=str(absent).replace("\n", " "))
    except HeadbenchError as problem:
        return Report(path, name, len(documents), requests, (problem,), survey=found)
    return Report(path, name, len(documents), requests, survey=found)


def _captured(step: Step, index: int) -> CapturedArrays:
    """A stand-in for what a represent step captures: ``[layer, row, unit]``, or with heads.

    A head's number is not checked: how many there are is the model's matter.
    """
    import numpy as np

    def array(capture: CaptureConfig) -> NDArray[np.float32]:
        heads = () if capture.site in ("residual", "residual_in", "router") else (MANY_HEADS,)
        filled = np.ones((len(capture.layers), 1, *heads, 2), dtype=np.float32)
        filled[..., 1] = index
        return filled

    return CapturedArrays.of(lambda: tuple(array(one) for one in step.config.captures))


def _stand_in(step: Step, index: int, request: Request) -> str:
    """An empty answer: a question mark, which no choice is."""
    if step.kind == "represent":
        return _captured(step, index)
    asked = request.ask.get("continuations" if step.kind == "score" else "tokens")
    count = len(asked) if isinstance(asked, list | tuple) else 0
    return ScoredText.of("?", (0.0,) * count) if count else "?"


def _ask(task: Task, document: Document) -> int:
    """Render every step, answering each with a stand-in, then score; the number of requests."""
    earlier: dict[str, tuple[str, ...]] = {}
    outputs: list[str] = []
    for step in task.steps:
        requests_made = task.requests(document, step.name, earlier, 0)
        earlier[step.name] = tuple(
            _stand_in(step, index, request) for index, request in enumerate(requests_made)
        )
        outputs += earlier[step.name]
    record = task.record(document, tuple(outputs))
    missing = [part for part in task.config.breakdown if part not in record.parts]
    if missing:
        raise ConfigError(
            f"breakdown names {missing[0]!r}, which the scorer does not give",
            where=task.merged.where(("breakdown",)),
            hint=nearest(missing[0], record.parts),
        )
    return len(outputs)
