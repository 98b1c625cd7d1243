"""One page per task: documents whose outputs differ, the unedited model beside a condition.

The page itself is small; the documents of each condition lie in a shard of their own, which is
loaded when the condition is chosen.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from headbench.errors import HeadbenchError
from headbench.leaderboard.cells import ShownCell, ShownRow, rows
from headbench.leaderboard.licences import may_show_texts
from headbench.leaderboard.links import items_page, task_page
from headbench.leaderboard.page import Asset, Page, Part, Shard, ShardValue, page_name
from headbench.leaderboard.sources import Sources, task_args
from headbench.nouns import Record
from headbench.results.check import metric_of
from headbench.scoring import family
from headbench.statistics.metric import Metric
from headbench.tasks.documents import hash_documents
from headbench.tasks.task import Task

LONGEST_TEXT = 3_000
MOST_PER_SHARD = 2_000
"""Documents of one condition that a shard holds; more are counted and not shown."""
MOST_PICTURES = 30
"""Pictures of a task on a model that lie in the folder: those of its first documents."""
COLUMNS = ("document", "change", "unedited", "edited", "target", "marks", "edited_marks", "picture")
OTHER_DATA = "the data of these results are not those that the task has here"
SAME, WORSE, BETTER, OTHER = "same score", "worse", "better", "not scored alone"


@dataclass(frozen=True)
class Listed:
    """A condition that the page offers.

    Attributes:
        cell: The condition.
        shard: Where its documents lie.
        prompts: Where their prompts lie.
        differ: Documents whose outputs differ from the unedited model's.
        of: Documents that both answered.
        counts: Change of the score -> how many of those that differ.
    """

    cell: ShownCell
    shard: str
    prompts: str
    differ: int
    of: int
    counts: Mapping[str, int]


@dataclass(frozen=True)
class _Shown:
    """What may be shown of a task's documents: prompts and pictures by document."""

    texts: bool
    reason: str
    prompts: Mapping[str, str]
    pictures: Mapping[str, str]
    images: Mapping[str, bytes]


def item_parts(sources: Sources) -> Iterator[Part]:
    """Pages, shards and pictures of the documents of measured results."""
    names: dict[str, str] = {}
    tasks: dict[str, list[ShownRow]] = defaultdict(list)
    for row in rows(sources):
        if row.result.kind == "measured":
            tasks[row.result.task.name].append(row)
    made: list[tuple[str, int, str]] = []
    for name in sorted(tasks):
        listed: list[tuple[ShownRow, list[Listed]]] = []
        reasons: list[str] = []
        for row in tasks[name]:
            shown = _shown(sources.task(row.result), row)
            reasons.append(shown.reason)
            prompts = _shard_name(prompts_shard(row), row.baseline, names)
            conditions = []
            before = {record.document: record for record in row.baseline.records}
            for cell in row.cells.values():
                if cell.status != "ok":
                    continue
                one, shard = _condition(row, before, cell, shown, (prompts, names))
                conditions.append(one)
                yield shard
            if conditions:
                listed.append((row, conditions))
                yield Shard(prompts, ("document", "prompt"), sorted(shown.prompts.items()))
                for path, content in sorted(shown.images.items()):
                    yield Asset(path, content)
        if not listed:
            continue
        reason = "; ".join(dict.fromkeys(why for why in reasons if why))
        made.append((name, sum(len(found) for _, found in listed), reason))
        yield Page(
            items_page(name),
            f"Documents of {name}",
            "items.html",
            {"name": name, "listed": listed, "reason": reason, "task_page": task_page},
            scripts=("items",),
            under="items",
        )  # fmt: skip
    if made:
        yield Page(
            "items",
            "Documents",
            "items_index.html",
            {"made": made, "items_page": items_page},
            nav="Documents",
            nav_order=50,
        )


def prompts_shard(row: ShownRow) -> str:
    """The shard with the prompts of a baseline's documents."""
    return f"prompts-{row.result.id[:12]}"


def withheld(task: Task | None) -> str:
    """Why texts of a task are not shown; empty where they may be.

    Args:
        task: The task as its results asked it; ``None`` where that is not known here.
    """
    if may_show_texts(task):
        return ""
    if task is None:
        return "the task file of these results is not part of this version"
    if task.config.sensitive:
        return "its texts are sensitive"
    licence = task.config.metadata.licence or "not stated"
    return f"the data's licence ({licence}) does not allow it"


