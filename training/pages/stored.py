"""What lies in the repository about a shipped model: its tables of evidence and its head maps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headbench._paths import checkpoints_root
from headbench.errors import StoreError

if TYPE_CHECKING:
    from torch import Tensor

LM, LM_V2, VLM = "ref-lm-v1", "ref-lm-v2", "ref-vlm-v2"
RECIPES = {LM: "lm_v1", LM_V2: "lm_v2", VLM: "vlm_v2"}
"""Shipped model -> folder of its recipe."""
SHIPPED_SEED = 0
TRAINING = Path(__file__).resolve().parents[1]
DOCS = TRAINING.parent / "docs"

Table = dict[str, Any]


def stored_tables(model: str) -> dict[int, Table]:
    """Tables of evidence by training seed, as the training runs wrote them."""
    found = {}
    for path in sorted((TRAINING / RECIPES[model] / "tables").glob("seed*.json")):
        table: Table = json.loads(path.read_text())
        found[int(path.stem.removeprefix("seed"))] = table
    return found


def stored_map(model: str, detector: str) -> Tensor:
    """A head map that ships with a checkpoint, ``[layer, head]``.

    Raises:
        StoreError: There is none.
    """
    import torch

    path = checkpoints_root() / model / f"heads-{detector}.json"
    if not path.is_file():
        raise StoreError(
            "a head map is missing from the package", where=str(path), hint="reinstall headbench"
        )
    return torch.tensor(json.loads(path.read_text())["scores"])
