"""The guard over the released data: every cell with a recipe is recomputed, and holds."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from headbench.guard.printed_figures import check_cells
from headbench.guard.published_cells import load_cells

pytestmark = pytest.mark.real
PUBLISHED = Path(__file__).resolve().parents[2] / "results" / "published"


@pytest.mark.slow
def test_every_recomputed_cell_holds(real_data: Path) -> None:
    verdicts = check_cells(load_cells(PUBLISHED), real_data)
    found = Counter(one.status for one in verdicts)
    expected = {"holds", "printed only"}
    assert set(found) == expected, [
        (one.cell.name, one.reason) for one in verdicts if one.status not in expected
    ]
    assert found["holds"] >= 120
