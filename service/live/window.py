"""What was measured lately: ten parts of a sliding window, the oldest of which makes room for the newest."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic

from service.diagnosis.diagnosis import Record
from service.diagnosis.histogram import COARSE
from service.diagnosis.measurement import Measurement

PARTS = 10


@dataclass(slots=True)
class Seen:
    """Layers in execution order, and of how many rows."""

    rows: int = 0
    records: list[Record] = field(default_factory=list)

    def add(self, other: Seen) -> None:
        """Takes what was seen of other rows of the same model in."""
        self.rows += other.rows
        known = {record.layer.node: record for record in self.records}
        for record in other.records:
            if record.layer.node not in known:
                fresh = Record(record.layer, Measurement(record.layer.kind, record.measurement.edges, COARSE))
                known[record.layer.node] = fresh
                self.records.append(fresh)
            mine = known[record.layer.node]
            mine.measurement.merge(record.measurement)
            mine.shape = _together(mine.shape, record.shape)


def merged(parts: Iterable[Seen]) -> Seen:
    """All of them as one; they themselves are left as they are."""
    found = Seen()
    for part in parts:
        found.add(part)
    return found


class Window:
    """Added to by one thread, read by others. It spans `seconds`, at the least nine tenths of them."""

    def __init__(self, seconds: float, clock: Callable[[], float] = monotonic) -> None:
        self._part_s = seconds / PARTS
        self._clock = clock
        self._lock = Lock()
        self._parts: deque[tuple[int, Seen]] = deque()

    def add(self, seen: Seen) -> None:
        with self._lock:
            now = self._forget()
            if not self._parts or self._parts[-1][0] != now:
                self._parts.append((now, Seen()))
            self._parts[-1][1].add(seen)

    def seen(self) -> Seen:
        """All of it, as something that does not change any more."""
        with self._lock:
            self._forget()
            return merged(part for _, part in self._parts)

    def _forget(self) -> int:
        """Lets go of what is too old; the number of the part that is now."""
        now = int(self._clock() / self._part_s)
        while self._parts and self._parts[0][0] <= now - PARTS:
            self._parts.popleft()
        return now


def _together(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of both as one tensor, whose rows are the first axis; the larger where they do not fit together."""
    if not one or not other:
        return one or other
    if one[1:] == other[1:]:
        return (one[0] + other[0], *one[1:])
    return max(one, other)
