"""The guard reads the cells that it cannot recompute."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from headbench.guard.paper_cells import check_papers

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
