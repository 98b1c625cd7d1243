"""Names that a page cannot show as they are, and ids that are none.

Templates escape every text, so that a hostile name does no harm. But a name is also what readers
tell results apart by: two that look alike, one that reads backwards, or one of a megabyte is no
name. A file with such a name is listed with its reason; outputs of models may hold anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from headbench.results.markup import visible
from headbench.results.schema import Result

LONGEST_NAME = 10_000
"""Characters of a name; a condition that lists its heads has hundreds."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_MARKUP = re.compile(r"<[A-Za-z/!?]")


def unfit(result: Result) -> str:
    """Why a result cannot stand on a page, in words; empty where it can."""
    if not _DIGEST.fullmatch(result.id):
        return "its id is no SHA-256 digest"
    baseline = result.arm.baseline
    if baseline is not None and not _DIGEST.fullmatch(baseline):
        return "the id of its baseline is no SHA-256 digest"
    for what, name in _names(result):
        if len(name) > LONGEST_NAME:
            return f"its {what} has {len(name):,} characters"
        if visible(name) != name:
            return f"its {what} holds control, direction or other invisible characters"
        if _MARKUP.search(name):
            return f"its {what} holds markup"
    return ""


def _names(result: Result) -> Iterator[tuple[str, str]]:
    task, model, arm = result.task, result.model, result.arm
    yield "task's name", task.name
    yield "task's version", task.version
    yield "main metric", task.main_metric
    yield "model's name", model.name
    yield "adapter", model.adapter
    yield "condition", arm.name
    yield "condition", arm.of or ""
    for one in arm.canonical:
        yield "canonical condition", one
    for said in (task.scorer, task.parser, task.profile or "", task.prompt_hash, task.data_hash):
        yield "task's facts", said
    for name, figure in result.metrics.items():
        yield "metric", name
        yield "metric", figure.metric
        yield "unit", figure.unit
    for name, version in result.run.versions.items():
        yield "list of versions", f"{name} {version}"
    yield "commit", result.run.commit or ""
