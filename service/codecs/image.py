"""PNG and JPEG pictures to one row of a model's input, converted as the model's metadata says."""

from __future__ import annotations

import io
import struct
from math import prod

import numpy as np
from PIL import Image, ImageOps

from service.errors import BadBody, TooLarge, Unfit
from service.metadata import ImageLayout
from service.tensors import Array, TensorSpec

MAX_PIXELS = 1 << 24  # 16 million: a small file can unpack to gigabytes
# What Pillow raises for bytes that are no picture; it warns of some mistakes, and warnings may be set to raise.
BROKEN = (OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, struct.error, UserWarning)
FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG"}


def read(body: bytes, media_type: str, layout: ImageLayout, spec: TensorSpec) -> Array:
    """One row of `spec`, [1, …]: the picture turned upright, in `layout.mode`, scaled to the layout's size where it
    differs, samples divided by `layout.divisor`. Transparency is laid over black.

    Raises BadBody for a broken picture, TooLarge for one of more than 16 million pixels, Unfit where it does not
    fill the row."""
    picture = _open(body, FORMATS[media_type])
    samples = np.asarray(_fitted(picture, layout), np.float32) / np.float32(layout.divisor)
    if layout.mode == "RGB" and spec.row_shape and spec.row_shape[0] == 3:
        samples = samples.transpose(2, 0, 1)
    size = prod(spec.row_shape or ())
    if samples.size != size:
        raise Unfit(f"The picture gives {samples.size} values and a row of `{spec.name}` has {size}.")
    return np.ascontiguousarray(samples, spec.datatype.dtype).reshape((1, *(spec.row_shape or ())))


def _open(body: bytes, name: str) -> Image.Image:
    try:
        picture = Image.open(io.BytesIO(body), formats=[name])
        if picture.width * picture.height > MAX_PIXELS:
            raise TooLarge(f"The picture has {picture.width}×{picture.height} pixels; at most {MAX_PIXELS} are taken.")
        picture.load()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooLarge(f"The picture has more than {MAX_PIXELS} pixels.") from error
    except BROKEN as error:
        raise BadBody(f"The body is not a whole {name} picture.") from error
    return picture


def _upright(picture: Image.Image) -> Image.Image:
    """Turned as its EXIF data says; EXIF data that cannot be read says nothing."""
    try:
        return ImageOps.exif_transpose(picture)
    except BROKEN:
        return picture


def _fitted(picture: Image.Image, layout: ImageLayout) -> Image.Image:
    flat = _eight_bits(_opaque(_upright(picture))).convert(layout.mode)
    if flat.size == (layout.width, layout.height):
        return flat
    return flat.resize((layout.width, layout.height), Image.Resampling.LANCZOS)


def _opaque(picture: Image.Image) -> Image.Image:
    if not picture.has_transparency_data:
        return picture
    black = Image.new("RGBA", picture.size, (0, 0, 0, 255))
    return Image.alpha_composite(black, picture.convert("RGBA"))


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Pillow clips 16-bit grey at 255 when it converts; here it is scaled."""
    if not picture.mode.startswith("I"):
        return picture
    return Image.fromarray((np.asarray(picture).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8))
