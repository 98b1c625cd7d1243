"""Versioned result files, their item records, and the store of answers behind them.

Names are imported when they are first used: most commands need a few of these modules.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headbench.results.check import Checked, read_checked
    from headbench.results.files import Entry, read_entries, read_result, result_path, write_result
    from headbench.results.keys import ResponseKeys, response_key, result_id, seed_for
    from headbench.results.schema import SCHEMA_VERSION, Result
    from headbench.results.store import ResponseStore

_HOMES = {
    **dict.fromkeys(("Checked", "read_checked"), "check"),
    **dict.fromkeys(
        ("Entry", "read_entries", "read_result", "result_path", "write_result"), "files"
    ),
    **dict.fromkeys(("ResponseKeys", "response_key", "result_id", "seed_for"), "keys"),
    **dict.fromkeys(("SCHEMA_VERSION", "Result"), "schema"),
    "ResponseStore": "store",
}


def __getattr__(name: str) -> object:
    """A name of this package, from the module that defines it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


__all__ = [
    "SCHEMA_VERSION",
    "Checked",
    "Entry",
    "ResponseKeys",
    "ResponseStore",
    "Result",
    "read_checked",
    "read_entries",
    "read_result",
    "response_key",
    "result_id",
    "result_path",
    "seed_for",
    "write_result",
]
