"""Print the release notes of a tag: its section of CHANGELOG.md. Refuses what is not ready.

python .ci/release_notes.py v0.1.0
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def notes(tag: str, root: Path) -> str:
    """The section of a tag's version, without its heading.

    Args:
        tag: As git has it: ``v`` and the version.
        root: The checkout.

    Raises:
        ValueError: The tag is not the package's version or not that of CITATION.cff, or the
            changelog has no section with a date and text for it.
    """
    package = _only(r'__version__ = "(.+)"', root / "harness/headbench/_version.py")
    cited = _only(r"version: (.+)", root / "CITATION.cff")
    for what, version in (("harness/headbench/_version.py", package), ("CITATION.cff", cited)):
        if tag != f"v{version}":
            raise ValueError(f"the tag is {tag}, and {what} says {version}")
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    heading = rf"^## {re.escape(package)} \(\d{{4}}-\d\d-\d\d\)\n(.*?)(?=^## |\Z)"
    found = re.search(heading, text, re.M | re.S)
    if found is None or not found[1].strip():
        raise ValueError(f"CHANGELOG.md has no section '## {package} (YYYY-MM-DD)' with text in it")
    return found[1].strip() + "\n"


def _only(pattern: str, path: Path) -> str:
    """What the one line of a file that is of this form says."""
    found = re.findall(rf"^{pattern}$", path.read_text(encoding="utf-8"), re.M)
    if len(found) != 1:
        raise ValueError(f"{path.name} has {len(found)} lines of the form {pattern}")
    return str(found[0])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python .ci/release_notes.py TAG")
    try:
        sys.stdout.write(notes(sys.argv[1], ROOT))
    except ValueError as error:
        sys.exit(f"error: {error}\nhint: docs/releasing.md lists the steps")
