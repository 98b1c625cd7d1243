"""Inputs near to valid ones: values replaced, keys lost, texts cut, bytes changed, files packed."""

from __future__ import annotations

import copy
import csv
import gzip
import io
import json
import random
from collections.abc import Sequence
from typing import Any

Value = Any

LARGE = "@large number@"
"""Stands for an integer of 5,000 digits, which Python's own writer refuses."""
HOSTILE: tuple[Value, ...] = (
    None, True, False, -1, 0, 1, 2**31, 2**63, 10**30, 10**305, -0.0, 0.5, 1e-320, 1e308,
    float("nan"), float("inf"), LARGE, "", " ", "\u00b2", "\u0661", "\ud800", "\0", "\ufeff",
    "\x1b[31m", "[/foo]", "[bold]x", "a\nb", "x" * 5000, "../../etc/passwd", "/dev/zero", "\u200b",
    "1e999", "nan", "1_0", "0x10", "yes", "no", "{{ 1 }}", "{% for x in", "${HOME}", "$HEADBENCH_X",
    "..", ".", "/", [], {}, [[]], [{}], [None], {"": None}, {"a": {"b": [1]}}, [1, "a", None],
)  # fmt: skip
TOKENS = (
    "[", "]", "{", "}", '"', "'", ",", ":", "\n", "\r\n", "\t", "\0", "\ufeff", "\u2028", "\u00b2",
    "NaN", "-Infinity", "1e999", "null", "\\u0000", "\\ud800", "0x_", "!!int a", "!!bool b", "&a ",
    "*a", "<<: *a", "? ", "- ", "|", ">", "%", "---\n", "2001-13-45", "~", "{{", "}}", "{%", "%}",
    "[" * 200, '{"a":' * 200, "1" * 5000, "\x1b[2J", "(", ")", "+", "=", "**", "\\", "\u202e",
)  # fmt: skip


