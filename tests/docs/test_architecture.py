"""The drawing of the layers is the import contract, and nothing of the package is left out."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import headbench

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
WORD = r"[a-z_]+"


def drawn() -> list[set[str]]:
    """The packages of each line of the drawing, highest first."""
    block = re.search(r"^    cli .*?\n\n", PAGE, re.M | re.S)
    assert block is not None
    left = [line.strip().split("  ")[0] for line in block.group().splitlines() if line.strip()]
    return [set(re.findall(WORD, line)) for line in left]


def contracted() -> list[set[str]]:
    """The layers of the first contract, highest first; files with an underscore are not drawn."""
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    (layers,) = (one for one in tools["importlinter"]["contracts"] if one["type"] == "layers")
    found = [set(re.findall(rf"\b(?!_){WORD}", layer)) for layer in layers["layers"]]
    return [layer - {"types"} for layer in found if layer - {"types"}]


def folders() -> set[str]:
    package = Path(str(headbench.__file__)).parent
    return {path.parent.name for path in package.glob("*/__init__.py")}


def test_the_page_draws_the_layers_of_the_contract_in_its_order() -> None:
    layers = contracted()
    assert drawn()[:-1] == [layer for layer in layers if layer & folders()]
    files = set().union(*(layer for layer in layers if not layer & folders()))
    assert drawn()[-1] <= files, "the leaves are files, of which the page names some"


def test_every_package_is_drawn() -> None:
    assert folders() == set().union(*drawn()[:-1])
