"""The notebook runs from its first cell to its last, and shows what its text says."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATH = ROOT / "examples" / "first-steps.ipynb"
CELLS: list[dict[str, Any]] = json.loads(PATH.read_text(encoding="utf-8"))["cells"]
SHOWN = ("load_model", "run", "to_frame", "compare", "detect", "intervene", "load")
"""What it introduces."""


def test_it_has_ten_cells_without_outputs() -> None:
    assert len(CELLS) == 10
    code = [cell for cell in CELLS if cell["cell_type"] == "code"]
    assert [cell for cell in code if cell["outputs"] or cell["execution_count"] is not None] == []
    text = "".join(line for cell in code for line in cell["source"])
    assert [name for name in SHOWN if not re.search(rf"\.{name}\(", text)] == []


def test_its_links_lead_to_pages() -> None:
    text = "".join(line for cell in CELLS for line in cell["source"])
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert links
    assert [link for link in links if not (PATH.parent / link).is_file()] == []


def run_cell(source: str, names: dict[str, Any]) -> object:
    """Run a cell as Jupyter does; the value of its last expression, or nothing."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, PATH.name, "exec"), names)  # noqa: S102  a notebook of our own
    if not isinstance(last, ast.Expr):
        return None
    return eval(compile(ast.Expression(last.value), PATH.name, "eval"), names)  # noqa: S307


@pytest.mark.slow
def test_every_cell_runs_and_shows_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, temporary = tmp_path / "here", tmp_path / "temporary"
    here.mkdir()
    temporary.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    names: dict[str, Any] = {"__name__": "__main__"}
    shown = [
        run_cell("".join(cell["source"]), names) for cell in CELLS if cell["cell_type"] == "code"
    ]
    assert [n for n, value in enumerate(shown) if value is None] == []
    before, masked = shown[6]  # type: ignore[misc]
    assert before.strip() == "bottle goblet dagger" != masked.strip()
    assert set(shown[4]) == {(1, 0), (1, 7)}  # type: ignore[call-overload]
    assert shown[3]["difference"] == -1.0  # type: ignore[index]
    conditions = set(names["found"]["condition"])
    assert {"baseline", "mask_heads(map=retrieval,top=2)"} < conditions and len(conditions) == 5
    assert list(here.iterdir()) == []
