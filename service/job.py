"""One caller's arrays on their way through the scheduler, and what comes of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Mapping, Sequence
from itertools import chain, repeat
from time import perf_counter
from typing import Any, NamedTuple

from service.tensors import Array

Feeds = Mapping[str, Array]


class Result(NamedTuple):
    """The arrays fetched, and where the time went, in seconds."""

    arrays: Sequence[Array]
    queue_s: float
    compute_s: float


class Size(NamedTuple):
    """How many rows a request has; how many instances, where statistics count something else; and whether it must
    have a run `alone`, since its arrays say something of the whole run and not of rows."""

    rows: int
    instances: int
    alone: bool = False


class Job:
    """One caller's arrays, waiting for a run.

    It is awaited for its result. Whoever stops waiting drops it. The result resumes the one who waits in the same turn
    of the event loop, so several jobs of one run are answered together."""

    __slots__ = (
        "_failure",
        "_future",
        "_over",
        "_result",
        "_resume",
        "alone",
        "arrived",
        "feeds",
        "fetches",
        "instances",
        "kind",
        "rows",
        "size",
    )

    def __init__(self, feeds: Feeds, fetches: tuple[str, ...], rows: int, instances: int, alone: bool = False) -> None:
        self.feeds = feeds
        self.fetches = fetches
        self.rows, self.instances, self.alone = rows, instances, alone
        self.size = 0
        kind: list[object] = [fetches]
        for name, array in feeds.items():
            self.size += array.size
            kind += (name, array.dtype, array.shape[1:])
        self.kind = kind  # equal for jobs whose rows can stand in one run
        self.arrived = perf_counter()
        self._over = False
        self._result: Result | None = None
        self._failure: BaseException | None = None
        self._resume: Callable[[Job], object] | None = None
        self._future: asyncio.Future[None] | None = None

    @property
    def is_over(self) -> bool:
        """True when it has its result, or nobody waits for one."""
        return self._over or (self._future is not None and self._future.cancelled())

    def __await__(self) -> Generator[Any, None, Result]:
        try:
            if not self._over:
                yield from self._wait()
        finally:
            self._over = True
        if self._failure is not None:
            raise self._failure
        assert self._result is not None
        result, self._result = self._result, None  # whoever waited has it; a job may be kept for longer
        return result

    def _wait(self) -> Generator[Any, None, None]:
        """A task can wait for nothing but a future; whoever drives a handler without a task is given the job itself."""
        if asyncio.current_task() is None:
            yield self
            return
        self._future = asyncio.get_running_loop().create_future()
        yield from self._future

    def add_done_callback(self, resume: Callable[[Job], object]) -> None:
        """As a future's, for the one who waits; it is called at once when there is a result."""
        self._resume = resume

    def finish(self, outcome: Result | Exception) -> None:
        """The run is over."""
        if self.is_over:
            return
        self._over = True
        if isinstance(outcome, Exception):
            self._failure = outcome
        else:
            self._result = outcome
        if self._future is not None:
            self._future.set_result(None)
        elif self._resume is not None:
            self._resume(self)

    def drop(self) -> None:
        """Nobody waits for it any more."""
        self._over = True

    def parts(self, rows: int) -> list[Job]:
        """Jobs of at most `rows` rows each, that are this one together."""
        starts = range(0, self.rows, rows)
        return [
            Job({name: array[at : at + rows] for name, array in self.feeds.items()}, self.fetches, count, count)
            for at, count in zip(starts, (min(rows, self.rows - at) for at in starts), strict=True)
        ]

    def pieces(self, elements: int) -> list[Job]:
        """Jobs of at most so many elements each, that are this one together where elements do not touch each other."""
        x = self.feeds["x"]
        long = {name: array.reshape(-1) for name, array in self.feeds.items() if array.shape == x.shape}
        instances = chain((self.instances,), repeat(0))  # counted once
        return [
            Job(
                {**self.feeds, **{name: array[at : at + elements] for name, array in long.items()}},
                self.fetches,
                1,
                count,
                alone=True,
            )
            for at, count in zip(range(0, x.size, elements), instances, strict=False)
        ]

    def joins(self, other: Job) -> bool:
        """True when both can stand in one run: neither alone, same fetches, same inputs, equal row shapes and types."""
        return not (self.alone or other.alone) and self.kind == other.kind
