"""Versioned result files, their item records, and the store of answers behind them."""

from __future__ import annotations

from headbench.results.check import Checked, read_checked
from headbench.results.files import Entry, read_entries, read_result, result_path, write_result
from headbench.results.keys import ResponseKeys, response_key, result_id, seed_for
from headbench.results.schema import SCHEMA_VERSION, Result
from headbench.results.store import ResponseStore

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
