"""The boundaries to files: what cannot be read is an error of ours, within limits."""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from headbench import _images, _reading
from headbench._csv import csv_errors
from headbench._images import check_image
from headbench._json import json_values, strict_json
from headbench._npz import open_npz
from headbench._reading import (
    expanded,
    is_file,
    is_folder,
    read_file,
    resolved,
    user_path,
)
from headbench._yaml import load
from headbench.errors import ConfigError, DataError
from headbench.interventions.vector_files import locate, tensor_names


def test_a_pipe_a_device_and_impossible_names_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, words in (
        (tmp_path / "pipe", "it is a pipe"),
        (Path("/dev/zero"), "it is a device"),
        (tmp_path, "it is a folder|Is a directory"),
        (tmp_path / "absent", "No such file"),
        (Path("a\0b"), "no file can have this name"),
        (Path("x" * 5000), "its name is too long"),
    ):
        with pytest.raises(DataError, match=words):
            read_file(path)
        assert not is_file(path)
    assert is_folder(tmp_path)
    assert not is_folder("x" * 5000)
    (tmp_path / "big").write_bytes(b"x" * 11)
    with pytest.raises(DataError, match="larger than 10 bytes"):
        read_file(tmp_path / "big", most=10)


def test_gzip_is_expanded_within_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert expanded(gzip.compress(b"a") + gzip.compress(b"b"), "x") == b"ab"
    assert expanded(b"plain", "x") == b"plain"
    for damaged in (
        gzip.compress(b"text")[:-3], gzip.compress(b"text")[:6],
        gzip.compress(b"text" * 9)[:12] + b"\xff" * 9, gzip.compress(b"a") + b"more",
    ):  # fmt: skip
        with pytest.raises(DataError, match="damaged"):
            expanded(damaged, "x")
    monkeypatch.setattr(_reading, "ALWAYS_EXPANDED", 1000)
    packer = zlib.compressobj(wbits=31)
    bomb = packer.compress(b"\0" * 10**7) + packer.flush()
    with pytest.raises(DataError, match=r"refused: more than 9\d\d,\d\d\d bytes"):
        expanded(bomb, "x")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 0x_", "'0x_' is no whole number"),
        ("a: !!int abc", "'abc' is no whole number"),
        ("a: !!bool foo", "'foo' is no true or false"),
        ("a: 2001-13-45", "'2001-13-45' is no date"),
        ("a: !!timestamp foo", "'foo' is no date"),
        (f"a: {'1' * 5000}", "an integer of 5,000 digits"),
        ("a: .inf", "no finite number"),
        ("a: " + "[" * 100_000, "nested more than 50 deep"),
        ("a: " + "{a: " * 3000 + "}" * 3000, "nested more than 50 deep"),
        ("a: &a [*a]", "stands within what it stands for"),
        ("a: &a [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1 or ''}]\n" for n in range(1, 60)).replace(
            "*a]", "*a]"), "nest more than 50 deep"),
        ("a: !!python/object:os.system x", "could not determine a constructor"),
    ],
)  # fmt: skip
def test_yaml_values_and_nesting_are_refused_with_their_line(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as told:
        load(text, "t.yaml", ConfigError)
    assert told.value.where.startswith("t.yaml:")


def test_json_depth_and_integers_have_limits() -> None:
    for text in ("[" * 200 + "]" * 200, '{"a":' * 200 + "1" + "}" * 200, "1" * 400):
        with pytest.raises(ValueError, match=r"more than 100 deep|an integer of 400 digits"):
            strict_json(text)
        with pytest.raises(DataError, match=r"more than 100 deep|an integer of 400 digits"):
            json_values(text, "x")
    assert json_values("[[1]] [2]", "x") == [[[1]], [2]]


def test_images_are_decoded_whole_and_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (40, 40)).save(stream, "PNG")
    whole = stream.getvalue()
    check_image(whole, "x")
    for data in (b"", b"no image", whole[:60], whole[:30] + b"\xff" * 20 + whole[50:]):
        with pytest.raises(DataError, match="image cannot be read"):
            check_image(data, "x")
    monkeypatch.setattr(_images, "MOST_PIXELS", 1000)
    with pytest.raises(DataError, match="40 x 40 pixels, more than 1,000"):
        check_image(whole, "x")


