"""When the requests of an open loop are due, and a clock that tells so in time."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import struct
from array import array
from collections.abc import Callable
from math import ceil, sqrt
from time import perf_counter

import numpy as np

MAX_ARRIVALS = 10_000_000  # 80 MB
LIBRARY = ctypes.CDLL(None)
HAS_TIMERS = hasattr(LIBRARY, "timerfd_create")  # Linux has it, and Python since 3.13
CLOCK_MONOTONIC, TFD_NONBLOCK, TFD_CLOEXEC = 1, os.O_NONBLOCK, os.O_CLOEXEC


def poisson(rate: float, seconds: float, seed: int) -> array[float]:
    """The times of a Poisson process of `rate` a second, from 0 up to `seconds`; the same for the same seed."""
    generator = np.random.default_rng(seed)
    mean = rate * seconds
    times = np.empty(0)
    while not times.size or times[-1] < seconds:
        gaps = generator.exponential(1 / rate, ceil(mean + 5 * sqrt(mean) + 10))
        times = np.append(times, gaps.cumsum() + (times[-1] if times.size else 0.0))
    found = array("d")
    found.frombytes(times[times < seconds].astype(np.float64).tobytes())
    return found


class Alarm:
    """Calls back at a time of `perf_counter`, some 50 µs late where it `is_fine`; else it is a timer of the event loop,
    which counts in milliseconds."""

    def __init__(self, callback: Callable[[], None], is_fine: bool = HAS_TIMERS) -> None:
        self._callback = callback
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._file = LIBRARY.timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC) if is_fine else -1
        if self._file >= 0:
            self._loop.add_reader(self._file, self._ring)

    def set(self, due: float) -> None:
        """One time; the one that was set before is forgotten."""
        left_ns = max(1, int((due - perf_counter()) * 1e9))  # a timer that is set to 0 is off
        if self._file >= 0:
            LIBRARY.timerfd_settime(self._file, 0, struct.pack("4q", 0, 0, *divmod(left_ns, 10**9)), None)
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(left_ns / 1e9, self._callback)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._file >= 0:
            self._loop.remove_reader(self._file)
            os.close(self._file)

    def _ring(self) -> None:
        with contextlib.suppress(BlockingIOError):  # set anew since it rang
            os.read(self._file, 8)
        self._callback()
