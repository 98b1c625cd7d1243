"""Data sets of the `datasets` library, from disk: no network in tests."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from PIL import Image

from headbench.errors import ConfigError, DataError
from headbench.tasks.loader import load_file
from helpers_tasks import ROWS, write_task

datasets = pytest.importorskip("datasets")


def saved(folder: Path, split: str = "test") -> Path:
    made = datasets.Dataset.from_list(
        [{**row, "photo": Image.new("RGB", (4, 4), "red")} for row in ROWS],
        features=datasets.Features(
            {
                "id": datasets.Value("string"),
                "question": datasets.Value("string"),
                "target": datasets.Value("string"),
                "photo": datasets.Image(),
            }
        ),
    )
    datasets.DatasetDict({split: made}).save_to_disk(str(folder / "saved"))
    more = (
        "dataset_path: datasets\ndataset_kwargs: {folder: saved, image_fields: [photo]}\n"
        "doc_to_text: '<image> {{ question }}'\ndoc_to_image: photo\n"
    )
    return write_task(folder, more, drop=["dataset_path", "dataset_kwargs", "doc_to_text"])


def test_a_saved_data_set_with_images(tmp_path: Path) -> None:
    task = load_file(saved(tmp_path))
    documents = task.documents()
    assert [document.id for document in documents] == ["a", "b", "c"]
    name = documents[0].images["photo"]
    assert hashlib.sha256(task.image(name)).hexdigest() == name
    assert "photo" not in documents[0].fields


def test_an_unknown_split_and_a_folder_that_holds_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no split 'test'"):
        load_file(saved(tmp_path, split="dev")).documents()
    (tmp_path / "empty").mkdir()
    more = "dataset_path: datasets\ndataset_kwargs: {folder: empty}\n"
    task = load_file(write_task(tmp_path, more, drop=["dataset_path", "dataset_kwargs"]))
    with pytest.raises(DataError, match="holds no data set"):
        task.documents()