def test_npz_files_are_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(content: bytes) -> list[str]:
        (tmp_path / "a.npz").write_bytes(content)
        with open_npz(tmp_path / "a.npz", "the table") as file:
            return [str(file[name].shape) for name in file]

    stream = io.BytesIO()
    np.savez_compressed(stream, a=np.zeros((2, 3)))
    whole = stream.getvalue()
    assert read(whole) == ["(2, 3)"]
    plain, pickled = io.BytesIO(), io.BytesIO()
    np.savez(plain, a=np.zeros((2, 3)))
    np.savez(pickled, a=np.array([{}, {}]))
    for content, words in (
        (b"", "not a zip file"),
        (whole[:-40], "not a zip file"),
        (whole[:60] + b"\xff" * 9 + whole[69:], "the table cannot be read"),
        (pickled.getvalue(), "allow_pickle"),
        (plain.getvalue().replace(b"(2, 3)", b"(9, 9)"), "Bad CRC"),
    ):
        with pytest.raises(DataError, match=words):
            read(content)
    with (
        pytest.raises(DataError, match="cannot read the table: No such file"),
        open_npz(tmp_path / "none.npz", "the table"),
    ):
        pass
    bomb = io.BytesIO()
    np.savez_compressed(bomb, a=np.zeros(10**6))
    monkeypatch.setattr("headbench._npz.ALWAYS_EXPANDED", 1000)
    with pytest.raises(DataError, match=r"refused: 8,000,\d\d\d bytes when expanded"):
        read(bomb.getvalue())


def test_a_cell_of_a_table_has_a_limit_that_no_library_moves() -> None:
    csv.field_size_limit(10)
    with csv_errors("t.csv"):
        assert next(csv.reader(["x" * 1000])) == ["x" * 1000]
    longer = csv.reader(["x" * (2**24 + 1)])
    with pytest.raises(DataError, match="field larger than field limit"), csv_errors("t.csv"):
        next(longer)


def test_paths_that_cannot_be_resolved_stay_as_they_are(tmp_path: Path) -> None:
    assert user_path("~nobody-of-this-name/x") == Path("~nobody-of-this-name/x")
    assert user_path("~/x") == Path.home() / "x"
    (tmp_path / "round").symlink_to(tmp_path / "round")
    for odd in (Path("a\0b"), tmp_path / "round", Path("x" * 5000)):
        assert resolved(odd).name == odd.name


def test_headers_of_safetensors_are_read_without_tensors() -> None:
    def packed(header: bytes, length: int | None = None) -> bytes:
        return (len(header) if length is None else length).to_bytes(8, "little") + header

    sound = b'{"v":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"__metadata__":{}}'
    assert tensor_names(packed(sound) + b"0000", "x") == ("v",)
    for content in (
        b"", b"1234567", packed(sound, 2**64 - 1), packed(sound, len(sound) + 1), packed(b"[]"),
        packed(b"{"), packed(b"\xff"), packed(b"[" * 200), packed(sound, 3),
    ):  # fmt: skip
        with pytest.raises(DataError, match="not a safetensors file"):
            tensor_names(content, "x")


def test_tensors_that_lie_elsewhere_than_their_header_says_are_refused(tmp_path: Path) -> None:
    for offsets in ("[0,8]", "[4,8]", "[2,1]", "[0,1e9]"):
        header = f'{{"v":{{"dtype":"F32","shape":[1],"data_offsets":{offsets}}}}}'.encode()
        place = tmp_path / "v.safetensors"
        place.write_bytes(len(header).to_bytes(8, "little") + header + b"0000")
        with pytest.raises(DataError, match="not a safetensors file"):
            locate(str(place), "v").read()


READS = re.compile(
    r"\.expanduser\(|np\.load\(|\.read_text\(|\.read_bytes\(|ZipFile\(|Image\.open\(|safe_open\("
    r"|json\.load\(|yaml\.(?:safe_)?load\(|csv\.(?:reader|DictReader)\("
)
"""What reads a file of a user's, or a table in it."""
BOUNDARIES = {"_reading.py", "_npz.py", "_images.py", "_yaml.py"}
OWN_FILES = {
    "_code.py",
    "_include.py",
    "cli/command_style.py",
    "families/brain/natural_stories.py",
    "families/brain/pack_data.py",
    "families/brain/rating_tables.py",
    "families/brain/vector_table.py",
    "families/brain/vendored_data.py",
    "families/chair/chair_lexicon.py",
    "families/general/recipes.py",
    "guard/golden.py",
    "heads/head_lists.py",
    "interventions/strengths.py",
    "interventions/vector_files.py",
    "leaderboard/site.py",
    "models/hf/length.py",
    "models/hub_reach.py",
    "reference/shipped.py",
    "results/derived.py",
    "results/files.py",
    "results/recorded.py",
    "results/timing.py",
    "running/selftest.py",
    "tasks/data/tables.py",
    "tasks/merge.py",
}
"""These read files of the package or of a run, or sources that Python itself has imported; tables
in a block of ``csv_errors``; ``safe_open`` where the header was checked before."""


def test_files_of_users_are_read_at_the_boundary() -> None:
    root = Path(_reading.__file__).parent
    found = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if path.name not in BOUNDARIES and READS.search(path.read_text(encoding="utf-8"))
    }
    assert found == OWN_FILES
