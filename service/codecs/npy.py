"""NumPy's `.npy` files: a header with type and shape, then the raw values. Never unpickled."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from service.errors import BadBody, Unfit
from service.tensors import BY_DTYPE, BY_NAME, Array

MAX_HEADER_BYTES = 10_000  # NumPy's own limit: a longer one can exhaust ast.literal_eval
RAW_PAIR = np.dtype("V2")
BFLOAT16 = BY_NAME["BF16"].dtype


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before the data: type, order, shape, and where the data starts, in bytes."""

    dtype: np.dtype[Any]
    fortran: bool
    shape: tuple[int, ...]
    start: int

    @property
    def data_bytes(self) -> int:
        return prod(self.shape) * self.dtype.itemsize


def read(body: bytes) -> Array:
    """The array in a `.npy` body, C-contiguous, in this machine's byte order; a view of `body` where that is possible.

    Raises BadBody where the file is broken, too short or too long, Unfit for a type that is no tensor's."""
    found = header(body)
    if len(body) - found.start != found.data_bytes:
        raise BadBody(f"The .npy header promises {found.data_bytes} bytes of data; {len(body) - found.start} came.")
    return values(body, found, found.shape, found.start)


def header(body: bytes) -> Header:
    """The header of a `.npy` file from its first bytes (10,000 are always enough). Raises as `read`."""
    start = _header_end(body)
    return Header(*_header(body[:start]), start)


def values(data: bytes, found: Header, shape: tuple[int, ...], start: int = 0) -> Array:
    """`shape` values of the type and order that `found` tells, from `data` at byte `start`."""
    array = np.frombuffer(data, found.dtype, prod(shape), start)
    array = array.reshape(shape[::-1]).T if found.fortran else array.reshape(shape)
    if found.dtype == RAW_PAIR:
        return np.ascontiguousarray(array).view(BFLOAT16).reshape(shape)
    return np.ascontiguousarray(array, found.dtype.newbyteorder("=")).reshape(shape)


def write(array: Array) -> bytes:
    """A `.npy` file, format version 1.0, as `numpy.save` writes it."""
    if array.dtype.kind == "O":
        raise Unfit("Strings cannot be written as .npy; ask for application/json.")
    return start(array.dtype, array.shape) + np.ascontiguousarray(array).tobytes()


def start(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """The header alone, for data that follows piece by piece."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": _descr(dtype), "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def _descr(dtype: np.dtype[Any]) -> str:
    return "<V2" if dtype == BFLOAT16 else np.lib.format.dtype_to_descr(dtype)  # type: ignore[return-value]


def _header_end(body: bytes) -> int:
    """Where the data begins. The length stands behind the magic string, in 2 bytes (version 1) or 4 (2 and 3)."""
    if body[:6] != b"\x93NUMPY" or len(body) < 12:
        raise BadBody("The body is not a .npy file.")
    width = {1: 2, 2: 4, 3: 4}.get(body[6])
    if width is None:
        raise BadBody(f"The .npy format version {body[6]} is not known.")
    end = 8 + width + int.from_bytes(body[8 : 8 + width], "little")
    if end > min(len(body), MAX_HEADER_BYTES):
        raise BadBody("The .npy header is longer than the body or than 10,000 bytes.")
    return end


@lru_cache(maxsize=256)  # clients send the same header again and again, and literal_eval costs more than the rest
def _header(header: bytes) -> tuple[np.dtype[Any], bool, tuple[int, ...]]:
    file = io.BytesIO(header)
    version = np.lib.format.read_magic(file)
    try:
        read_header = np.lib.format.read_array_header_1_0 if version[0] == 1 else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read_header(file, max_header_size=MAX_HEADER_BYTES)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise BadBody("The .npy header cannot be read.") from error
    if any(size < 0 for size in shape):
        raise BadBody("The .npy header has a negative dimension.")
    if dtype != RAW_PAIR and (dtype.newbyteorder("=") not in BY_DTYPE or dtype.kind == "O"):
        raise Unfit.at("body", "an array of booleans, integers or floats", f"the NumPy type {dtype.str}")
    return dtype, fortran, shape
