"""The boundaries to files: what cannot be read is an error of ours, within limits."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from pathlib import Path

import pytest
from PIL import Image

from headbench import _images, _reading
from headbench._images import check_image
from headbench._json import json_values, strict_json
from headbench._reading import expanded, is_file, is_folder, read_file
from headbench._yaml import load
from headbench.errors import ConfigError, DataError


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
