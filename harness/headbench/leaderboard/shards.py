"""Data as script files: a page under ``file://`` may load a script, and cannot fetch a file."""

from __future__ import annotations

import json

from headbench.leaderboard.page import Shard


def script_json(value: object) -> str:
    """JSON that is safe inside a script: ASCII, no ``<``, no NaN.

    Raises:
        ValueError: a number is not finite.
    """
    text = json.dumps(value, allow_nan=False, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def shard_script(shard: Shard) -> str:
    """The script that hands a shard's rows to the page, one row per line.

    Rows are arrays: a key ``__proto__`` in an object literal would set a prototype, and two of
    them would be a syntax error that loses the file.
    """
    rows = ",\n".join(script_json(list(row)) for row in shard.rows)
    return f"hb.put({script_json(shard.name)},{script_json(list(shard.columns))},[\n{rows}\n]);\n"