def _shown(task: Task | None, row: ShownRow) -> _Shown:
    reason = "they are withheld" if row.result.withheld else withheld(task)
    if reason or task is None:
        return _Shown(False, reason, {}, {}, {})
    if task_args(row.result) and task.config.dataset_path != "world":
        # An argument may name a file: a result decides over no file that is read.
        return _Shown(False, OTHER_DATA, {}, {}, {})
    wanted = {record.document for record in row.baseline.records}
    prompts: dict[str, str] = {}
    pictures: dict[str, str] = {}
    images: dict[str, bytes] = {}
    try:
        documents = task.documents(row.result.run.seed, row.result.coverage.expected)
        if hash_documents(documents) != row.result.task.data_hash:
            # Ids may be the same, as those of a user's own table: whose texts these are, and what
            # was asked, nothing says.
            return _Shown(False, OTHER_DATA, {}, {}, {})
        for document in documents:
            if document.id not in wanted:
                continue
            request = task.requests(document, task.steps[0].name, {}, row.result.run.seed)[0]
            text = "\n\n".join(str(message["content"]) for message in request.messages)
            prompts[document.id] = _shortened(text, _joined(document.target))
            if request.images and len(images) < MOST_PICTURES:
                path = f"images/{request.images[0][:16]}.png"
                images[path] = task.image(request.images[0])
                pictures[document.id] = path
    except HeadbenchError:  # data that are not here: outputs are shown without their prompts
        return _Shown(True, "", {}, {}, {})
    return _Shown(True, "", prompts, pictures, images)


def _shard_name(name: str, cell: ShownCell, names: dict[str, str]) -> str:
    """A name for a shard, another one where a cell of the same id has taken it."""
    if names.setdefault(name, cell.file) == cell.file:
        return name
    return page_name(name, cell.file)


def _condition(
    row: ShownRow,
    before: Mapping[str, Record],
    cell: ShownCell,
    shown: _Shown,
    placed: tuple[str, dict[str, str]],
) -> tuple[Listed, Shard]:
    after = [one for one in cell.records if one.document in before]
    figure = cell.main
    metric = metric_of(row.metric, figure) if figure else None
    marked = family.marks(figure.metric) if figure else {}
    counts: dict[str, int] = defaultdict(int)
    lines: list[list[ShardValue]] = []
    for record in after:
        base = before[record.document]
        if record.outputs == base.outputs:
            continue
        change = _change(metric, base, record)
        counts[change] += 1
        if len(lines) < MOST_PER_SHARD:
            lines.append(_line(base, record, change, marked, shown))
    prompts, names = placed
    shard = _shard_name(page_name("i", cell.result.id[:12]), cell, names)
    listed = Listed(
        cell, shard, prompts, sum(counts.values()), len(after), dict(sorted(counts.items()))
    )
    return listed, Shard(shard, COLUMNS, lines)


def _line(
    base: Record, record: Record, change: str, marked: Mapping[str, str], shown: _Shown
) -> list[ShardValue]:
    target = record.target if isinstance(record.target, str) else _joined(record.target)
    if not shown.texts:
        return [record.document, change, [], [], "", [], [], ""]
    return [
        record.document,
        change,
        [_shortened(text) for text in base.outputs],
        [_shortened(text) for text in record.outputs],
        target[:LONGEST_TEXT],
        _marks(base, marked),
        _marks(record, marked),
        shown.pictures.get(record.document, ""),
    ]


def _shortened(text: str, keep: str = "") -> str:
    """A text of at most about ``LONGEST_TEXT`` characters that says what it leaves out.

    Args:
        text: Any text.
        keep: What stays in view where it occurs, such as the answer that a needle holds.
    """
    if len(text) <= LONGEST_TEXT:
        return text
    third = LONGEST_TEXT // 3
    spans = [(0, third), (len(text) - third, len(text))]
    at = text.find(keep) if keep else -1
    around = third // 2
    start, end = max(third, at - around), min(len(text) - third, at + len(keep) + around)
    if at >= 0 and start < end:
        spans.insert(1, (start, end))
    shown, last = "", 0
    for start, end in spans:
        if start > last:
            shown += f" [... {start - last:,} characters left out ...] "
        shown += text[max(start, last) : end]
        last = max(last, end)
    return shown


def _marks(record: Record, marked: Mapping[str, str]) -> list[ShardValue]:
    found: list[ShardValue] = []
    for part, said in marked.items():
        words = record.parts.get(part)
        if isinstance(words, list | tuple):
            found += [[str(word), said] for word in dict.fromkeys(words)]
    return found


def _change(metric: Metric | None, base: Record, record: Record) -> str:
    """Whether one document is better or worse, by the task's main metric of it alone."""
    if metric is None or metric.higher_is_better is None:
        return OTHER
    try:
        one, two = metric.of([base]), metric.of([record])
    except (HeadbenchError, ArithmeticError, ValueError):  # a statistic of many documents
        return OTHER
    if not (math.isfinite(one) and math.isfinite(two)):
        return OTHER
    if one == two:
        return SAME
    return BETTER if (two > one) == metric.higher_is_better else WORSE


def _joined(target: object) -> str:
    if isinstance(target, Sequence) and not isinstance(target, str):
        return ", ".join(str(one) for one in target)
    if isinstance(target, Mapping):
        return "; ".join(f"{key}: {_joined(value)}" for key, value in target.items())
    return "" if target is None else str(target)
