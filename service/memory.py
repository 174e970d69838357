"""Memory that nobody uses any more, given back to the machine."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from collections.abc import Callable
from mmap import PAGESIZE
from pathlib import Path

WORTH_BYTES = 1 << 20
STATM = Path("/proc/self/statm")


def give_back() -> None:
    """What freed objects held: glibc keeps it for later otherwise, which for a model may be never."""
    gc.collect()
    with contextlib.suppress(AttributeError):  # another libc
        ctypes.CDLL(None).malloc_trim(0)


class Surplus:
    """What freed bodies and arrays hold. It serves the next ones well while they come, so it is given back when none
    do, by what is called for that: a heap that is trimmed in between is filled with fresh pages again for each large
    body."""

    def __init__(self, give_back: Callable[[], None]) -> None:
        self._give_back = give_back
        self._kept = resident_bytes()

    def give_back(self) -> None:
        """Called while nothing is being answered."""
        if resident_bytes() - self._kept > WORTH_BYTES:
            self._give_back()
            self._kept = resident_bytes()


def resident_bytes() -> int:
    """What this process holds of the machine's memory."""
    return int(STATM.read_text().split()[1]) * PAGESIZE
