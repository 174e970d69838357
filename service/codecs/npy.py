"""NumPy's `.npy` files: a header with type and shape, then the raw values. Never unpickled."""

from __future__ import annotations

import ast
import io
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from service.errors import BadBody, Unfit
from service.tensors import BY_NAME, DATATYPES, Array, aligned, content, is_possible

MAX_HEADER_BYTES = 10_000  # NumPy's own limit: a longer one can exhaust ast.literal_eval
RAW_PAIR = np.dtype("V2")
BFLOAT16 = BY_NAME["BF16"].dtype
CODES = ("V2", *(known.dtype.str[1:] for known in DATATYPES if known.dtype.kind not in "OV"))
# The types taken, by how a header writes them. What else a header may say never reaches np.dtype.
DTYPES = {order + code: np.dtype(order + code) for order in ("<", ">", "|", "=", "") for code in CODES}


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
    begin, end = _span(body)
    return Header(*_header(bytes(body[begin:end])), end)


def values(data: bytes, found: Header, shape: tuple[int, ...], start: int = 0) -> Array:
    """`shape` values of the type and order that `found` tells, from `data` at byte `start`."""
    array = aligned(np.frombuffer(data, found.dtype, prod(shape), start))
    array = array.reshape(shape[::-1]).T if found.fortran else array.reshape(shape)
    if found.dtype == RAW_PAIR:
        return np.ascontiguousarray(array).view(BFLOAT16).reshape(shape)
    return np.ascontiguousarray(array, found.dtype.newbyteorder("=")).reshape(shape)


def write(array: Array) -> tuple[bytes, bytes | memoryview]:
    """A `.npy` file, format version 1.0, as `numpy.save` writes it: its header and its data."""
    return start(array.dtype, array.shape), content(array)


def start(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """The header alone, for data that follows piece by piece. Raises Unfit for strings, which have no fixed size."""
    if dtype.kind == "O":
        raise Unfit("Strings cannot be written as .npy; ask for application/json.")
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": _descr(dtype), "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def _descr(dtype: np.dtype[Any]) -> str:
    return "<V2" if dtype == BFLOAT16 else np.lib.format.dtype_to_descr(dtype)  # type: ignore[return-value]


def _span(body: bytes) -> tuple[int, int]:
    """Where the header's text begins and ends. Its length stands behind the magic string, in 2 bytes (version 1) or
    4 (2 and 3)."""
    if body[:6] != b"\x93NUMPY" or len(body) < 12:
        raise BadBody("The body is not a .npy file.")
    width = {1: 2, 2: 4, 3: 4}.get(body[6])
    if width is None:
        raise BadBody(f"The .npy format version {body[6]} is not known.")
    begin = 8 + width
    end = begin + int.from_bytes(body[8:begin], "little")
    if end > min(len(body), MAX_HEADER_BYTES):
        raise BadBody("The .npy header is longer than the body or than 10,000 bytes.")
    return begin, end


@lru_cache(maxsize=256)  # clients send the same header again and again, and literal_eval costs more than the rest
def _header(text: bytes) -> tuple[np.dtype[Any], bool, tuple[int, ...]]:
    """NumPy's own reader warns, guesses at Python 2 and raises half a dozen kinds of error on a hostile header."""
    try:
        fields = ast.literal_eval(text.decode("latin-1").strip())
        descr, fortran, shape = fields["descr"], fields["fortran_order"], fields["shape"]
    except (ValueError, SyntaxError, TypeError, LookupError, MemoryError, RecursionError) as error:
        raise BadBody("The .npy header cannot be read.") from error
    if not isinstance(fortran, bool) or not _is_shape(shape):
        raise BadBody("The .npy header has a shape or an order that no array can have.")
    dtype = DTYPES.get(descr) if isinstance(descr, str) else None
    if dtype is None:
        raise Unfit.at("body", "an array of booleans, integers or floats", f"the NumPy type {str(descr)[:60]}")
    return dtype, fortran, shape


def _is_shape(shape: Any) -> bool:
    return isinstance(shape, tuple) and all(type(size) is int and size >= 0 for size in shape) and is_possible(shape)
