from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headbench.errors import DataError
from headbench.families.pope.pope_build import SETTINGS, Annotated, Question, build
from headbench.tasks.loader import load, load_file

IMAGES = (
    Annotated("i1", ("cat", "dog", "bed")),
    Annotated("i2", ("cat", "dog", "car")),
    Annotated("i3", ("cat", "tree", "car", "bird")),
    Annotated("i4", ("fish", "boat", "car")),
)


def asked(image: str, setting: str, seed: int = 0) -> list[Question]:
    return [
        question
        for question in build(IMAGES, seed=seed)
        if (question.image, question.setting) == (image, setting)
    ]


def test_positives_are_the_first_three_and_negatives_follow_each() -> None:
    questions = asked("i3", "random")
    assert [question.object for question in questions[::2]] == ["cat", "tree", "car"]
    assert [question.label for question in questions] == ["yes", "no"] * 3
    assert [question.number for question in questions] == [1, 2, 3, 4, 5, 6]


def test_popular_negatives_are_the_most_frequent_absent_objects() -> None:
    # cat 3, car 3, dog 2; then bed, bird, boat, fish, tree once each, ties by name.
    negatives = [question.object for question in asked("i4", "popular") if question.label == "no"]
    assert negatives == ["cat", "dog", "bed"]


def test_adversarial_negatives_go_with_the_positive_just_asked_about() -> None:
    # In i1: cat goes most with dog (present), then car (twice); dog then with car (used): with
    # nothing left that it was ever seen with but cat, bed and car, a random one follows.
    questions = asked("i1", "adversarial")
    assert questions[1].object == "car"
    assert {questions[3].object, questions[5].object} <= {"tree", "bird", "fish", "boat"}


def test_random_negatives_follow_the_seed_alone() -> None:
    again = [question.object for question in asked("i2", "random")]
    assert again == [question.object for question in asked("i2", "random")]
    others = {
        tuple(question.object for question in asked("i2", "random", seed)) for seed in range(20)
    }
    assert len(others) > 1


OBJECTS = [f"o{n}" for n in range(12)]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from(OBJECTS), min_size=3, max_size=5, unique=True),
        min_size=6,
        max_size=12,
    ),
    st.integers(0, 5),
)
def test_no_negative_is_in_the_image_or_asked_twice(images: list[list[str]], seed: int) -> None:
    annotated = [Annotated(str(n), tuple(objects)) for n, objects in enumerate(images)]
    annotated.append(Annotated("all-a", tuple(OBJECTS[:6])))
    annotated.append(Annotated("all-b", tuple(OBJECTS[6:])))
    truth = {image.image: image.objects for image in annotated}
    by_image: dict[tuple[str, str], list[Question]] = {}
    for question in build(annotated, seed=seed):
        by_image.setdefault((question.image, question.setting), []).append(question)
    assert len(by_image) == len(annotated) * len(SETTINGS)
    for (image, _), questions in by_image.items():
        assert len({question.object for question in questions}) == 6
        for question in questions:
            assert (question.object in truth[image]) == (question.label == "yes")


def test_images_with_too_few_objects_and_worlds_without_absent_ones() -> None:
    with pytest.raises(DataError, match="fewer than 3"):
        list(build([Annotated("x", ("cat",))], seed=0))
    with pytest.raises(DataError, match="every known object"):
        list(build([Annotated("x", ("cat", "dog", "bed"))], seed=0))


# ------------------------------------------------------------------ the packaged task


def test_the_packaged_task_is_balanced_and_clustered_by_image() -> None:
    task = load("pope")
    documents = task.documents()
    assert len(documents) == 60 * 6 * 3
    assert Counter(d.target for d in documents) == {"yes": 540, "no": 540}
    clusters = Counter(document.cluster for document in documents)
    assert set(clusters.values()) == {18}
    assert Counter(d.fields["setting"] for d in documents) == dict.fromkeys(SETTINGS, 360)


def test_a_limited_run_sees_whole_images() -> None:
    limited = load("pope").documents(limit=18)
    assert len({document.cluster for document in limited}) == 1
    assert {document.fields["setting"] for document in limited} == set(SETTINGS)


def test_drawn_images_come_back_by_hash_also_in_a_fresh_process_of_mind() -> None:
    document = load("pope").documents(limit=1)[0]
    name = document.images["picture"]
    data = load("pope").image(name)  # another Task object, nothing read yet
    assert hashlib.sha256(data).hexdigest() == name
    assert data.startswith(b"\x89PNG")


def test_documents_are_the_same_each_time() -> None:
    assert load("pope").documents(limit=40) == load("pope").documents(limit=40)
    assert load("pope").documents(seed=5, limit=40) == load("pope").documents(limit=40)


# ------------------------------------------------------------------ released files


def released(folder: Path, rows: list[dict[str, object]], container: str = "lines") -> Path:
    text = "\n".join(json.dumps(row) for row in rows) if container == "lines" else json.dumps(rows)
    (folder / "random.json").write_text(text)
    (folder / "images").mkdir(exist_ok=True)
    picture = load("pope").image(load("pope").documents(limit=1)[0].images["picture"])
    (folder / "images" / "COCO_1.jpg").write_bytes(picture)
    path = folder / "mine.yaml"
    path.write_text(
        """
task: mine
dataset_path: pope_files
dataset_kwargs: {questions: {random: random.json}, images: images}
doc_to_text: "<image>\\n{{ question }}"
doc_to_image: picture
needs_images: true
scorer: pope
metric_list: [{metric: pope.accuracy, main: true}]
metadata: {version: 1}
"""
    )
    return path


ROW = {"question_id": 1, "image": "COCO_1.jpg", "text": "Is there a dog in the image?"}


@pytest.mark.parametrize("container", ["lines", "array"])
def test_question_files_in_both_containers(tmp_path: Path, container: str) -> None:
    rows = [ROW | {"label": "yes"}, ROW | {"question_id": 2, "label": "No"}]
    (yes, no) = load_file(released(tmp_path, rows, container)).documents()
    assert (yes.id, yes.cluster, yes.target) == ("random-1", "COCO_1.jpg", "yes")
    assert yes.fields["object"] == "dog"
    assert no.target == "no"


def test_a_repeated_question_keeps_an_id_of_its_own(tmp_path: Path) -> None:
    rows = [ROW | {"label": "no"}, ROW | {"label": "no"}]
    ids = [document.id for document in load_file(released(tmp_path, rows)).documents()]
    assert ids == ["random-1", "random-1-2"]


@pytest.mark.parametrize(
    ("row", "what"),
    [
        (ROW, "lacks 'label'"),
        (ROW | {"label": "maybe"}, "yes or no"),
        (ROW | {"label": "yes", "image": "other.jpg"}, "'other.jpg' is missing"),
        (ROW | {"label": "yes", "image": "../COCO_1.jpg"}, "file name alone"),
    ],
)
def test_wrong_questions(tmp_path: Path, row: dict[str, object], what: str) -> None:
    with pytest.raises(DataError, match=what):
        load_file(released(tmp_path, [row])).documents()