def places(value: Value, at: tuple[Value, ...] = ()) -> list[tuple[Value, ...]]:
    """The paths of all values within a value."""
    found = [at]
    if isinstance(value, dict):
        for key, inner in value.items():
            found += places(inner, (*at, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            found += places(inner, (*at, number))
    return found


def changed(value: Value, draw: random.Random, most: int = 3) -> Value:
    """A copy with up to ``most`` changes of its structure; none in a part of the draws."""
    value = copy.deepcopy(value)
    for _ in range(draw.randint(0, most)):
        value = _one_change(value, draw)
    return value


def _one_change(value: Value, draw: random.Random) -> Value:
    path = draw.choice(places(value))
    if not path:
        return (
            value
            if draw.random() < 0.9
            else draw.choice((copy.deepcopy(draw.choice(HOSTILE)), [value]))
        )
    holder = value
    for key in path[:-1]:
        holder = holder[key]
    key, kind = path[-1], draw.random()
    if kind < 0.5:
        holder[key] = copy.deepcopy(draw.choice(HOSTILE))
    elif kind < 0.65:
        del holder[key]
    elif kind < 0.75:
        holder[key] = draw.choice(([holder[key]], {"a": holder[key]}, str(holder[key])))
    elif kind < 0.85:
        other = value
        for one in draw.choice(places(value)):
            other = other[one]
        holder[key] = copy.deepcopy(other)
    elif isinstance(holder, dict):
        name = draw.choice(
            ("", " ", "id", "\ud800", "a" * 3000, "__class__", "\u00b2", str(key).upper())
        )
        holder[name] = copy.deepcopy(holder[key])
    else:
        holder.insert(key, copy.deepcopy(holder[key]))
    return value


def edited(text: str, draw: random.Random, most: int = 3) -> str:
    """A text with up to ``most`` pieces cut out, doubled or put in."""
    for _ in range(draw.randint(1, most)):
        at = draw.randint(0, len(text))
        end = min(len(text), at + draw.choice((1, 1, 2, 5, 30)))
        kind = draw.random()
        if kind < 0.5:
            text = text[:at] + draw.choice(TOKENS) + text[at:]
        elif kind < 0.7:
            text = text[:at] + text[end:]
        elif kind < 0.85:
            text = text[:end] + text[at:end] * draw.choice((1, 3, 50)) + text[end:]
        elif kind < 0.95:
            text = text[:at]
        else:
            text = text[at:]
    return text


def damaged(content: bytes, draw: random.Random) -> bytes:
    """Bytes with some of them changed, or cut off."""
    if not content:
        return draw.randbytes(8)
    found = bytearray(content)
    for _ in range(draw.randint(1, 4)):
        found[draw.randrange(len(found))] = draw.randrange(256)
    return bytes(found[: draw.randint(0, len(found))] if draw.random() < 0.3 else found)


def packed(text: str, draw: random.Random, *, gzipped: bool = False) -> bytes:
    """A text as a file holds it: mostly UTF-8; sometimes another encoding, gzip, or damaged."""
    kind = draw.random()
    content = text.encode("utf-8", "surrogatepass")
    if kind < 0.04:
        content = text.encode("utf-16", "surrogatepass")
    elif kind < 0.08:
        content = b"\xef\xbb\xbf" + content
    elif kind < 0.12:
        content = text.encode("cp1252", "replace")
    elif gzipped and kind < 0.3:
        content = gzip.compress(content, 1)
    return damaged(content, draw) if draw.random() < 0.06 else content


def json_text(value: Value, draw: random.Random) -> str:
    """JSON in one of its layouts: one value, lines, indented, several values."""
    if isinstance(value, list) and draw.random() < 0.4:
        text = "\n".join(json.dumps(one) for one in value)
    else:
        text = json.dumps(value, indent=draw.choice((None, 1)), ensure_ascii=draw.random() < 0.5)
    return text.replace(f'"{LARGE}"', "9" * 5000)


def table_text(rows: Sequence[Value], draw: random.Random, delimiter: str = ",") -> str:
    """Rows as CSV; what is no row is written as it is."""
    names = list(dict.fromkeys(name for row in rows if isinstance(row, dict) for name in row))
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator=draw.choice(("\n", "\r\n")))
    writer.writerow(names)
    for row in rows:
        cells = [row.get(name, "") for name in names] if isinstance(row, dict) else [row]
        writer.writerow([str(cell) for cell in cells])
    return stream.getvalue()


def structured(value: Value, draw: random.Random, *, gzipped: bool = False) -> bytes:
    """A JSON file near to a valid one."""
    text = json_text(changed(value, draw), draw)
    return packed(edited(text, draw) if draw.random() < 0.2 else text, draw, gzipped=gzipped)


def tabular(rows: Value, draw: random.Random, delimiter: str = ",") -> bytes:
    """A table near to a valid one."""
    value = changed(rows, draw)
    text = table_text(value if isinstance(value, list) else [value], draw, delimiter)
    return packed(edited(text, draw) if draw.random() < 0.3 else text, draw)


def zipped(arrays: dict[str, Value], draw: random.Random) -> bytes:
    """An npz file near to a valid one: arrays lost, of another type or shape, bytes damaged."""
    import numpy as np

    made = {name: np.array(value) for name, value in arrays.items()}
    for _ in range(draw.randint(0, 2)):
        name = draw.choice(list(made))
        kind = draw.randrange(7)
        if kind == 0:
            made[f"other_{name}"] = made.pop(name)
        elif kind == 1:
            made[name] = (
                made[name].astype(draw.choice(("S8", "U8", "c16", "f2", "O", "?")), copy=True)
                if made[name].dtype.kind in "fi"
                else np.array(made[name].tolist(), dtype=draw.choice(("S8", "O")))
            )
        elif kind == 2:
            made[name] = (
                made[name][: draw.randint(0, len(made[name]))] if made[name].ndim else made[name]
            )
        elif kind == 3:
            made[name] = made[name].reshape(-1, 1)
        elif kind == 4:
            made[name] = np.array(draw.choice((0.0, "", "\x1b[1m", 1 + 2j)))
        elif kind == 5 and made[name].dtype.kind == "f" and made[name].size:
            made[name].flat[0] = draw.choice((np.nan, np.inf, -np.inf, 1e308))
        if not made:
            break
    stream = io.BytesIO()
    np.savez(stream, **made) if draw.random() < 0.6 else np.savez_compressed(stream, **made)
    return damaged(stream.getvalue(), draw) if draw.random() < 0.4 else stream.getvalue()


def tensors(arrays: dict[str, Value], draw: random.Random) -> bytes:
    """A safetensors file near to a valid one: header, its length, or the tensors are wrong."""
    content = b""
    header: dict[str, Value] = {}
    for name, value in arrays.items():
        data = value.tobytes()
        kind = {"float32": "F32", "float16": "F16", "int64": "I64"}[value.dtype.name]
        header[name] = {
            "dtype": kind,
            "shape": list(value.shape),
            "data_offsets": [len(content), len(content) + len(data)],
        }
        content += data
    if draw.random() < 0.5:
        header = changed(header, draw, 2)
    text = json_text(header, draw).encode("utf-8", "surrogatepass")
    length = (
        draw.choice((0, 1, 2**62, 2**64 - 1, 2**31, len(text) + 1))
        if draw.random() < 0.15
        else len(text)
    )
    whole = length.to_bytes(8, "little") + text + content
    return damaged(whole, draw) if draw.random() < 0.3 else whole
