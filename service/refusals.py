"""When those are told whose requests a full queue has no room for.

Many ask again at once. Reading what is refused would soon take all the time of the event loop, and next to nothing
would be computed. So refusals are spaced: they take a fiftieth of the time, however often is asked.
"""

from __future__ import annotations

from time import monotonic

REFUSAL_S = 0.0002  # that one costs, besides the reading
BYTES_PER_S = 1e9  # that are read
SHARE = 0.02  # of the time
MOST_S = 1.0  # that one is held back: it asks its caller to wait for no less


class Refusals:
    """Those of one event loop."""

    def __init__(self) -> None:
        self._next = 0.0

    def hold_s(self, size: int) -> float:
        """How long to hold the next one back, whose body has so many bytes."""
        now = monotonic()
        held_s = min(max(self._next - now, 0.0), MOST_S)
        self._next = now + held_s + (REFUSAL_S + size / BYTES_PER_S) / SHARE
        return held_s
