"""The tables that map promises to tests must name tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMED = [
    found
    for page in ("decisions.md", "toggle-tests.md")
    for found in re.findall(
        r"`(tests/[\w/]+\.py)(?:::(\w+))?`", (ROOT / "docs" / page).read_text("utf-8")
    )
]


def test_the_table_is_there() -> None:
    assert len(NAMED) >= 15


@pytest.mark.parametrize(("path", "name"), NAMED, ids=lambda part: part or "file")
def test_named_tests_exist(path: str, name: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    assert not name or f"def {name}(" in text, f"{path} has no {name}"
