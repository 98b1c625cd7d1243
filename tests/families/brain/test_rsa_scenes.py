"""The tasks on drawn scenes, bracketed: own features, the shipped model, random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import headbench
from headbench.errors import ConfigError
from headbench.families.brain.concept_world import expected_ceiling, simulated_subjects
from headbench.families.brain.human_sides import RELIABILITY, SUBJECTS, human_side
from headbench.families.brain.noise_ceiling import noise_ceiling
from headbench.families.brain.rdm import subset
from headbench.families.brain.rdm_picture import rdm_picture
from headbench.families.brain.rdm_similarity import similarity
from headbench.families.brain.scene_geometry import MOST, SPLITS, pixel_rdm, scene_geometry
from headbench.results.files import read_entries
from headbench.results.schema import Result
from headbench.running.execute import RunOutcome
from headbench.tasks.loader import load, load_file
from headbench.worlds.scene_words import OBJECTS
from headbench.worlds.scenes import SceneWorld

TASKS = ("rsa_scenes", "rsa_scenes_last", "rsa_scenes_question")
SILENCED = "mask_heads(heads=[[1, 2]])"


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> RunOutcome:
    """All three tasks, the head of the first one silenced, with two controls."""
    out = tmp_path_factory.mktemp("scenes")
    return headbench.run(TASKS, SILENCED, out=out, controls=2, draws=100)


def value(done: RunOutcome, task: str, metric: str, arm: str = "baseline") -> float | None:
    (found,) = (one for one in done.results if one.task.name == task and one.arm.name == arm)
    return found.metrics[metric].value


def test_what_a_scene_shows_is_known_and_says_nothing_of_its_backdrop() -> None:
    known = scene_geometry()
    assert known.features.shape == (2 * MOST, len(OBJECTS))
    assert len(set(known.ids)) == 2 * MOST
    scene = known.scenes[MOST + 5]
    assert scene == SceneWorld("test", "text").scene(5)
    shown = {OBJECTS[at] for at in np.flatnonzero(known.features[MOST + 5])}
    assert shown == set(scene.objects)
    people = human_side("simulated_viewers").geometry.rdms
    assert abs(similarity(pixel_rdm(), people, "pearson").mean()) < 0.02


def test_simulated_viewers_have_the_ceiling_of_the_formula() -> None:
    side = human_side("simulated_viewers")
    lower, upper, truth = expected_ceiling(SUBJECTS, RELIABILITY)
    ceiling = noise_ceiling(side.geometry.rdms, "pearson")
    assert (ceiling.lower, ceiling.upper) == pytest.approx((lower, upper), abs=0.01)
    own = similarity(scene_geometry().truth, side.geometry.rdms, "pearson").mean()
    assert own == pytest.approx(truth, abs=0.01)
    again = simulated_subjects(scene_geometry().truth, SUBJECTS, RELIABILITY, seed=0)
    np.testing.assert_array_equal(side.geometry.rdms, again)


def test_the_shipped_model_lies_between_random_weights_and_the_own_features(
    done: RunOutcome, tmp_path: Path
) -> None:
    path = tmp_path / "objects.npz"
    known = scene_geometry()
    np.savez(path, document=np.array(known.ids), features=known.features)
    yaml = tmp_path / "given.yaml"
    yaml.write_text(
        f"include: {Path(__file__).parents[3] / 'tasks/brain/_rsa_scenes.yaml'}\ntask: given\n"
        "captures: [{site: residual, layers: [-1]}]\nmetadata: {version: 1}\n"
        "scorer_options: {people: simulated_viewers, layers: [-1]}\n"
    )
    run = {"controls": 0, "draws": 50, "out": tmp_path / "out"}
    own = headbench.run(str(yaml), model="features", model_args={"path": str(path)}, **run)
    random = headbench.run(
        TASKS, model="ref-vlm", model_args={"untrained": "true"}, limit=MOST, **run
    )
    ceiling = own.results[0].metrics["ceiling_lower"].value
    best = own.results[0].metrics["rsa"].value
    assert best is not None and ceiling is not None and best > ceiling
    expected = {"rsa_scenes": 0.079, "rsa_scenes_last": 0.083, "rsa_scenes_question": 0.136}
    for task, shipped in expected.items():
        assert value(done, task, "rsa") == pytest.approx(shipped, abs=0.002)
        assert value(done, task, "ceiling_lower") == pytest.approx(ceiling)
        by_chance = value(random, task, "rsa")
        assert by_chance is not None and abs(by_chance) < 0.02 < shipped < ceiling
        pixels = value(done, task, "rsa_pixels")
        assert pixels is not None and abs(pixels) < 0.02


def test_a_silenced_head_has_no_geometry_and_controls_stand_beside_it(done: RunOutcome) -> None:
    name = SILENCED.replace(", ", ",")
    assert value(done, "rsa_scenes", "rsa_head") is not None
    assert value(done, "rsa_scenes", "rsa_head", name) is None
    masked = value(done, "rsa_scenes", "rsa", name)
    assert masked is not None and masked != value(done, "rsa_scenes", "rsa")
    controls = [one for one in done.results if one.arm.role == "control"]
    assert {one.task.name for one in controls} == set(TASKS) and len(controls) == 6


def test_layers_are_chosen_on_other_pictures(tmp_path: Path) -> None:
    done = headbench.run(
        "rsa_scenes",
        task_args={"layers": "all", "n": "60"},
        controls=0,
        draws=20,
        out=tmp_path,
    )
    result: Result = done.results[0]
    (profile,) = result.profiles
    assert (profile.metric, profile.layers, profile.heads) == ("brain.rsa", (0, 1, 2), ())
    assert profile.floor == pytest.approx(result.metrics["ceiling_lower"].value)
    values = [row[0] for row in profile.values]
    assert result.metrics["best_layer"].value == int(np.argmax(np.array(values, dtype=float)))
    records = [entry.record for entry in read_entries(done.files[0], result)]
    picture = rdm_picture(records)  # people and the head; of three layers there is no one RDM
    assert picture is not None
    assert [title for title, _ in picture.panels] == ["mean of 8 people", "head"]
    gap, score = result.metrics["optimism_gap"].value, result.metrics["rsa"].value
    assert gap is not None and score is not None
    assert max(one for one in values if one is not None) == pytest.approx(score + gap)


def test_layer_and_head_of_the_file_are_the_best_of_the_other_split(tmp_path: Path) -> None:
    for task in TASKS:
        written = load(task)
        text = Path(written.merged.path).read_text()
        mine = tmp_path / f"{task}.yaml"
        root = Path(__file__).parents[3] / "tasks/brain"
        for site in ("residual", "z"):
            rows, pool = written.config.captures[0].rows, written.config.captures[0].pool
            mine.write_text(
                f"include: {root / '_rsa_scenes.yaml'}\ntask: chosen\ntest_split: calibration\n"
                f"captures: [{{site: {site}, layers: all, rows: {rows}, pool: {pool}}}]\n"
                "scorer_options: {people: simulated_viewers, layers: all}\n"
                "metadata: {version: 1}\n"
            )
            done = headbench.run(str(mine), controls=0, draws=2, out=tmp_path / site)
            (profile,) = done.results[0].profiles
            every = [
                (one, layer, head)
                for layer, row in zip(profile.layers, profile.values, strict=True)
                for head, one in enumerate(row)
                if one is not None
            ]
            best, layer, head = max(every)
            assert written.config.captures[site == "z"].layers == (layer,)
            if site == "z":
                assert written.config.scorer_options["head"] == head
            assert f"{best:.3f}".lstrip("0") in text


def test_another_split_and_more_scenes_than_there_are_are_refused(tmp_path: Path) -> None:
    root = Path(__file__).parents[3] / "tasks/brain/rsa_scenes.yaml"
    mine = tmp_path / "mine.yaml"
    mine.write_text(f"include: {root}\ntask: mine\ntest_split: train\nmetadata: {{version: 1}}\n")
    with pytest.raises(ConfigError, match="there is no split 'train'"):
        load_file(mine).documents()
    with pytest.raises(ConfigError, match="less than or equal to 120"):
        load("rsa_scenes", args={"n": "121"}).documents()
    assert len(load("rsa_scenes").documents()) == MOST
    assert SPLITS == ("calibration", "test")
    assert subset(pixel_rdm()[None], [0, 1, 2]).shape == (1, 3)
