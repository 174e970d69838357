"""How much of a core may be used, so that measuring stays what nobody notices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic, thread_time

SAVED_S = 5.0  # what was not used is kept this long, for rows that come all at once


class Budget:
    """CPU seconds: `share` of them come with each second. What is spent beyond them must be waited for."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._left = self._most = share * SAVED_S
        self._seen = monotonic()

    def left(self) -> float:
        """Seconds that may be spent now; below 0 those that were too many."""
        now = monotonic()
        self._left = min(self._most, self._left + (now - self._seen) * self._share)
        self._seen = now
        return self._left

    @contextmanager
    def spending(self) -> Iterator[Callable[[], float]]:
        """What this thread uses meanwhile is spent; gives what tells how much it was."""
        before = thread_time()
        try:
            yield lambda: thread_time() - before
        finally:
            self._left -= thread_time() - before
