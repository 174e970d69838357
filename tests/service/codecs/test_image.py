"""Pictures to rows, against Pillow and NumPy used step by step."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw

from service.codecs import image
from service.errors import BadBody, TooLarge, Unfit
from service.metadata import ImageLayout
from service.tensors import BY_NAME, Array, TensorSpec

GREY = ImageLayout(4, 2, "L", 255)
COLOUR = ImageLayout(4, 2, "RGB", 255)
PNG, JPEG = "image/png", "image/jpeg"
Encode = Callable[..., bytes]

RAMP = (np.arange(8, dtype=np.uint8) * 30).reshape(2, 4)


def row(*shape: int, datatype: str = "FP32") -> TensorSpec:
    return TensorSpec("x", BY_NAME[datatype], ("n", *shape))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, depth: int, colour: int, samples: bytes, *extra: bytes) -> bytes:
    """A PNG by hand: what Pillow does not write. `samples` has a filter byte before each line."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(samples))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + data + chunk(b"IEND", b"")


def lines(samples: Array) -> bytes:
    return b"".join(b"\x00" + line.tobytes() for line in samples)


def test_grey_picture_is_divided_by_the_divisor(encoded: Encode) -> None:
    found = image.read(encoded(Image.fromarray(RAMP)), PNG, GREY, row(8))
    assert found.dtype == np.float32
    assert np.array_equal(found, (RAMP.astype(np.float32) / np.float32(255)).reshape(1, 8))
    assert image.read(encoded(Image.fromarray(RAMP)), PNG, GREY, row(2, 4, 1)).shape == (1, 2, 4, 1)


@pytest.mark.parametrize("datatype", ["FP16", "FP64", "UINT8"])
def test_samples_come_in_the_models_own_type(encoded: Encode, datatype: str) -> None:
    found = image.read(encoded(Image.fromarray(RAMP)), PNG, ImageLayout(4, 2, "L", 1), row(8, datatype=datatype))
    assert found.dtype == BY_NAME[datatype].dtype
    assert np.array_equal(found.ravel(), RAMP.ravel())


def test_colour_is_laid_out_as_the_row_wants_it(encoded: Encode) -> None:
    samples = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    body = encoded(Image.fromarray(samples))
    planes = image.read(body, PNG, COLOUR, row(3, 2, 4))
    assert np.array_equal(planes[0], samples.transpose(2, 0, 1).astype(np.float32) / np.float32(255))
    pixels = image.read(body, PNG, COLOUR, row(2, 4, 3))
    assert np.array_equal(pixels[0], samples.astype(np.float32) / np.float32(255))


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    samples = (np.arange(8, dtype=np.uint16) * 9000).reshape(2, 4)
    found = image.read(png(4, 2, 16, 0, lines(samples.astype(">u2"))), PNG, ImageLayout(4, 2, "L", 1), row(8))
    assert np.array_equal(found.ravel(), (samples >> 8).ravel())


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "LA", "RGBA"])
def test_every_png_mode_gives_the_same_grey(encoded: Encode, mode: str) -> None:
    picture = Image.fromarray(np.where(RAMP > 100, 255, 0).astype(np.uint8))
    found = image.read(encoded(picture.convert(mode)), PNG, ImageLayout(4, 2, "L", 255), row(8))
    assert np.array_equal(found.ravel(), (RAMP.ravel() > 100).astype(np.float32))


def test_grey_picture_fills_a_colour_row(encoded: Encode) -> None:
    found = image.read(encoded(Image.fromarray(RAMP)), PNG, COLOUR, row(3, 2, 4))
    for plane in found[0]:
        assert np.array_equal(plane, RAMP.astype(np.float32) / np.float32(255))


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_transparency_is_laid_over_black(encoded: Encode, mode: str) -> None:
    picture = Image.new("RGBA", (4, 2), (255, 255, 255, 0))
    picture.putpixel((1, 0), (255, 255, 255, 255))
    found = image.read(encoded(picture.convert(mode)), PNG, GREY, row(8))
    assert found.tolist() == [[0, 1, 0, 0, 0, 0, 0, 0]]


def test_transparent_palette_and_colour_key_are_laid_over_black(encoded: Encode) -> None:
    picture = Image.fromarray(np.full((2, 4), 200, np.uint8)).convert("P")
    key = picture.getpixel((0, 0))
    found = image.read(encoded(picture, transparency=key), PNG, GREY, row(8))
    assert not found.any()
    key16 = png(4, 2, 16, 0, lines(np.full((2, 4), 5, ">u2")), chunk(b"tRNS", b"\x00\x05"))
    assert not image.read(key16, PNG, GREY, row(8)).any()


@pytest.mark.parametrize(("depth", "colour", "channels"), [(16, 2, 3), (16, 4, 2), (16, 6, 4), (8, 4, 2)])
def test_deep_colour_is_read(depth: int, colour: int, channels: int) -> None:
    samples = np.full((2, 4 * channels), 0xFFFF if depth == 16 else 0xFF, ">u2" if depth == 16 else "u1")
    found = image.read(png(4, 2, depth, colour, lines(samples)), PNG, GREY, row(8))
    assert found.tolist() == [[1] * 8]


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_every_jpeg_mode_is_read(encoded: Encode, mode: str) -> None:
    picture = Image.new("L", (16, 16), 255).convert(mode)
    found = image.read(encoded(picture, "JPEG", quality=100), JPEG, ImageLayout(16, 16, "L", 255), row(256))
    assert np.abs(found - 1).max() < 0.02


