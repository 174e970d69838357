"""Sets a share of the served rows aside, chosen by chance, for whoever looks at them later.

It is told of every run, so it does next to nothing there: it counts down to the next row that is due. The gaps between
two such rows are drawn so that each row has the same chance, whatever its neighbours had.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from math import inf, log, log1p
from random import random
from threading import Lock
from typing import NamedTuple

from service.tensors import Array, TensorSpec

MOST_ROWS = 1024  # that wait; what comes then is dropped
MOST_BYTES = 1 << 18  # likewise, so that of ten busy networks some 2.5 MB wait
LARGEST_BYTES = 1 << 24  # of what is set aside at once, where nothing else waits
MOST_OF_A_REQUEST = 256  # rows; of a model whose rows may touch each other only whole requests say something

Feeds = Mapping[str, Array]


class Taken(NamedTuple):
    """Copies of served rows: of some rows of a run, or of one whole request."""

    feeds: Feeds
    rows: int
    bytes: int


class Tap:
    """Closed until `open`. Told of runs by those who run, emptied by one thread."""

    __slots__ = ("_bytes", "_dropped", "_left", "_lock", "_names", "_rows", "_scale", "_taken", "by_row")

    def __init__(self) -> None:
        self._lock = Lock()
        self._taken: deque[Taken] = deque()
        self._rows = self._bytes = self._dropped = 0
        self._names: frozenset[str] = frozenset()
        self.by_row = False
        self._scale = 0.0
        self._left = inf  # rows, or requests, that are passed over before the next one is taken

    def open(self, rate: float, inputs: Sequence[TensorSpec], *, joinable: bool) -> None:
        """From now on takes this share: of rows, where those are known not to touch each other, else of requests as
        they are."""
        self._names = frozenset(spec.name for spec in inputs)
        self.by_row = joinable and all(spec.has_rows for spec in inputs)
        self._scale = 1 / log1p(-rate) if rate < 1 else 0.0
        self._left = self._gap() - 1

    def close(self) -> None:
        """Takes no more, and lets go of what it has."""
        self._left = inf
        self.take(MOST_ROWS)

    def ran(self, feeds: Feeds, rows: int) -> None:
        """Told of a run that went well, and of how many rows. Raises nothing."""
        self._left -= rows if self.by_row else 1
        if self._left < 0:
            self._take(feeds, rows)

    def take(self, rows: int) -> list[Taken]:
        """What waits, oldest first, up to about so many rows."""
        found: list[Taken] = []
        with self._lock:
            while self._taken and rows > 0:
                one = self._taken.popleft()
                found.append(one)
                rows -= one.rows
                self._rows -= one.rows
                self._bytes -= one.bytes
        return found

    def drop(self, rows: int) -> None:
        """Counts rows that were chosen and yet not looked at."""
        with self._lock:
            self._dropped += rows

    def dropped(self) -> int:
        """The rows dropped since this was last asked."""
        with self._lock:
            found, self._dropped = self._dropped, 0
        return found

    @property
    def has_news(self) -> bool:
        """Whether something waits, or was dropped."""
        return bool(self._taken or self._dropped)

    def _gap(self) -> int:
        """To the next row that is taken: 1 for the one behind. Geometric, as of a coin for each row."""
        return 1 + int(log(1 - random()) * self._scale)  # no secret

    def _take(self, feeds: Feeds, rows: int) -> None:
        places = self._due(rows if self.by_row else 1)
        count = len(places) if self.by_row else rows
        try:
            if feeds.keys() != self._names:  # initializers are overridden: another model, so to speak
                return
            if places and count:
                self._keep(feeds, rows, places)
        except Exception:  # whoever runs has an answer to give
            self.drop(count)

    def _due(self, count: int) -> list[int]:
        """The places among those `count` that were just passed."""
        places: list[int] = []
        at = self._left + count
        while at < count:
            places.append(int(at))
            at += self._gap()
        self._left = at - count
        return places

    def _keep(self, feeds: Feeds, rows: int, places: list[int]) -> None:
        """Copies only what there is room for."""
        count, size = rows, sum([array.nbytes for array in feeds.values()])
        if self.by_row:
            count = len(places)
            size = size * count // rows
        elif rows > MOST_OF_A_REQUEST:
            self.drop(rows)
            return
        with self._lock:
            most_bytes = MOST_BYTES if self._taken else LARGEST_BYTES
            if self._rows + count > MOST_ROWS or self._bytes + size > most_bytes:
                self._dropped += count
                return
            copies = {name: array.take(places, 0) if self.by_row else array.copy() for name, array in feeds.items()}
            self._taken.append(Taken(copies, count, size))
            self._rows += count
            self._bytes += size
