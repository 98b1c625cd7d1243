from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from headbench.errors import ConfigError, DataError, HeadbenchError
from headbench.tasks.data.source import AbsentDataError
from headbench.tasks.loader import load_file
from helpers_tasks import ROWS, write_task


def with_data(folder: Path, name: str, content: bytes, kwargs: str = "") -> Path:
    """A toy task whose rows lie in ``name``."""
    kind = "csv" if name.endswith((".csv", ".tsv")) else "json"
    more = f"dataset_path: {kind}\ndataset_kwargs: {{data_files: {name}{kwargs}}}\n"
    path = write_task(folder, more, drop=["dataset_path", "dataset_kwargs"])
    (folder / name).write_bytes(content)
    return path


LINES = "\n".join(json.dumps(row) for row in ROWS).encode()
PRETTY = "\n".join(json.dumps(row, indent=2) for row in ROWS).encode()
TABLE = b"id,question,target\na,one?,1\nb,two?,2\nc,three?,3\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.json", json.dumps(ROWS).encode()),
        ("x.jsonl", LINES),
        ("x.json", PRETTY),
        ("x.json", b"\xef\xbb\xbf" + LINES),
        ("x.csv", TABLE),
        ("x.tsv", TABLE.replace(b",", b"\t")),
    ],
)
def test_every_container_gives_the_same_rows(tmp_path: Path, name: str, content: bytes) -> None:
    task = load_file(with_data(tmp_path, name, content))
    got = [(d.id, d.fields["question"], d.target) for d in task.documents()]
    assert got == [("a", "one?", "1"), ("b", "two?", "2"), ("c", "three?", "3")]


def test_a_key_of_an_object_holds_the_rows(tmp_path: Path) -> None:
    content = json.dumps({"dataset": ROWS}).encode()
    task = load_file(with_data(tmp_path, "x.json", content, ", field: dataset"))
    assert len(task.documents()) == 3
    task = load_file(with_data(tmp_path, "x.json", content, ", field: rows"))
    with pytest.raises(DataError, match="no key 'rows'"):
        task.documents()


@pytest.mark.parametrize(
    ("name", "content", "what", "where"),
    [
        ("x.json", LINES[:-5], "ends within a value", "x.json:3"),
        ("x.json", b'{"id": }', "not valid JSON", "x.json:1:8"),
        ("x.json", "caf\xe9".encode("latin-1"), "not utf-8", "byte 3"),
        ("x.json", b"[" * 100_000, "no data", "x.json"),
        ("x.csv", b"id,question,target\na,one?\n", "as many cells", "x.csv:2"),
    ],
)
def test_broken_files_are_named(
    tmp_path: Path, name: str, content: bytes, what: str, where: str
) -> None:
    with pytest.raises(DataError, match=what) as caught:
        load_file(with_data(tmp_path, name, content)).documents()
    assert where in caught.value.where


def test_half_a_character_does_not_stop_a_task(tmp_path: Path) -> None:
    content = rb'[{"id": "a", "question": "one \ud83d", "target": "1"}]'
    task = load_file(with_data(tmp_path, "x.json", content))
    assert task.documents()[0].fields["question"] == "one \ufffd"
    assert len(task.data_hash) == 64


def test_another_encoding_must_be_named(tmp_path: Path) -> None:
    content = json.dumps([{**ROWS[0], "question": "café"}], ensure_ascii=False).encode("latin-1")
    task = load_file(with_data(tmp_path, "x.json", content, ", encoding: latin-1"))
    assert task.documents()[0].fields["question"] == "café"


def test_rows_without_ids_are_named_by_content(tmp_path: Path) -> None:
    bare = [{"question": "same?", "target": "1"}] * 2 + [{"question": "other?", "target": "1"}]
    first = load_file(with_data(tmp_path, "x.json", json.dumps(bare).encode())).documents()
    assert len({document.id for document in first}) == 3
    assert first[1].id == f"{first[0].id}-2"
    turned = load_file(with_data(tmp_path, "x.json", json.dumps(bare[::-1]).encode())).documents()
    assert turned[0].id == first[2].id


def test_a_sample_is_seeded(tmp_path: Path) -> None:
    path = with_data(tmp_path, "x.jsonl", LINES, ", sample: 2, sample_seed: 1")
    ids = [document.id for document in load_file(path).documents()]
    assert len(ids) == 2
    assert ids == [document.id for document in load_file(path).documents()]


def test_splits_have_files_of_their_own(tmp_path: Path) -> None:
    more = "dataset_kwargs: {data_files: {test: rows.json}}\ntest_split: dev\n"
    task = load_file(write_task(tmp_path, more, drop=["dataset_kwargs"]))
    with pytest.raises(ConfigError, match="no split 'dev'"):
        task.documents()


