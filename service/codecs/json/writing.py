"""Arrays to JSON: orjson writes numbers in the shortest form that reads back to the same float."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson

from service.tensors import Array


def dumps(value: Any) -> bytes:
    """Plain objects, arrays and fragments as JSON. Arrays must be finite or wrapped by `fragment`."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


PIECE_ELEMENTS = 1 << 16  # written at once: orjson keeps the interpreter meanwhile
GAP = b"\0"  # which is in no JSON


def gap(_: object) -> Any:
    """What `dumps` writes as `GAP`, in the place of something."""
    return orjson.Fragment(GAP)


def fragment(array: Array) -> Any:
    """An array of any type and rank as a piece of JSON that `dumps` sets in as it is."""
    if array.dtype.kind == "O":
        return [_text(item) for item in array.tolist()] if array.ndim else _text(array[()])
    return orjson.Fragment(written(array))


def written(array: Array) -> bytes:
    """An array of numbers of any type and rank in JSON."""
    if array.dtype.kind == "V":  # bfloat16; every one is exact in FP32
        array = array.astype(np.float32)
    # A scalar is written as an array of one: orjson does not know all of NumPy's names for one type (`longlong`).
    if not array.ndim:
        return _text_of(array.reshape(1))[1:-1]
    whole = np.ascontiguousarray(array)
    return _text_of(whole) if whole.size <= PIECE_ELEMENTS else b"".join(_pieces(whole))


def rows(matrix: Array) -> list[bytes]:
    """The numbers of each row of a matrix as they are written, with commas between them."""
    return written(matrix)[2:-2].split(b"],[") if matrix.size else [b""] * len(matrix)


def _pieces(array: Array) -> Iterator[bytes]:
    """The text of a large array, so that others have their turn between two pieces."""
    count = max(1, PIECE_ELEMENTS * len(array) // array.size)
    before = b"["
    for start in range(0, len(array), count):
        part = array[start : start + count]
        yield before
        if part.size > PIECE_ELEMENTS:
            yield from _pieces(part[0])
        else:
            yield _text_of(part)[1:-1]
        before = b","
    yield b"]"


def _text_of(array: Array) -> bytes:
    text = orjson.dumps(array, option=orjson.OPT_SERIALIZE_NUMPY)
    if b"null" in text:  # for each number that is not finite; arrays hold no other
        text = b"".join(_with_special(text, array[~np.isfinite(array)]))
    return text


def _with_special(text: bytes, specials: Array) -> Iterator[bytes]:
    first, *rest = text.split(b"null")
    yield first
    for number, following in zip(specials.tolist(), rest, strict=True):
        yield b'"NaN"' if number != number else b'"Infinity"' if number > 0 else b'"-Infinity"'
        yield following


def _text(item: Any) -> Any:
    if isinstance(item, list):
        return [_text(inner) for inner in item]
    return item.decode("utf-8", "replace") if isinstance(item, bytes) else item
