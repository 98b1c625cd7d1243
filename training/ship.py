"""Put a trained model into the package: ``python -m training.ship runs/RUN/MODEL --recipe RECIPE``.

Copies the exported folder to the checkpoints that ship and pins every file by its hash. The table
of evidence goes to the recipe's ``tables``, not into the package. A model that ships is never
overwritten: a change is a new version.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Annotated

import typer

from headbench._paths import checkpoints_root
from headbench.errors import ConfigError
from headbench.reference.shipped import PINS, digests

EVIDENCE = "evidence-"
"""Names of tables of evidence in an exported folder begin so: ``evidence-seed0.json``."""


def ship(exported: Path, tables: Path, root: Path) -> Path:
    """Copy and pin a model.

    Args:
        exported: Folder that a training run wrote; its name is the model's.
        tables: Folder of the recipe's tables of evidence; created if absent.
        root: Folder of all checkpoints.

    Returns:
        Where the model now lies.

    Raises:
        ConfigError: A model of this name ships already.
    """
    target = root / exported.name
    if target.exists():
        raise ConfigError(
            f"{exported.name} ships already", where=str(target), hint="give the model a new version"
        )
    target.mkdir()
    tables.mkdir(parents=True, exist_ok=True)
    for path in sorted(path for path in exported.iterdir() if path.is_file()):
        if path.name.startswith(EVIDENCE):
            shutil.copyfile(path, tables / path.name.removeprefix(EVIDENCE))
        else:
            shutil.copyfile(path, target / path.name)
    path = root / PINS
    pins: dict[str, dict[str, str]] = json.loads(path.read_text()) if path.is_file() else {}
    pins[target.name] = digests(target)
    path.write_text(json.dumps(pins, indent=1, sort_keys=True) + "\n")
    return target


def main(
    exported: Annotated[Path, typer.Argument(help="Exported folder, e.g. runs/lm-v1-seed0/NAME.")],
    recipe: Annotated[str, typer.Option(help="Folder of the recipe in training/, e.g. lm_v1.")],
) -> None:
    """Put a trained model into the package."""
    tables = Path(__file__).resolve().parent / recipe / "tables"
    typer.echo(f"wrote {ship(exported, tables, checkpoints_root())}")


if __name__ == "__main__":
    typer.run(main)