def marked() -> Image.Image:
    """White in the upper left quarter."""
    picture = Image.new("L", (16, 16), 0)
    ImageDraw.Draw(picture).rectangle((0, 0, 7, 7), fill=255)
    return picture


@pytest.mark.parametrize(
    ("orientation", "quarter"),
    [(1, (0, 0)), (2, (0, 1)), (3, (1, 1)), (4, (1, 0)), (5, (0, 0)), (6, (0, 1)), (7, (1, 1)), (8, (1, 0))],
)
@pytest.mark.parametrize(("name", "media_type"), [("JPEG", JPEG), ("PNG", PNG)])
def test_orientation_is_applied(
    encoded: Encode, orientation: int, quarter: tuple[int, int], name: str, media_type: str
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = image.read(encoded(marked(), name, exif=exif), media_type, ImageLayout(16, 16, "L", 255), row(16, 16))[0]
    means = found.reshape(2, 8, 2, 8).mean((1, 3))
    assert np.unravel_index(means.argmax(), means.shape) == quarter


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, about just this
@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0garbage",
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12\x01" * 20,
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x04abcd\0\0\0\0",
        b"Exif\0\0",
    ],
)
@pytest.mark.parametrize(("name", "media_type"), [("JPEG", JPEG), ("PNG", PNG)])
def test_broken_exif_says_nothing(encoded: Encode, exif: bytes, name: str, media_type: str) -> None:
    found = image.read(encoded(marked(), name, exif=exif), media_type, ImageLayout(16, 16, "L", 255), row(16, 16))[0]
    assert found[:7, :7].min() > 0.9
    assert found[9:, 9:].max() < 0.1


def test_other_size_is_scaled(encoded: Encode) -> None:
    picture = marked().resize((64, 64), Image.Resampling.NEAREST)
    found = image.read(encoded(picture), PNG, ImageLayout(16, 16, "L", 255), row(256))
    expected = np.asarray(picture.resize((16, 16), Image.Resampling.LANCZOS), np.float32) / np.float32(255)
    assert np.array_equal(found.reshape(16, 16), expected)


def test_first_picture_of_an_animation_is_taken(encoded: Encode) -> None:
    first, second = Image.fromarray(RAMP), Image.fromarray(255 - RAMP)
    found = image.read(encoded(first, save_all=True, append_images=[second]), PNG, GREY, row(8))
    assert np.array_equal(found.ravel(), RAMP.ravel().astype(np.float32) / np.float32(255))


def test_truncated_picture_is_400(encoded: Encode) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32), np.uint8))
    for name, media_type in (("PNG", PNG), ("JPEG", JPEG)):
        body = encoded(noise, name)
        for length in (0, 1, 10, len(body) // 4, len(body) // 2, len(body) - 50):
            with pytest.raises(BadBody):
                image.read(body[:length], media_type, GREY, row(8))


@pytest.mark.parametrize("name", ["PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM"])
def test_other_format_than_the_content_type_is_400(encoded: Encode, name: str) -> None:
    with pytest.raises(BadBody, match="JPEG"):
        image.read(encoded(Image.fromarray(RAMP), name), JPEG, GREY, row(8))


@pytest.mark.parametrize("body", [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"{}", bytes(1000)])
def test_what_is_no_picture_is_400(body: bytes) -> None:
    for media_type in (PNG, JPEG):
        with pytest.raises(BadBody):
            image.read(body, media_type, GREY, row(8))


@pytest.mark.parametrize("side", [4097, 10_000, 20_000, 65_535])
def test_bomb_is_413_before_it_is_unpacked(side: int) -> None:
    with pytest.raises(TooLarge, match="pixels"):
        image.read(png(side, side, 8, 0, bytes(10)), PNG, GREY, row(8))


@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP"])
def test_compressed_text_that_unpacks_to_much_is_400(kind: bytes) -> None:
    bomb = chunk(kind, b"a\0\0" + zlib.compress(bytes(70_000_000)))
    with pytest.raises(BadBody):
        image.read(png(4, 2, 8, 0, lines(RAMP), bomb), PNG, GREY, row(8))


def test_wrong_number_of_values_is_422(encoded: Encode) -> None:
    body = encoded(Image.fromarray(RAMP))
    for spec in (row(7), row(9), row(3, 2, 4)):
        with pytest.raises(Unfit, match="8 values"):
            image.read(body, PNG, GREY, spec)
    with pytest.raises(Unfit):
        image.read(body, PNG, GREY, TensorSpec("x", BY_NAME["FP32"], ("n", "m")))


def test_any_damage_is_read_or_refused(encoded: Encode) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    originals = [(encoded(marked(), name, exif=exif), kind) for name, kind in (("PNG", PNG), ("JPEG", JPEG))]
    dice = random.Random(0)
    outcomes = {"read": 0, "refused": 0}
    for _ in range(150):
        for original, media_type in originals:
            body = bytearray(original)
            for _ in range(dice.randint(1, 4)):
                body[dice.randrange(len(body))] = dice.randrange(256)
            try:
                assert image.read(io.BytesIO(body).getvalue(), media_type, GREY, row(8)).shape == (1, 8)
                outcomes["read"] += 1
            except (BadBody, TooLarge):
                outcomes["refused"] += 1
    assert min(outcomes.values()) > 10
