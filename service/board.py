"""How many connections each worker has, on a page of memory that all of them see.

Each worker has a row of two numbers, which it alone writes. The first is 0 where it lets nobody in, else one more than
its connections. The second says how often it has looked who waits: one that is stopped, or busy for long, does not, and
is passed over until it does.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

FILE = "connections"
CELL_BYTES = 4
OPEN = 1
LEAVING = 1 << 30  # more than anybody's connections: whoever stays is asked first


class Board:
    """The page as the worker in one place sees it; what it shows of its own is nothing until `open`. Without a folder
    there is only this one."""

    def __init__(self, folder: Path | None = None, place: int = 0) -> None:
        self._cells = memoryview(bytearray(2 * CELL_BYTES) if folder is None else _page(folder)).cast("I")
        self._place = place
        self._connections = 0
        self._base = 0
        self._passed: dict[int, int] = {}

    def open(self) -> None:
        """From now on this worker lets in its share."""
        self._base = max(self._base, OPEN)
        self._looked()
        self._show()

    def leave(self) -> None:
        """From now on it lets in only whom nobody else would."""
        self._base = LEAVING
        if self._cells[2 * self._place]:
            self._show()

    def close(self) -> None:
        self._base = self._cells[2 * self._place] = 0

    def count(self, connections: int) -> None:
        """Shows how many there are."""
        self._connections = connections
        if self._cells[2 * self._place]:
            self._show()

    def look(self) -> tuple[list[int], int]:
        """What those who are open have, in the order of their places, and which of them this worker is; without those
        who have been passed over and not looked since."""
        self._looked()
        seen = {place: load for place, load in self._others() if self._passed.get(place) != self._looks(place)}
        seen[self._place] = self._base + self._connections
        places = sorted(seen)
        return [seen[place] for place in places], places.index(self._place)

    def pass_over(self) -> None:
        """Waits no more for those who have fewer connections, until they look again."""
        mine = self._base + self._connections
        self._passed = {place: self._looks(place) for place, load in self._others() if load < mine}

    @property
    def is_another_open(self) -> bool:
        """True where another worker goes on letting in."""
        return any(load < LEAVING for _, load in self._others())

    def _others(self) -> Iterator[tuple[int, int]]:
        loads = enumerate(self._cells[::2])
        return ((place, load) for place, load in loads if load and place != self._place)

    def _looks(self, place: int) -> int:
        return self._cells[2 * place + 1]

    def _looked(self) -> None:
        self._cells[2 * self._place + 1] = (self._looks(self._place) + 1) % (1 << 8 * CELL_BYTES)

    def _show(self) -> None:
        self._cells[2 * self._place] = self._base + self._connections


class Connections(set[Any]):
    """uvicorn's set of its connections; the board shows how many there are."""

    def __init__(self, board: Board) -> None:
        super().__init__()
        self._board = board

    def add(self, connection: Any) -> None:
        super().add(connection)
        self._board.count(len(self))

    def discard(self, connection: Any) -> None:
        super().discard(connection)
        self._board.count(len(self))


def make(folder: Path, workers: int) -> None:
    """A page for so many workers, none of them open."""
    (folder / FILE).write_bytes(bytes(2 * CELL_BYTES * workers))


def _page(folder: Path) -> mmap.mmap:
    with (folder / FILE).open("r+b") as file:
        return mmap.mmap(file.fileno(), 0)


def share(loads: list[int], mine: int, newcomers: int) -> int:
    """How many of those who wait one of these workers should get, where each goes to whom has fewest.

    All who have fewer are filled up to one level, the lowest of those to which the one, two, three … least loaded would
    be. What is left over, less than one for each of these, goes to the first of them; so workers that look at the same
    time agree. When nobody waits but for that, it is whoever is quicker who gets it."""
    totals = enumerate(accumulate(sorted(loads)), 1)
    level = min((total + newcomers) // count for count, total in totals)
    filled = [worker for worker, load in enumerate(loads) if load <= level]
    if mine not in filled:
        return 0
    over = newcomers - sum(level - loads[worker] for worker in filled)
    is_one_over = over > 0 and (over == newcomers or filled.index(mine) < over)
    return level - loads[mine] + is_one_over
