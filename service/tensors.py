"""Datatypes and tensor specifications: the one table that joins Open Inference Protocol, NumPy and ONNX names."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import ml_dtypes
import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Datatype:
    """One element type. `name` is the Open Inference Protocol's; `onnx` is onnxruntime's, as in `tensor(float)`."""

    name: str
    dtype: np.dtype[Any]
    onnx: str
    onnx_code: int  # TensorProto.DataType, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto

    @property
    def is_float(self) -> bool:
        return self.name in FLOATS

    @property
    def is_integer(self) -> bool:
        return self.dtype.kind in "iu"


FLOATS = ("FP16", "BF16", "FP32", "FP64")

DATATYPES: tuple[Datatype, ...] = (
    Datatype("BOOL", np.dtype(np.bool_), "bool", 9),
    Datatype("UINT8", np.dtype(np.uint8), "uint8", 2),
    Datatype("UINT16", np.dtype(np.uint16), "uint16", 4),
    Datatype("UINT32", np.dtype(np.uint32), "uint32", 12),
    Datatype("UINT64", np.dtype(np.uint64), "uint64", 13),
    Datatype("INT8", np.dtype(np.int8), "int8", 3),
    Datatype("INT16", np.dtype(np.int16), "int16", 5),
    Datatype("INT32", np.dtype(np.int32), "int32", 6),
    Datatype("INT64", np.dtype(np.int64), "int64", 7),
    Datatype("FP16", np.dtype(np.float16), "float16", 10),
    Datatype("BF16", np.dtype(ml_dtypes.bfloat16), "bfloat16", 16),
    Datatype("FP32", np.dtype(np.float32), "float", 1),
    Datatype("FP64", np.dtype(np.float64), "double", 11),
    Datatype("BYTES", np.dtype(np.object_), "string", 8),
)
BY_NAME = {datatype.name: datatype for datatype in DATATYPES}
BY_ONNX = {f"tensor({datatype.onnx})": datatype for datatype in DATATYPES}
BY_DTYPE = {datatype.dtype: datatype for datatype in DATATYPES}

Dimension = int | str | None
MAX_RANK = 64  # NumPy's own limit
ALIGNMENT = 16  # bytes: the packets of the builds of onnxruntime
OWN_MEMORY_BYTES = 1 << 16  # from here on an array is written out of its own memory
CHEAP_COPY_BYTES = 1 << 14  # up to here a copy costs less than asking for the address


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A name, a datatype and a shape. A dimension is a size, the name of a symbol, or None where nothing is known;
    the whole shape is None where not even the rank is known."""

    name: str
    datatype: Datatype
    shape: tuple[Dimension, ...] | None

    has_rows: bool = field(init=False)
    """True when the first dimension is free, so that it counts rows."""
    fixed_shape: tuple[int, ...] | None = field(init=False)
    """The shape where every dimension is a fixed size, else None."""
    row_shape: tuple[int, ...] | None = field(init=False)
    """The shape of one row where every dimension after the first is a fixed size, else None."""
    row_bytes: int | None = field(init=False)
    """Bytes of such a row of numbers, None where it has none or any bytes will not do."""

    def __post_init__(self) -> None:
        has_rows = self.shape is not None and len(self.shape) > 0 and not isinstance(self.shape[0], int)
        object.__setattr__(self, "has_rows", has_rows)
        object.__setattr__(self, "fixed_shape", _fixed(self.shape))
        object.__setattr__(self, "row_shape", _fixed(self.shape[1:]) if self.shape is not None and has_rows else None)
        object.__setattr__(self, "row_bytes", _row_bytes(self.row_shape, self.datatype))

    def as_dict(self) -> dict[str, object]:
        """Open Inference Protocol metadata: -1 for a free dimension, plus the names of those that have one."""
        if self.shape is None:
            return {"name": self.name, "datatype": self.datatype.name, "shape": None}
        sizes = [size if isinstance(size, int) else -1 for size in self.shape]
        names = [size if isinstance(size, str) else None for size in self.shape]
        described: dict[str, object] = {"name": self.name, "datatype": self.datatype.name, "shape": sizes}
        return described | ({"dimensions": names} if any(names) else {})


def _row_bytes(row_shape: tuple[int, ...] | None, datatype: Datatype) -> int | None:
    if row_shape is None or datatype.name in ("BYTES", "BOOL"):
        return None
    return prod(row_shape) * datatype.dtype.itemsize or None


def _fixed(shape: tuple[Dimension, ...] | None) -> tuple[int, ...] | None:
    sizes = tuple(size for size in shape or () if isinstance(size, int))
    return sizes if shape is not None and len(sizes) == len(shape) else None


def is_possible(shape: Sequence[int]) -> bool:
    """True for sizes that NumPy can hold: it multiplies those that are not zero, in 64 bits."""
    return len(shape) <= MAX_RANK and prod(size for size in shape if size) * 8 <= sys.maxsize


def aligned(array: Array) -> Array:
    """The same values at an address that is a multiple of 16, as NumPy's own arrays are.

    onnxruntime's kernels add in another order where it is not, and so give other bits for the same values."""
    if array.nbytes < CHEAP_COPY_BYTES:
        return array.copy()
    return array.copy() if array.ctypes.data % ALIGNMENT else array


def content(array: Array) -> bytes | memoryview:
    """The bytes of an array of numbers, C order: a copy, or of a large one its own memory."""
    whole = np.ascontiguousarray(array)
    return whole.tobytes() if whole.nbytes < OWN_MEMORY_BYTES else whole.reshape(-1).view(np.uint8).data


def describe(shape: tuple[Dimension, ...] | None) -> str:
    """A shape in words for messages: `[batch, 784]`."""
    if shape is None:
        return "any shape"
    return "[" + ", ".join("any" if size is None else str(size) for size in shape) + "]"


def datatype_name(dtype: np.dtype[Any]) -> str:
    """The protocol's name of a NumPy type, or NumPy's own where the protocol has none."""
    known = BY_DTYPE.get(dtype)
    return known.name if known else str(dtype)
