"""The head maps beside the checkpoints load as any user's map does."""

from __future__ import annotations

import pytest

from headbench._paths import checkpoints_root
from headbench.heads.headmap import HeadMap


@pytest.mark.parametrize(
    "name", ["ref-lm-v1/heads-retrieval", "ref-vlm-v1/heads-retrieval", "ref-vlm-v1/heads-vhd"]
)
def test_shipped_maps_load(name: str) -> None:
    shipped = HeadMap.load(checkpoints_root() / f"{name}.json")
    assert (shipped.layers, shipped.heads) == (3, 8)
    assert shipped.data["split"] == "calibration"
