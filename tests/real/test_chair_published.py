"""CHAIR on released caption files: the figures that papers print."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headbench.families.chair.chair_lexicon import coco_lexicon
from headbench.families.chair.chair_truth import coco_truth, given_truth
from headbench.families.chair.rescore_chair import rescore_chair
from headbench.results.figures import Sampling

FEW = Sampling(draws=50)
pytestmark = pytest.mark.real
TRUTH = "hallucination/chair_ground_truth/coco_gt_objects.json"


def test_ground_truth_built_from_annotations_equals_the_released_one(real_data: Path) -> None:
    folder = real_data / "hallucination"
    file = json.loads(
        (folder / "coco_images_33" / "instances_and_captions.json").read_text("utf-8")
    )
    built = coco_truth([file], [{"annotations": file["captions"]}], coco_lexicon("chair-2018"))
    released = given_truth(json.loads((real_data / TRUTH).read_text("utf-8")))
    assert len(built) == 33
    assert built == {image: released[image] for image in built}
    assert len(released) == 123_287


@pytest.mark.parametrize(
    ("model", "counts", "printed", "recall"),
    [
        ("llava", (1050, 9956, 654), ("32.7", "10.5", "64.3"), 67.95),
        ("minigpt-4", (290, 4355, 190), ("9.5", "6.7", "24.7"), 48.78),
    ],
)
def test_pope_caption_files_to_the_printed_digit(
    real_data: Path, model: str, counts: tuple[int, ...], printed: tuple[str, ...], recall: float
) -> None:
    captions = real_data / f"hallucination/pope_captions/Instruction2_{model}.json"
    found = rescore_chair(captions, [real_data / TRUTH], sampling=FEW)
    names = ("hallucinated_mentions", "mentions", "hallucinated_captions")
    assert tuple(found.value(name) for name in names) == counts
    chair_s, chair_i, length = (found.value(name) or 0 for name in ("chair_s", "chair_i", "len"))
    assert ("%.1f" % (100 * chair_s), "%.1f" % (100 * chair_i), "%.1f" % length) == printed  # noqa: UP031
    assert 100 * (found.value("recall") or 0) == pytest.approx(recall, abs=0.005)
    assert found.value("n") == 2000
    assert found.result.headline == "chair_s"
    estimate = found.result.metrics["chair_s"]
    assert estimate.low is not None
    assert estimate.high is not None
    assert estimate.low < chair_s < estimate.high


OPERA = {
    "llava-1.5/greedy": (45.0, 12.78, 79.8),
    "llava-1.5/beam5": (49.0, 13.90, 79.6),
    "llava-1.5/ours": (44.8, 12.83, 78.9),
    "shikra/greedy": (55.6, 15.52, 77.6),
    "shikra/beam5": (49.6, 13.26, 77.9),
    "shikra/ours": (35.6, 12.06, 68.6),
}


@pytest.mark.parametrize("log", OPERA)
def test_opera_logs_within_a_fifth_of_a_point(real_data: Path, log: str) -> None:
    captions = real_data / f"hallucination/chair_captions_opera/{log}.jsonl"
    found = rescore_chair(captions, [real_data / TRUTH], sampling=FEW)
    measured = [100 * (found.value(name) or 0) for name in ("chair_s", "chair_i", "recall")]
    assert measured == pytest.approx(OPERA[log], abs=0.2)
    assert found.value("n") == 500
