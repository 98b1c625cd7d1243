"""Tasks over third-party questions, images and annotations."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from headbench.results.image_keys import image_key
from headbench.tasks.loader import load

pytestmark = pytest.mark.real
FOLDER = "hallucination"


@pytest.fixture
def data(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEADBENCH_DATA", str(real_data))
    return real_data


def test_all_released_coco_questions_become_documents(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions = data / FOLDER / "pope_questions" / "coco" / "coco_pope_random.json"
    names = {json.loads(line)["image"] for line in questions.read_text().splitlines()}
    for number, name in enumerate(sorted(names)):
        Image.new("RGB", (1, 1), (number % 256, number // 256, 0)).save(tmp_path / name, "PNG")
    monkeypatch.setenv("HEADBENCH_COCO_IMAGES", str(tmp_path))
    documents = load("pope_files").documents()
    assert len(documents) == 9000
    assert Counter(d.target for d in documents) == {"yes": 4500, "no": 4500}
    assert len({document.cluster for document in documents}) == 500
    assert len({document.images["picture"] for document in documents}) == 500
    popular = [
        d.fields["object"]
        for d in documents
        if d.fields["setting"] == "popular" and d.target == "no"
    ]
    counts = Counter(popular)
    assert (counts["car"], counts["dining table"], counts["chair"]) == (410, 370, 363)


def test_questions_built_from_annotations_agree_with_the_ground_truth(data: Path) -> None:
    truth = json.loads((data / FOLDER / "chair_ground_truth" / "coco_gt_objects.json").read_text())
    objects = {image_key(image): set(found) for image, found in truth.items()}
    documents = load("pope_coco").documents()
    assert documents
    for document in documents:
        present = document.fields["object"] in objects[image_key(document.fields["image"])]
        if document.target == "yes":
            assert present
    # The ground truth also reads captions, so a few annotated absences are named there.
    wrong = sum(
        document.target == "no"
        and document.fields["object"] in objects[image_key(document.fields["image"])]
        for document in documents
    )
    assert wrong <= 0.05 * len(documents)


def test_captioned_images_have_the_published_ground_truth(data: Path) -> None:
    truth = json.loads((data / FOLDER / "chair_ground_truth" / "coco_gt_objects.json").read_text())
    objects = {image_key(image): set(found) for image, found in truth.items()}
    task = load("chair_coco")
    documents = task.documents()
    assert len(documents) >= 30
    for document in documents:
        assert isinstance(document.target, list)
        assert set(document.target) == objects[document.id]
    (request,) = task.requests(documents[0], "answer", {}, 0)
    assert task.image(request.images[0])[:2] == b"\xff\xd8", "the JPEG itself, not a copy"
