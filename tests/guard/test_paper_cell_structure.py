"""The guard reads the cells that it cannot recompute."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from pathlib import Path

from headbench.guard.paper_cell_structure import check_papers
from headbench.guard.published_cells import load_cells
from headbench.results.paper_cells import load_paper_cells

CELLS = Path(__file__).resolve().parents[2] / "results" / "published" / "cells"


def test_the_committed_cells_stand() -> None:
    assert check_papers(CELLS) == (3965, [])


def test_faults_name_their_file(tmp_path: Path) -> None:
    folder = tmp_path / "cells"
    folder.mkdir()
    shutil.copy(CELLS / "act.cells.json", folder)
    lost = {"kind": "k", "where": "w", "cells": ["act/abstract/00000000"], "says": "s"}
    listed = {"schema_version": 1, "contradictions": [lost]}
    (folder / "contradictions.json").write_text(json.dumps(listed), encoding="utf-8")
    count, (fault,) = check_papers(folder)
    assert count == 6
    assert fault.path.name == "contradictions.json"
    assert "which is not there" in fault.reason
    (folder / "broken.cells.json").write_text("[]", encoding="utf-8")
    _, (fault,) = check_papers(folder)
    assert fault.path.name == "broken.cells.json"


def test_figures_that_stand_in_both_forms_agree() -> None:
    """A figure that the guard recomputes may be among the printed ones too; it must be the same."""
    printed = defaultdict(list)
    for cell in load_paper_cells(CELLS).cells:
        printed[cell.arxiv, cell.table, cell.model_printed, cell.metric].append(cell)
    both = 0
    for one in load_cells(CELLS.parent):
        metric = "length" if one.metric == "len" else one.metric
        found = printed[one.paper.arxiv, one.table.table, one.row.model, metric]
        setting = one.table.setting or one.table.task.rpartition("_")[2]
        same = [cell for cell in found if cell.setting in ("", setting)]
        same = [cell for cell in same if cell.protocol["prompt"] == one.prompt] or same
        if same:
            both += 1
            assert any(cell.number == float(one.printed) for cell in same), one.name
    assert both == 137
