"""The CUDA card: its name, host memory that it reads without a detour, and how fast it copies within its own.

By the CUDA runtime itself, which the wheels of onnxruntime-gpu bring, so that it takes no further tool.
"""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Sequence
from math import prod
from time import perf_counter

import numpy as np

from benchmarks.cases import Rows

LIBRARY = "libcudart.so.13"
WITHIN_THE_DEVICE = 3  # cudaMemcpyDeviceToDevice
FLOAT_BYTES = 4


class CardError(Exception):
    """There is no card, or it refuses; the sentence says why."""


class Card:
    """Device 0. Raises CardError where there is none."""

    def __init__(self, library: str = LIBRARY) -> None:
        try:
            self._library = ctypes.CDLL(library)
        except OSError as error:
            raise CardError(f"{library} is not there") from error
        self._library.cudaGetErrorString.restype = ctypes.c_char_p
        self._call("cudaSetDevice", 0)

    def pinned(self, shape: Sequence[int]) -> Rows:
        """FP32 in memory that the system never moves, so that the card copies it by itself. It is never freed."""
        place = self._allocated("cudaMallocHost", prod(shape) * FLOAT_BYTES)
        numbers = np.ctypeslib.as_array((ctypes.c_float * prod(shape)).from_address(place))
        return numbers.reshape(shape)

    def bytes_per_second(self, size: int = 1 << 30, copies: int = 20) -> float:
        """Of a copy within the device's memory, read and written bytes together; the best of `copies`."""
        source, target = (self._allocated("cudaMalloc", size) for _ in range(2))
        seconds = [self._copy_s(target, source, size) for _ in range(copies)]
        for place in (source, target):
            self._call("cudaFree", ctypes.c_void_p(place))
        return 2 * size / min(seconds)

    def _copy_s(self, target: int, source: int, size: int) -> float:
        started = perf_counter()
        places = (ctypes.c_void_p(target), ctypes.c_void_p(source))
        self._call("cudaMemcpy", *places, ctypes.c_size_t(size), WITHIN_THE_DEVICE)
        self._call("cudaDeviceSynchronize")
        return perf_counter() - started

    def _allocated(self, call: str, size: int) -> int:
        place = ctypes.c_void_p()
        self._call(call, ctypes.byref(place), ctypes.c_size_t(size))
        assert place.value is not None
        return place.value

    def _call(self, name: str, *arguments: object) -> None:
        if status := getattr(self._library, name)(*arguments):
            raise CardError(f"{name}: {self._library.cudaGetErrorString(status).decode()}")


def described() -> str:
    """Name, driver and memory, as the driver's own tool tells them; "unknown card" without it."""
    command = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader", "--id=0"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown card"
    name, driver, memory = (part.strip() for part in done.stdout.split(","))
    return f"{name}, {memory}, driver {driver}"
