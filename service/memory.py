"""Memory that nobody uses any more, given back to the machine."""

from __future__ import annotations

import contextlib
import ctypes
import gc


def give_back() -> None:
    """What freed objects held: glibc keeps it for later otherwise, which for a model may be never."""
    gc.collect()
    with contextlib.suppress(AttributeError):  # another libc
        ctypes.CDLL(None).malloc_trim(0)