def test_an_unknown_option_and_an_unknown_source(tmp_path: Path) -> None:
    more = "dataset_kwargs: {data_file: rows.json}\n"
    with pytest.raises(HeadbenchError, match="unknown key 'data_file'") as caught:
        load_file(write_task(tmp_path, more, drop=["dataset_kwargs"])).documents()
    assert "data_files" in str(caught.value)
    more = "dataset_path: jsno\n"
    with pytest.raises(ConfigError, match="'jsno'") as unknown:
        load_file(write_task(tmp_path, more, drop=["dataset_path"])).documents()
    assert "'json'" in unknown.value.hint


def test_a_missing_file_and_an_unset_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kwargs(name: str) -> Path:
        more = f"dataset_kwargs: {{data_files: '{name}'}}\n"
        return write_task(tmp_path, more, drop=["dataset_kwargs"])

    with pytest.raises(AbsentDataError, match=r"none\.json") as caught:
        load_file(kwargs("none.json")).documents()
    assert "toy.yaml" in caught.value.where
    monkeypatch.delenv("HEADBENCH_TOY", raising=False)
    with pytest.raises(AbsentDataError, match="HEADBENCH_TOY is not set"):
        load_file(kwargs("${HEADBENCH_TOY}/rows.json")).documents()
    with pytest.raises(ConfigError, match="only variables HEADBENCH_"):
        load_file(kwargs("${HOME}/rows.json")).documents()
    monkeypatch.setenv("HEADBENCH_TOY", str(tmp_path))
    assert len(load_file(kwargs("${HEADBENCH_TOY}/rows.json")).documents()) == 3


def test_a_hub_data_set_needs_a_pinned_commit(tmp_path: Path) -> None:
    more = "dataset_path: owner/name\ndataset_kwargs: {revision: main}\n"
    task = load_file(write_task(tmp_path, more, drop=["dataset_path", "dataset_kwargs"]))
    with pytest.raises(ConfigError, match="full commit hash"):
        task.documents()
    more = "dataset_path: owner/name\ndataset_kwargs: {}\n"
    task = load_file(write_task(tmp_path, more, drop=["dataset_path", "dataset_kwargs"]))
    with pytest.raises(ConfigError, match="unknown data source") as caught:
        task.documents()
    assert "revision" in caught.value.hint


# ------------------------------------------------------------------ images


def picture(colour: str = "red") -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (32, 32), colour).save(made, "PNG")
    return made.getvalue()


def image_task(folder: Path, name: str, content: bytes) -> Path:
    rows = [{"id": "a", "image": name, "question": "what?", "target": "1"}]
    (folder / "pictures").mkdir(exist_ok=True)
    (folder / "pictures" / "one.png").write_bytes(content)
    more = (
        "dataset_kwargs: {data_files: rows.json, image_folder: pictures}\n"
        "doc_to_text: '<image> {{ question }}'\ndoc_to_image: image\n"
    )
    return write_task(folder, more, rows=rows, drop=["dataset_kwargs", "doc_to_text"])


def test_images_are_named_by_their_bytes(tmp_path: Path) -> None:
    task = load_file(image_task(tmp_path, "one.png", picture()))
    document = task.documents()[0]
    (request,) = task.requests(document, "answer", {}, 0)
    assert request.images == (document.images["image"],)
    assert task.image(request.images[0]) == picture()


def test_an_image_that_changes_under_a_run_is_noticed(tmp_path: Path) -> None:
    task = load_file(image_task(tmp_path, "one.png", picture()))
    name = task.documents()[0].images["image"]
    (tmp_path / "pictures" / "one.png").write_bytes(picture("blue"))
    with pytest.raises(DataError, match="no longer what it was"):
        task.image(name)
    with pytest.raises(DataError, match="no document of this task"):
        task.image("0" * 64)


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("one.png", picture()[:60], "damaged or cut short"),
        ("one.png", b"no image", "not an image"),
        ("two.png", picture(), "'two.png' is missing"),
        ("../secret.png", picture(), "file name alone"),
        ("/etc/passwd", picture(), "file name alone"),
        ("..\\x.png", picture(), "file name alone"),
    ],
)
def test_broken_absent_and_straying_images(
    tmp_path: Path, name: str, content: bytes, what: str
) -> None:
    (tmp_path / "secret.png").write_bytes(picture())
    with pytest.raises(DataError, match=what):
        load_file(image_task(tmp_path, name, content)).documents()
