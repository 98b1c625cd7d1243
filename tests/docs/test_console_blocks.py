"""Every fenced ``console`` block of the README and the docs runs, page by page, in an empty folder.

Lines that begin with ``$ `` are commands; the rest shows what a reader may expect and is not
compared here (the README's table has its own check). Commands that need a GPU, a download or the
reader's own files stand in ``bash`` blocks, which are not run.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
ALLOWED = ("headbench ", "python -m headbench")


def commands(page: Path) -> list[str]:
    """The commands of a page, in order; a trailing backslash joins lines."""
    found: list[str] = []
    for block in BLOCK.findall(page.read_text(encoding="utf-8")):
        lines = re.sub(r"\\\n\s*", " ", block).splitlines()
        found += [line[2:].strip() for line in lines if line.startswith("$ ")]
    return found


def test_there_is_something_to_run() -> None:
    assert commands(ROOT / "README.md"), "the README shows no console block"


@pytest.mark.slow
@pytest.mark.parametrize("page", [p for p in PAGES if commands(p)], ids=lambda p: p.name)
def test_console_blocks(page: Path, tmp_path: Path) -> None:
    binaries = str(Path(sys.executable).parent)
    environment = os.environ | {"PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}"}
    for command in commands(page):
        assert command.startswith(ALLOWED), f"{page.name}: only headbench runs here: {command}"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        shown = f"{page.name}: $ {command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        assert done.returncode == 0, shown
        assert "Traceback" not in done.stderr, shown
