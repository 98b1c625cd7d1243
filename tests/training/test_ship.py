"""A trained model goes into the package once, pinned; its evidence stays outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headbench.errors import ConfigError
from headbench.reference.shipped import changed_files, read_pins
from training.ship import ship


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    folder = tmp_path / "run" / "ref-new-v1"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_text("weights")
    (folder / "README.md").write_text("card")
    (folder / "evidence-seed0.json").write_text("{}")
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "checkpoints"
    (folder / "ref-old-v1").mkdir(parents=True)
    (folder / "pins.json").write_text(json.dumps({"ref-old-v1": {}}))
    return folder


def test_a_model_is_copied_and_pinned_beside_the_others(exported: Path, root: Path) -> None:
    tables = root.parent / "recipe" / "tables"
    target = ship(exported, tables, root)
    assert {path.name for path in target.iterdir()} == {"model.safetensors", "README.md"}
    assert (tables / "seed0.json").read_text() == "{}"
    pins = read_pins(root)
    assert set(pins) == {"ref-old-v1", "ref-new-v1"}
    assert changed_files(target, pins["ref-new-v1"]) == []


def test_pins_notice_a_changed_and_a_new_file(exported: Path, root: Path) -> None:
    target = ship(exported, root.parent / "tables", root)
    (target / "model.safetensors").write_text("others")
    (target / "more.json").write_text("{}")
    assert changed_files(target, read_pins(root)["ref-new-v1"]) == [
        "model.safetensors",
        "more.json",
    ]


def test_a_model_that_ships_is_never_overwritten(exported: Path, root: Path) -> None:
    ship(exported, root.parent / "tables", root)
    with pytest.raises(ConfigError, match="ref-new-v1 ships already"):
        ship(exported, root.parent / "tables", root)
