"""Every kind of picture in eight bits of red, green and blue, with the values that are right."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from headbench.errors import DataError
from headbench.models.images import decode
from headbench.worlds.png import png

WHITE, RED, BLACK = (255, 255, 255), (255, 0, 0), (0, 0, 0)


def encoded(picture: Image.Image, form: str = "PNG", **more: Any) -> bytes:
    target = io.BytesIO()
    picture.save(target, form, **more)
    return target.getvalue()


def pixels(data: bytes) -> list[tuple[int, ...]]:
    """Pixels row by row."""
    found = decode(data, "0" * 64)
    assert found.mode == "RGB"
    return [tuple(pixel) for pixel in np.asarray(found).reshape(-1, 3).tolist()]


def grey(*values: int) -> list[tuple[int, int, int]]:
    return [(value, value, value) for value in values]


def test_sixteen_bits_are_scaled_by_their_range_and_not_cut_at_255() -> None:
    """Pillow's own conversion gives 255 for everything above 255."""
    values = np.array([[0, 256, 257, 32768, 65535]], dtype=np.uint16)
    for form in ("PNG", "TIFF"):
        assert pixels(encoded(Image.fromarray(values), form)) == grey(0, 1, 1, 128, 255)
    # A dark picture stays dark: the range is that of sixteen bits, not the picture's own.
    assert pixels(encoded(Image.fromarray(values // 256))) == grey(0, 0, 0, 0, 1)


def test_sixteen_bits_of_each_colour_are_scaled_too() -> None:
    row = b"\0" + struct.pack(">6H", 65535, 32768, 0, 257, 65535, 256)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(row)), chunk(b"IEND", b""))
    found = pixels(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    assert found == [(255, 128, 0), (1, 255, 1)]


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([0.0, 0.5, 1.0], (0, 128, 255)),
        ([0.1, 0.2, 0.2], (26, 51, 51)),  # within 0..1: not stretched
        ([0.0, 500.0, 1000.0], (0, 128, 255)),  # its own range
        ([-1.0, 0.0, 1.0], (0, 128, 255)),
        ([7.0, 7.0, 7.0], (0, 0, 0)),  # flat
    ],
)
def test_floats_are_scaled_by_their_range(values: list[float], wanted: tuple[int, ...]) -> None:
    picture = Image.fromarray(np.array([values], dtype=np.float32))
    assert pixels(encoded(picture, "TIFF")) == grey(*wanted)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([0, 32768, 65535], (0, 128, 255)),
        ([0, 1000, 100_000], (0, 3, 255)),
        ([-2, 0, 2], (0, 128, 255)),
    ],
)
def test_whole_numbers_of_32_bits_are_16_bits_or_their_own_range(
    values: list[int], wanted: tuple[int, ...]
) -> None:
    picture = Image.fromarray(np.array([values], dtype=np.int32))
    assert pixels(encoded(picture, "TIFF")) == grey(*wanted)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_numbers_are_refused(value: float) -> None:
    picture = Image.fromarray(np.array([[0.5, value]], dtype=np.float32))
    with pytest.raises(DataError, match="not numbers"):
        decode(encoded(picture, "TIFF"), "0" * 64)


TURNED = {
    1: "abcdef", 2: "badcfe", 3: "fedcba", 4: "efcdab",
    5: "acebdf", 6: "ecafdb", 7: "fdbeca", 8: "bdface",
}  # fmt: skip
"""EXIF orientation -> where the pixels a..f of two columns and three rows stand, row by row."""


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("mode", ["RGB", "I;16"])
def test_the_exif_orientation_is_applied(orientation: int, mode: str) -> None:
    levels = {name: 40 * at for at, name in enumerate("abcdef")}
    stored = np.array(list(levels.values()), dtype=np.uint16).reshape(3, 2)
    if mode == "RGB":
        picture = Image.fromarray(np.repeat(stored.astype(np.uint8)[..., None], 3, axis=2))
    else:
        picture = Image.fromarray(stored * 257)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(picture, exif=exif)
    assert pixels(data) == grey(*(levels[name] for name in TURNED[orientation]))
    assert decode(data, "").size == ((2, 3) if orientation <= 4 else (3, 2))


def test_cmyk_is_converted() -> None:
    picture = Image.new("CMYK", (4, 1))
    inks = [(0, 0, 0, 0), (0, 255, 255, 0), (0, 0, 0, 255), (255, 0, 0, 0)]
    picture.putdata(inks)
    wanted = [WHITE, RED, BLACK, (0, 255, 255)]
    assert pixels(encoded(picture, "TIFF")) == wanted
    flat = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    for pixel in pixels(encoded(flat, "JPEG", quality=95)):
        assert pixel == pytest.approx(RED, abs=3)


def test_transparency_is_laid_on_white() -> None:
    """What lies under a transparent pixel is not seen, and so is not shown to a model."""
    colours = [(255, 0, 0, 255), (255, 0, 0, 0), (0, 0, 0, 0), (255, 0, 0, 128)]
    picture = Image.new("RGBA", (4, 1))
    picture.putdata(colours)
    assert pixels(encoded(picture)) == [RED, WHITE, WHITE, (255, 127, 127)]
    shaded = Image.new("LA", (2, 1))
    shaded.putdata([(0, 255), (0, 0)])
    assert pixels(encoded(shaded)) == [BLACK, WHITE]


def test_palettes_are_looked_up_and_their_transparent_entry_is_white() -> None:
    picture = Image.new("P", (3, 1))
    picture.putpalette([255, 0, 0, 0, 0, 0, 9, 9, 9])
    picture.putdata([0, 1, 2])
    assert pixels(encoded(picture)) == [RED, BLACK, (9, 9, 9)]
    assert pixels(encoded(picture, transparency=1)) == [RED, WHITE, (9, 9, 9)]
    assert pixels(encoded(picture, "GIF", transparency=0))[0] == WHITE


def test_grey_and_black_and_white_are_spread_over_the_colours() -> None:
    levels = Image.new("L", (2, 1))
    levels.putdata([0, 200])
    assert pixels(encoded(levels)) == grey(0, 200)
    bits = Image.new("1", (2, 1))
    bits.putdata([0, 255])
    assert pixels(encoded(bits)) == grey(0, 255)


def test_plain_colours_stay_to_the_bit() -> None:
    values = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    found = decode(encoded(Image.fromarray(values)), "")
    assert np.array_equal(np.asarray(found), values)


def test_pictures_of_a_hub_data_set_are_read_in_the_same_way() -> None:
    """They come decoded, and are written as PNG: sixteen bits and transparency must survive it."""
    values = np.array([[0, 256, 32768, 65535]], dtype=np.uint16)
    assert pixels(png(Image.fromarray(values))) == grey(0, 1, 128, 255)
    clear = Image.new("RGBA", (1, 1), (9, 9, 9, 0))
    assert pixels(png(clear)) == [WHITE]


def test_of_several_frames_the_first_is_taken() -> None:
    frames = [Image.new("RGB", (1, 1), colour) for colour in ("red", "black")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert pixels(data) == [RED]


def test_what_is_no_picture_is_refused_by_its_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = encoded(
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    )
    for data in (b"", b"nothing", whole[: len(whole) // 2]):
        with pytest.raises(DataError, match="cannot be read") as caught:
            decode(data, "ab" * 32)
        assert "abababab" in str(caught.value.where)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DataError, match="cannot be read"):
        decode(whole, "ab" * 32)
