"""Host memory that a CUDA device reads by itself (page-locked), in which the rows of several requests are joined.

What is joined must be copied once anyway; copied to such a place, it need not be copied a second time on its way to the
device. Of a single request it would be one copy more than without (docs/cuda.md has the figures).
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from weakref import finalize

import numpy as np

from service.tensors import Array

LEAST_BYTES, MOST_BYTES = 1 << 20, 1 << 26  # of one input's place; what is larger is joined in ordinary memory


class Staging:
    """A place for each input, as large as what was joined there needed so far. For one run at a time: the next one
    overwrites it."""

    def __init__(self, library: str) -> None:
        """`library` is that of the CUDA runtime, such as libcudart.so.13. Raises OSError without it."""
        self._runtime = ctypes.CDLL(library)
        self._places: dict[str, Array] = {}

    def joined(self, name: str, arrays: Sequence[Array]) -> Array:
        """`arrays`, of one type and equal but for their first axis, as one; as `np.concatenate` does it where there is
        no such memory for them."""
        size, dtype = sum(array.nbytes for array in arrays), arrays[0].dtype
        place = None if dtype.hasobject or not size else self._place(name, size)
        if place is None:
            return np.concatenate(arrays)
        shape = (sum(len(array) for array in arrays), *arrays[0].shape[1:])
        return np.concatenate(arrays, out=place[:size].view(dtype).reshape(shape))

    def _place(self, name: str, size: int) -> Array | None:
        if size > MOST_BYTES:
            return None
        place = self._places.get(name)
        if place is None or place.size < size:
            self._places.pop(name, None)
            place = self._allocated(max(LEAST_BYTES, 1 << (size - 1).bit_length()))
            if place is not None:
                self._places[name] = place
        return place

    def _allocated(self, size: int) -> Array | None:
        """None where the device gives none, as after a fault."""
        address = ctypes.c_void_p()
        if self._runtime.cudaMallocHost(ctypes.byref(address), ctypes.c_size_t(size)) or address.value is None:
            self._runtime.cudaGetLastError()  # or the next run takes it for its own
            return None
        memory = (ctypes.c_ubyte * size).from_address(address.value)
        finalize(memory, self._runtime.cudaFreeHost, address)
        return np.ctypeslib.as_array(memory)
