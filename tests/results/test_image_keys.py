"""Names of images: one key for one image, and never one key for two."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headbench.errors import DataError
from headbench.families.chair.chair_lexicon import coco_lexicon
from headbench.families.chair.chair_truth import coco_truth, given_truth
from headbench.results.image_keys import ENDINGS, ImageKeys, image_key


@pytest.mark.parametrize(
    ("image", "key"),
    [
        ("img.1", "img.1"),
        ("img.2", "img.2"),
        ("a.jpg", "a"),
        ("a.JPEG", "a"),
        ("a.jpg.png", "a.jpg"),
        ("x/a.jpg", "x/a"),
        ("y/a.jpg", "y/a"),
        ("007.jpg", "007"),
        ("7.jpg", "7"),
        (7.5, "7.5"),
        ("a ", "a "),
        ("A", "A"),
        (".jpg", ".jpg"),
        ("000000000007.jpg", "7"),
        ("COCO_train2014_000000000007", "7"),
        ("COCO_val2014_7", "COCO_val2014_7"),
        ("scan_000000000007.png", "scan_000000000007"),
    ],
)
def test_only_the_ending_of_an_image_file_is_dropped(image: object, key: str) -> None:
    assert image_key(image) == key


@given(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=6, unique=True))
def test_names_without_an_ending_keep_apart(names: list[str]) -> None:
    plain = [name for name in names if not name.lower().endswith(ENDINGS)]
    assert len({image_key(name) for name in plain}) == len(plain)


@pytest.mark.parametrize(
    ("one", "other"), [("a.jpg", "a.png"), ("7", "000000000007.jpg"), ("x/000000000007", 7)]
)
def test_two_names_of_one_key_are_refused(one: object, other: object) -> None:
    keys = ImageKeys("log.json")
    assert keys.of(one) == keys.of(one)
    with pytest.raises(DataError, match="two images would be one") as caught:
        keys.of(other)
    assert "log.json" in str(caught.value)


def test_ground_truth_whose_names_collapse_is_refused() -> None:
    with pytest.raises(DataError, match="two images would be one"):
        given_truth({"a.jpg": ["dog"], "a.png": ["cat"]})
    images = [{"image_id": "a.jpg", "category_id": 1}, {"image_id": "a.png", "category_id": 1}]
    document = {"categories": [{"id": 1, "name": "dog"}], "annotations": images}
    with pytest.raises(DataError, match="two images would be one"):
        coco_truth([document], [], coco_lexicon())
