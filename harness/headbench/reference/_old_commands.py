"""Old commands of the training, which left the package: they name the new one for one release."""

from __future__ import annotations

from typing import NoReturn


def moved(old: str, new: str) -> NoReturn:
    """Say where a command went, and exit with 2.

    Args:
        old: Module that was run.
        new: Command that took its place.
    """
    raise SystemExit(
        f"Error: python -m {old} left the package in headbench 0.1.0\n"
        f"  hint: in a checkout of the repository, run: {new}"
    )
