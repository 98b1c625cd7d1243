"""What a ``represent`` request records, and layers counted from the top."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from headbench.errors import ConfigError, RefusedError
from headbench.interventions.layer_ranges import without_attention
from headbench.nouns import Capture, Positions, Request

WITHOUT_HEADS = ("residual", "residual_in", "router")
"""Sites outside attention, which every layer has."""
ROWS = ("all", "last", "after_image", "answer")
"""Rows of a capture that are no span."""


def captures_of(request: Request) -> tuple[Capture, ...]:
    """The captures of a ``represent`` request: ``Capture`` objects, or mappings of their fields.

    Raises:
        ConfigError: none are asked for, or one is malformed.
    """
    asked = cast("Sequence[Capture | Mapping[str, Any]]", request.ask.get("captures") or ())
    where = f"document {request.document!r}, step {request.step!r}"
    if not asked:
        raise ConfigError("a represent request needs 'captures'", where=where)
    if any(isinstance(one, Capture) and not one.layers for one in asked):
        raise ConfigError(
            "a capture names no layer",
            where=where,
            hint="`layers: all` of a task is counted by headbench.tasks.all_layers.with_layers",
        )
    found = []
    for one in asked:
        if isinstance(one, Capture):
            found.append(one)
            continue
        try:
            found.append(Capture(**{**one, "layers": tuple(one["layers"])}))
        except (TypeError, KeyError) as error:
            raise ConfigError(f"a capture is malformed: {error}", where=where) from error
    return tuple(found)


def check_keys(captures: Sequence[Capture], spans: Collection[str], where: str) -> None:
    """Refuse captures of the text model whose rows or key positions the prompt does not have.

    Args:
        captures: What a request asks for.
        spans: Names of the prompt's spans.
        where: Document and step, for errors.

    Raises:
        RefusedError: A whole pattern is asked for, or a span that the prompt does not have.
    """
    for capture in captures:
        if capture.tower != "text":
            continue
        if capture.rows not in (*ROWS, *spans):
            raise RefusedError(
                f"the prompt has no span {capture.rows!r} whose rows could be captured",
                where=where,
                hint=f"its spans: {', '.join(sorted(spans))}; mark others in the template with "
                '{{ ... | span("name") }}',
            )
        if capture.site not in ("pattern", "scores"):
            continue
        if capture.keys is None and capture.rows != "last":
            raise RefusedError(
                f"{capture.site} is never captured whole",
                where=where,
                hint='name a span in keys=, or take rows="last"',
            )
        if capture.keys not in (None, "prompt") and capture.keys not in spans:
            raise RefusedError(
                f"the prompt has no span {capture.keys!r} whose keys could be captured",
                where=where,
                hint=f"its spans: {', '.join(sorted(spans))}; mark others in the template with "
                '{{ ... | span("name") }}',
            )


def check_answer(captures: Sequence[Capture], known: bool, where: str) -> None:
    """Refuse rows that a request has not: those of an answer, or the prompt's with an answer.

    Args:
        captures: What a request asks for.
        known: Whether the request continues an answer.
        where: Document and step, for errors.

    Raises:
        RefusedError: Rows of an answer where there is none, or other rows where there is one.
    """
    for capture in captures:
        if capture.rows == "answer" and not known:
            raise RefusedError(
                "the request names no answer whose rows could be captured",
                where=where,
                hint="let the step say `continues: NAME`, or give the text as ask['answer']",
            )
        if known and (capture.rows not in ("answer", "all") or capture.keys is not None):
            raise RefusedError(
                f"rows {capture.rows!r} of a prompt that is read with its answer",
                where=where,
                hint="take rows='answer' or 'all'; the prompt's own rows need no answer",
            )


def named_places(request: Request, spans: Mapping[str, Positions]) -> dict[str, Positions]:
    """Positions of the spans that captures name: equal prompts may mark other places.

    Args:
        request: A ``represent`` request.
        spans: Of its prompt.
    """
    named = {one.rows for one in captures_of(request) if one.rows not in ROWS}
    return {name: spans[name] for name in sorted(named & spans.keys())}


def absolute(capture: Capture, layers: int, attending: Sequence[int] | None = None) -> Capture:
    """The capture with its layers counted from 0; -1 is the last one.

    Args:
        capture: As asked. The vision tower's layers are left alone: its depth is its own.
        layers: Decoder layers of the model.
        attending: Those with attention; ``None``: all.

    Raises:
        RefusedError: The model has no such layer, or the layer no attention.
    """
    if capture.tower != "text":
        return capture
    if wrong := [layer for layer in capture.layers if not -layers <= layer < layers]:
        raise RefusedError(
            f"layer {wrong[0]} does not exist",
            where=f"capture at {capture.site!r}",
            hint=f"layers run from 0 to {layers - 1}; -1 is the last, -{layers} the first",
        )
    counted = tuple(layer % layers for layer in capture.layers)
    if repeated := [layer for layer in counted if counted.count(layer) > 1]:
        raise RefusedError(
            f"layer {repeated[0]} is captured twice",
            where=f"capture at {capture.site!r}: layers {list(capture.layers)}",
            hint=f"name each layer once; of {layers} layers, -1 is {layers - 1}",
        )
    without = [layer for layer in counted if attending is not None and layer not in attending]
    if without and capture.site not in WITHOUT_HEADS:
        raise without_attention("the model", without[0], attending or ())
    return replace(capture, layers=counted)


def recorded(capture: Capture, layers: int) -> Capture:
    """What is recorded for a capture: layers counted from 0, and ``z`` for what heads write."""
    counted = absolute(capture, layers)
    return replace(counted, site="z") if counted.site == "z_out" else counted
