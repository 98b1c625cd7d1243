"""What the machine and the checkout say about a run: versions and commit, no clock, no host."""

from __future__ import annotations

import functools
import platform
import shutil
import subprocess
from collections.abc import Mapping
from importlib import metadata

from headbench._paths import PACKAGE

LIBRARIES = ("torch", "transformers", "tokenizers", "numpy", "scipy", "scikit-learn", "pillow")
"""Libraries whose version can change an answer or a figure."""


def versions() -> dict[str, str]:
    """Versions of Python, headbench and :data:`LIBRARIES`; read from metadata, nothing imported."""
    return dict(_versions())


@functools.cache
def _versions() -> Mapping[str, str]:
    """Reading the metadata of all libraries takes a tenth of a second: once per process."""
    from headbench._version import __version__

    found = {"python": platform.python_version(), "headbench": __version__}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "absent"
    return found


CODE = (":/harness", ":/tasks")
"""What decides a result in a checkout, as git names paths from its top."""


@functools.cache
def commit() -> str | None:
    """Commit of the checkout this package runs from, ``-dirty`` where its code or tasks differ.

    Results that a run wrote into the checkout are no change of what ran.

    Returns:
        ``None`` for an installed wheel, or without git. A wheel in a virtual environment inside
        somebody's repository must not borrow that repository's commit, so the checkout must be
        headbench's own.
    """
    git = shutil.which("git")
    if git is None:
        return None
    top = _git(git, "rev-parse", "--show-toplevel")
    if not top or PACKAGE.parents[1].as_posix() != top or PACKAGE.parent.name != "harness":
        return None
    named = _git(git, "rev-parse", "HEAD")
    changed = _git(git, "status", "--porcelain", "--untracked-files=no", "--", *CODE)
    return f"{named}-dirty" if named and changed else named


def _git(git: str, *arguments: str) -> str | None:
    done = subprocess.run(  # noqa: S603 - fixed arguments, no shell
        [git, "-C", str(PACKAGE), *arguments], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or None if done.returncode == 0 else None
