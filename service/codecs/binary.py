"""One tensor as the binary tensor data extension has it: little-endian values, row major; a string is its length in
four bytes and then its UTF-8 (https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from math import prod

import numpy as np

from service.errors import BadBody
from service.tensors import Array, Datatype, aligned, content


def read(data: bytes | memoryview, datatype: Datatype, shape: tuple[int, ...], name: str) -> Array:
    """`data`, all of it, as a tensor; where it is large and well placed, a view of the bytes.

    Raises BadBody where the bytes are too few, too many, or no text."""
    if datatype.name == "BYTES":
        strings = list(_strings(bytes(data), name))
        if len(strings) != prod(shape):
            raise BadBody(f"`{name}`: {prod(shape)} strings were announced and {len(strings)} came.")
        return _objects(strings).reshape(shape)
    wanted = prod(shape) * datatype.dtype.itemsize
    if len(data) != wanted:
        raise BadBody(f"`{name}`: {list(shape)} of {datatype.name} are {wanted} bytes, and {len(data)} came.")
    array = np.frombuffer(data, datatype.dtype)
    if datatype.name == "BOOL" and array.view(np.uint8).max(initial=0) > 1:
        raise BadBody(f"`{name}`: a boolean is the byte 0 or 1.")
    return aligned(array).reshape(shape)


def write(array: Array) -> bytes | memoryview:
    """The bytes of a tensor of any datatype."""
    if array.dtype.kind != "O":
        return content(array)
    encoded = [item if isinstance(item, bytes) else str(item).encode() for item in array.ravel().tolist()]
    return b"".join(struct.pack("<I", len(item)) + item for item in encoded)


def _strings(data: bytes, name: str) -> Iterator[str]:
    at = 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "little")
        if end > len(data):
            raise BadBody(f"`{name}`: the last string is cut off.")
        try:
            yield data[at + 4 : end].decode()
        except UnicodeDecodeError as error:
            raise BadBody(f"`{name}`: a string is not UTF-8.") from error
        at = end


def _objects(items: list[str]) -> Array:
    array = np.empty(len(items), np.object_)
    array[:] = items
    return array
