"""``make docs``: the pages and the API reference as a site, with warnings as errors.

Pages link to each other, and to files of the repository, by relative paths. So the folder that
mkdocs reads keeps the repository's layout: every page at its own path, and every file that a page
links to beside it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from training.pages.typed.blocks import ROOT, pages

LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)(?:#[^)]*)?\)")
BUILD = ROOT / "build" / "site"


def linked(page: Path) -> Iterator[Path]:
    """The files that a page links to.

    Raises:
        FileNotFoundError: There is no such file, or it is a folder, which a site cannot show.
    """
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        path = (page.parent / target).resolve()
        if not path.is_file() or not path.is_relative_to(ROOT):
            raise FileNotFoundError(
                f"{page.relative_to(ROOT)}: {target} is no file of this project"
            )
        yield path


def stage(folder: Path) -> None:
    """Copy every page, and every file that one links to, under its own path."""
    wanted = {path for page in pages() for path in (page, *linked(page))}
    for path in sorted(wanted):
        copy = folder / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


def main() -> int:
    """Stage the pages and build the site; the exit status of mkdocs."""
    shutil.rmtree(BUILD, ignore_errors=True)
    stage(BUILD / "pages")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}  # an advertisement of a successor
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
