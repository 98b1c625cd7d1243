"""What git holds for the board stays small."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST_BYTES = 25_000_000


def is_ignored(path: str) -> bool:
    done = subprocess.run(["git", "check-ignore", "-q", path], cwd=ROOT, check=False)
    assert done.returncode in (0, 1)
    return done.returncode == 0


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no checkout")
def test_results_that_git_holds_are_at_most_25_mb() -> None:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "results"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    found = [ROOT / name for name in listed.split("\0") if name]
    assert len(found) > 1_000
    assert sum(path.stat().st_size for path in found if path.exists()) <= MOST_BYTES


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no checkout")
@pytest.mark.parametrize(
    ("path", "ignored"),
    [
        ("results/board/measured/m/niah/vhr-12345678.json", False),
        ("results/board/measured/m/niah/vhr-12345678.records.jsonl.gz", False),
        ("results/board/measured/m/run-123456789abc.json", False),
        ("results/board/measured/m/timing.json", True),
        ("results/board/.store/a.bin", True),
        ("results/board/notes.txt", True),
        ("results/measured/m/niah/vhr-12345678.json", True),
        ("leaderboard/index.html", False),
        ("leaderboard/data/board-measured.js", False),
    ],
)
def test_what_git_takes(path: str, ignored: bool) -> None:
    assert is_ignored(path) is ignored
