"""CHAIR on released caption files: the figures that papers print."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headbench.scoring.chair_lexicon import coco_lexicon
from headbench.scoring.chair_truth import coco_truth, given_truth

pytestmark = pytest.mark.real


def test_ground_truth_built_from_annotations_equals_the_released_one(real_data: Path) -> None:
    folder = real_data / "hallucination"
    file = json.loads(
        (folder / "coco_images_33" / "instances_and_captions.json").read_text("utf-8")
    )
    built = coco_truth([file], [{"annotations": file["captions"]}], coco_lexicon("chair-2018"))
    released = given_truth(
        json.loads((folder / "chair_ground_truth" / "coco_gt_objects.json").read_text("utf-8"))
    )
    assert len(built) == 33
    assert built == {image: released[image] for image in built}
    assert len(released) == 123_287
