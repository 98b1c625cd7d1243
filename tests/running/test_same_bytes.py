"""One run, one set of bytes: killed at any moment, repeated, or elsewhere; on a shipped model.

``HEADBENCH_KILLS`` says how often the run is killed; ``make nightly`` asks for fifty.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HELPER = Path(__file__).parents[1] / "helpers_kills.py"
KILLS = int(os.environ.get("HEADBENCH_KILLS", "10"))
CELLS = 15 - 2  # three tasks, two toggles, a control each; vhr draws no control on text tasks
ARRAYS = 5 - 1  # each cell of rsa has its features beside the records


def start(*words: str, hashes: int, where: Path) -> str:
    """Run the helper; sets of words have another order under every hash seed."""
    environment = {
        **os.environ,
        "PYTHONHASHSEED": str(hashes),
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    done = subprocess.run(
        [sys.executable, str(HELPER), *words],
        env=environment,
        cwd=where,
        capture_output=True,
        text=True,
        timeout=60 + 10 * KILLS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def results(out: Path) -> dict[str, bytes]:
    """Every file of a run but the clock's and the store."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != "timing.json" and ".store" not in path.parts
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    start("once", "out", hashes=1, where=folder)
    return folder / "out"


def test_killed_at_random_moments_it_ends_in_the_same_bytes(tmp_path: Path, whole: Path) -> None:
    printed = start("kill", str(tmp_path / "out"), str(KILLS), "11", hashes=2, where=tmp_path)
    report = json.loads(printed.splitlines()[-1])
    assert report["outside"] + report["writing"] == KILLS
    assert report["leftovers"] and report["results"], "no kill came while results were written"
    assert report["results"] < KILLS, "no kill came while the model answered"
    expected = results(whole)
    assert len(expected) == 2 * CELLS + ARRAYS + 1  # and the list of them
    found = results(tmp_path / "out")  # and nothing beside them: no temporary file is left
    assert found.keys() == expected.keys()
    assert [name for name in expected if found[name] != expected[name]] == []


def test_repeated_and_elsewhere_it_ends_in_the_same_bytes(tmp_path: Path, whole: Path) -> None:
    expected = results(whole)
    start("once", str(tmp_path / "another"), hashes=3, where=Path("/"))
    assert results(tmp_path / "another") == expected
    # Over a filled store every answer is read, none is made.
    start("once", str(tmp_path / "another"), hashes=4, where=tmp_path)
    assert results(tmp_path / "another") == expected
    timing = json.loads(next((tmp_path / "another").rglob("timing.json")).read_text())
    assert [run["answered"] for run in timing.values()] == [0]
