"""Raw little-endian values, rows back to back: the shortest body there is."""

from __future__ import annotations

from math import prod

import numpy as np

from service.errors import BadBody, UnsupportedMedia
from service.tensors import Array, TensorSpec, aligned, content


def read(body: bytes, spec: TensorSpec) -> Array:
    """All of `body` as a tensor of `spec` in its own datatype; the one size that may be free, mostly that of rows,
    follows from the length.

    Raises UnsupportedMedia where more than one is free, BadBody where the body is no whole number of rows."""
    if spec.row_shape is not None and spec.row_bytes and body and len(body) % spec.row_bytes == 0:
        return aligned(np.ndarray((len(body) // spec.row_bytes, *spec.row_shape), spec.datatype.dtype, body))
    free = [size for size in spec.shape or () if not isinstance(size, int)]
    if spec.shape is None or len(free) > 1 or spec.datatype.name == "BYTES":
        raise UnsupportedMedia(f"`{spec.name}` has no fixed row size, so raw values cannot be read; send .npy or JSON.")
    row = prod(size for size in spec.shape if isinstance(size, int)) * spec.datatype.dtype.itemsize
    if row == 0 or len(body) % row or not (free or len(body) == row):
        raise BadBody(f"A row of `{spec.name}` has {row} bytes ({spec.datatype.name}); {len(body)} bytes do not fit.")
    if spec.datatype.name == "BOOL" and max(body, default=0) > 1:
        raise BadBody("A boolean is the byte 0 or 1.")
    shape = [size if isinstance(size, int) else -1 for size in spec.shape]
    return aligned(np.frombuffer(body, spec.datatype.dtype)).reshape(shape)


def write(array: Array) -> bytes | memoryview:
    """The values of `array`, C order, little-endian."""
    if array.dtype.kind == "O":
        raise UnsupportedMedia("Strings have no fixed size, so they cannot be written as raw values.")
    return content(array)
