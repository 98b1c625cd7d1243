"""Where packaged files lie, for a checkout, an editable install and a wheel alike."""

from __future__ import annotations

from pathlib import Path

from headbench.errors import HeadbenchError

PACKAGE = Path(__file__).resolve().parent


def tasks_root() -> Path:
    """The folder of task YAML files: ``headbench/_tasks`` in a wheel, ``tasks/`` in a checkout."""
    packaged = PACKAGE / "_tasks"
    if packaged.is_dir():
        return packaged
    checkout = PACKAGE.parents[1] / "tasks"
    if checkout.is_dir():
        return checkout
    raise HeadbenchError(
        "the packaged tasks are missing",
        where=f"looked in {packaged} and {checkout}",
        hint="reinstall headbench",
    )


def checkpoints_root() -> Path:
    """The folder that holds the shipped reference checkpoints, one folder a model."""
    return PACKAGE / "reference" / "checkpoints"
