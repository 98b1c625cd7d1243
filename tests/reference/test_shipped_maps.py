"""The head maps beside the checkpoints load as any user's map does."""

from __future__ import annotations

import pytest

from headbench._paths import checkpoints_root
from headbench.heads.headmap import HeadMap


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("ref-lm-v1/heads-retrieval", 3),
        ("ref-lm-v2/heads-retrieval", 4),
        ("ref-vlm-v1/heads-retrieval", 3),
        ("ref-vlm-v1/heads-vhd", 3),
        ("ref-vlm-v2/heads-retrieval", 3),
        ("ref-vlm-v2/heads-vhd", 3),
    ],
)
def test_shipped_maps_load(name: str, layers: int) -> None:
    shipped = HeadMap.load(checkpoints_root() / f"{name}.json")
    assert (shipped.layers, shipped.heads) == (layers, 8)
    assert shipped.data["split"] == "calibration"
