"""Tests that the pages name must exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])


def named(page: Path) -> set[tuple[str, str]]:
    return set(NAMED.findall(page.read_text()))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    for file, name in sorted(named(page)):
        path = ROOT / file
        assert path.is_file(), f"{page.name} names {file}"
        if name:
            tree = ast.parse(path.read_text())
            found = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
            assert name in found, f"{page.name} names {file}::{name}"


def test_pages_name_tests() -> None:
    assert len(named(ROOT / "docs" / "decisions.md")) > 80


def test_no_row_of_a_table_stands_twice() -> None:
    for page in PAGES:
        rows = [line for line in page.read_text().splitlines() if line.startswith("| ")]
        named_rows = [row for row in rows if NAMED.search(row)]
        assert len(set(named_rows)) == len(named_rows), page.name
