"""Recipes are frozen: each draws the data of its training, and imports nothing of another one."""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path

import numpy as np
import pytest

import training
from headbench.worlds.scenes import Prior, SceneWorld
from training.lm_v1 import needle_rows
from training.lm_v2 import needle_rows as needle_rows_v2
from training.lm_v2 import train as lm_v2
from training.vlm_v2 import needle_rows as needle_rows_vlm
from training.vlm_v2 import scene_rows

ROOT = Path(training.__file__).resolve().parent
RECIPES = ("lm_v1", "lm_v2", "vlm_v2")


def digest(*arrays: np.ndarray) -> str:
    """First digits of the SHA-256 over the arrays' bytes."""
    whole = hashlib.sha256()
    for array in arrays:
        whole.update(np.ascontiguousarray(array).tobytes())
    return whole.hexdigest()[:16]


@pytest.mark.parametrize(
    ("step", "drawn"), [(0, "37211fdbc05db5af"), (7, "e5042c6c444184f2"), (500, "6f73e6c63e626481")]
)
@pytest.mark.parametrize("recipe", [needle_rows, needle_rows_v2, needle_rows_vlm])
def test_needle_rows_are_those_of_the_training(recipe, step: int, drawn: str) -> None:
    batch = recipe.batch(recipe.DataSettings(128, 6, 0.25), 0, step)
    assert digest(batch.tokens, batch.roles) == drawn


def test_needle_free_prose_is_that_of_the_training() -> None:
    assert digest(needle_rows.filler_rows("calibration", 128, 3)) == "edde607074f5c7ae"


@pytest.mark.parametrize(
    ("step", "drawn"),
    [(0, "04828ae167e506be"), (600, "dc604e3e4e4f23de"), (1500, "726011a92d336308")],
)
def test_rows_of_walls_and_labels_are_those_of_the_training(step: int, drawn: str) -> None:
    rows = lm_v2.rows_of(lm_v2.Lm2Config(0, Path("unused")), lm_v2.Mixture(), step)
    said = {
        kind: [(row.tokens, sorted(row.wanted.items())) for row in of] for kind, of in rows.items()
    }
    assert hashlib.sha256(repr(said).encode()).hexdigest()[:16] == drawn


@pytest.mark.parametrize(
    ("prior", "drawn"),
    [
        (
            "picture",
            ("fabdca249ed277ed", "8e4bb383bcb93cda", "2b45e6ec2280021d", "7c7fb29c2b4b20b4"),
        ),
        ("text", ("1c03168e75da27b5", "87527515bc24827a", "66c28b8870aac73c", "31a4d0792e463448")),
    ],
)
def test_scene_rows_are_those_of_the_training(prior: Prior, drawn: tuple[str, ...]) -> None:
    found = []
    for mix in (*scene_rows.WITH_IMAGES, *scene_rows.TEXT_ONLY):
        batch = scene_rows.scene_batch(SceneWorld("train", prior), mix, 0, 3)
        found.append(digest(batch.tokens, batch.targets, batch.images))
    assert tuple(found) == drawn


@pytest.mark.parametrize(("patch", "drawn"), [(16, "35f1d143ff636f82"), (8, "006edd3a8e57390d")])
def test_patches_are_those_of_the_training(patch: int, drawn: str) -> None:
    assert digest(*scene_rows.patch_batch(SceneWorld("train"), 4, 0, 2, patch)) == drawn


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_imports_nothing_of_another_one(recipe: str) -> None:
    """An import contract says so too; this one runs where the contract does not: in an sdist."""
    for path in sorted((ROOT / recipe).glob("*.py")):
        text = path.read_text(encoding="utf-8")
        imported = [
            node.module
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.ImportFrom) and node.module
        ]
        foreign = [
            name
            for name in imported
            if name.split(".")[0] == "training" and name.split(".")[1:2] != [recipe]
        ]
        assert foreign == [], path.name


def test_every_recipe_is_among_them() -> None:
    assert {path.parent.name for path in ROOT.glob("*/train.py")} == set(RECIPES)
