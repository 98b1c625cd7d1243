"""What the detectors find in the shipped models, on calibration documents.

`ref-lm-v1` recalls through two heads, 1-0 and 1-7: its model card says so, and masking experiments
with controls bear it out. Detectors that ask who copies, who matters and who writes must agree.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from headbench.cli.heads import heads
from headbench.detectors import calibration, gaze
from headbench.detectors.detector import Marks
from headbench.detectors.head_detection import detect
from headbench.heads.headmap import HeadMap
from headbench.jobs import Model
from headbench.models.adapter_catalogue import create

RECALL = {(1, 0), (1, 7)}


@pytest.fixture(scope="module")
def language() -> Model:
    return create("reference", {"name": "ref-lm-v1"})


@pytest.fixture(scope="module")
def vision() -> Model:
    return create("reference", {"name": "ref-vlm-v2"})


def on_needles(model: Model, detector: str, **parameters: object) -> HeadMap:
    return detect(detector, model, calibration.load("needles", 2, 0, 128), parameters=parameters)


@pytest.mark.parametrize("detector", ["retrieval", "attribution", "masking_loss", "distance"])
def test_four_detectors_agree_on_the_heads_that_recall(language: Model, detector: str) -> None:
    assert set(on_needles(language, detector).top(2)) == RECALL


def test_looking_from_the_question_is_another_thing(language: Model) -> None:
    """The two heads copy while the answer is said; while the question is read they do not look."""
    found = on_needles(language, "evidence")
    assert not RECALL & set(found.top(2))
    assert all(-1 <= score <= 1 for layer in found.scores for score in layer)


def test_heads_that_recall_do_not_hold_on_to_one_token(language: Model) -> None:
    found = on_needles(language, "future_influence")
    assert not RECALL & set(found.top(2))
    assert all(0 <= score <= 1 for layer in found.scores for score in layer)


def test_the_place_of_the_asked_object_beats_other_places(vision: Model) -> None:
    """The control of `gaze`: the same pictures and questions, the marks moved to other cells."""
    trials = gaze.load(gaze.GazeParams(of="object"), 24, 0)
    found = detect("gaze", vision, trials)
    assert found.trials == 24
    best = [found.score(*pair) for pair in found.top(4)]
    for shift in (1, 2, 3):
        moved = {
            name: Marks("image", (*marks.weights[shift:], *marks.weights[:shift]))
            for name, marks in trials.marks.items()
        }
        other = detect("gaze", vision, replace(trials, marks=moved))
        assert other.score(*other.top(1)[0]) < min(best)


def test_every_detector_of_images_runs_on_the_shipped_model_from_the_command_line(
    tmp_path: Path,
) -> None:
    for detector in ("vhd", "image_centric", "evidence"):
        out = tmp_path / f"{detector}.json"
        given = ["--detector", detector, "--model", "ref-vlm", "--data", "scenes", "--limit", "4"]
        done = CliRunner().invoke(heads, [*given, "--out", str(out)], catch_exceptions=False)
        assert done.exit_code == 0 and "3 layers x 8 query heads" in done.output
        found = HeadMap.load(out)
        assert (found.detector, found.model, found.trials) == (detector, "ref-vlm-v2", 4)
        assert len({score for layer in found.scores for score in layer}) > 12
    drawn = tmp_path / "map.svg"
    CliRunner().invoke(heads, ["show", str(out), "--svg", str(drawn)])
    assert drawn.read_text(encoding="utf-8").count("<title>") == 24
    assert json.loads(out.read_text(encoding="utf-8"))["data"]["world"] == "scenes"
