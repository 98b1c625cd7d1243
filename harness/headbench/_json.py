"""JSON as other people's files hold it, and JSON that must be what this package wrote."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

from headbench.errors import DataError

_BETWEEN = re.compile(r"[\s,]*")
_HALF = re.compile("[\ud800-\udfff]")
_MAYBE_HALF = re.compile(r"\\u[dD][89a-fA-F]")


def json_values(text: str, where: str) -> list[object]:
    r"""Every value of a text that holds one or several, with commas between them or without.

    Half of a character that takes two (``"\ud83d"``, which loggers write where an output was cut)
    becomes the replacement character: such a text has no bytes, and could be neither hashed nor
    written.

    Args:
        text: The text.
        where: The file, for errors.

    Raises:
        DataError: It is not JSON, ends within a value, or is nested too deeply to be data.
    """
    decoder, at, values = json.JSONDecoder(parse_int=_whole), 0, []
    while True:
        gap = _BETWEEN.match(text, at)
        at = gap.end() if gap else at
        if at >= len(text):
            break
        try:
            value, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            raise _broken(text, where, error) from error
        except RecursionError as error:
            raise DataError(
                f"no data: it is nested more than {DEEPEST} deep", where=where
            ) from error
        except ValueError as error:
            raise DataError(f"no data: {error}", where=where) from error
        values.append(value)
    if _depth(values) > DEEPEST + 1:
        raise DataError(f"no data: it is nested more than {DEEPEST} deep", where=where)
    return [whole_text(value) for value in values] if _MAYBE_HALF.search(text) else values


_HOLDERS = (list, dict)  # a tuple: called per value, where a union costs twice as much
DEEPEST = 100
"""Nesting that is data; results and records have about a tenth of it."""
_DIGITS = 300  # of an integer that still has a float


def strict_json(text: str, pairs: Callable[[list[tuple[str, Any]]], Any] | None = None) -> object:
    """One JSON value that arithmetic and comparison can trust.

    Python's reader lets through what is no JSON (``NaN``, ``Infinity``, ``1e999``), what no float
    holds, halves of characters, and nesting that ends in a ``RecursionError`` later on.

    Args:
        text: The text.
        pairs: Makes an object of its keys and values; by default a dict.

    Raises:
        ValueError: it is no such value.
    """
    try:
        value = json.loads(
            text,
            parse_constant=_no_number,
            parse_float=_finite,
            parse_int=_whole,
            object_pairs_hook=pairs,
        )
    except RecursionError as error:
        raise ValueError(f"it is nested more than {DEEPEST} deep") from error
    # What has fewer brackets is not deeper; counting them costs a hundredth of walking the value.
    if text.count("[") + text.count("{") > DEEPEST and _depth(value) > DEEPEST:
        raise ValueError(f"it is nested more than {DEEPEST} deep")
    if _MAYBE_HALF.search(text):
        json.dumps(value, ensure_ascii=False).encode()  # raises for a half, which has no bytes
    return value


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no finite number")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _no_number(text)


def _whole(text: str) -> int:
    if len(text) > _DIGITS:
        raise ValueError(f"an integer of {len(text)} digits")
    return int(text)


def _depth(value: object) -> int:
    """Levels of lists and objects; 0 for a bare value."""
    depth, level = 0, [value] if isinstance(value, list | dict) else []
    while level:
        depth += 1
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, _HOLDERS)
        ]
    return depth


def _broken(text: str, where: str, error: json.JSONDecodeError) -> DataError:
    short = error.pos >= len(text.rstrip())
    return DataError(
        "the file ends within a value" if short else f"not valid JSON: {error.msg}",
        where=f"{where}:{error.lineno}:{error.colno}",
        hint="fetch it again, or remove its last, broken line" if short else "correct that line",
    )


def is_whole(text: str) -> bool:
    """Whether a text has bytes: it holds no half of a character that takes two."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def whole_text(value: object) -> object:
    """The JSON value with halved characters replaced, at any depth."""
    if isinstance(value, str):
        return _HALF.sub("\ufffd", value)
    if isinstance(value, list):
        return [whole_text(item) for item in value]
    if isinstance(value, dict):
        return {whole_text(key): whole_text(item) for key, item in value.items()}
    return value
