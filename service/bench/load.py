"""Requests over kept-alive connections for a while: what every load does, whatever says when the next is due."""

from __future__ import annotations

import asyncio
import signal
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from math import inf
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from service.bench.connection import TIMEOUT, Answer, Connection, Request
from service.bench.outcome import CONNECT, Outcome

STEP_S = 0.1  # how often it is looked for requests that have had their time
PAUSE_S = 0.1  # before a connection that could not be opened is tried again
HURRY_S = 2.0  # after a first Ctrl-C, for answers to come; a second one ends it at once
POLL_S = 0.01  # how often it is looked for the last answer
SCHEDULED = Path("/proc/thread-self/schedstat")
SIGNALS = (signal.SIGINT, signal.SIGTERM)

Connect = Callable[[Callable[[], Connection]], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how hard. With a `rate` (requests a second) the loop is open and `connections` a bound."""

    connections: int
    rate: float | None
    duration_s: float
    warm_up_s: float
    timeout_s: float
    seed: int


class Load(ABC):
    """Sends requests in turn. Those that are due after the warm-up are counted, whenever their answers come; how many a
    second is told by the answers that come until the end, whenever they were due."""

    def __init__(self, connect: Connect, requests: Sequence[Request], plan: Plan) -> None:
        self.outcome = Outcome()
        self.plan = plan
        self.began = self.counted_from = self.end = 0.0
        self.connections: set[Connection] = set()
        self.opening: set[asyncio.Task[bool]] = set()
        self._connect = connect
        self._requests = cycle(requests)
        self._until = inf

    async def run(self, tick: Callable[[float], None]) -> Outcome:
        """Runs it, and tells `tick` every now and then how many seconds have passed. A signal ends it early."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self.stop)
        try:
            await self._run(tick)
        finally:
            await self.close()
            for number in SIGNALS:
                loop.remove_signal_handler(number)
        return self.outcome

    async def _run(self, tick: Callable[[float], None]) -> None:
        self.began, busy_s = perf_counter(), _busy_s()
        self.counted_from = self.began + self.plan.warm_up_s
        self.end = self.counted_from + self.plan.duration_s
        self.begin()
        while not self._is_over():
            await asyncio.sleep(min(STEP_S, max(POLL_S, self.end - perf_counter())))
            self._end_overdue()
            tick(perf_counter() - self.began)
        self.outcome.busy_share = (_busy_s() - busy_s) / (perf_counter() - self.began)
        self.outcome.window_s = max(0.0, self.end - self.counted_from)

    def stop(self) -> None:
        """Ends it now, but for what is under way; called again, that as well."""
        now = perf_counter()
        self._until = now if self._until < inf else now + HURRY_S
        self.end = min(self.end, now)

    def free(self, connection: Connection) -> None:
        self.connections.add(connection)
        due = self.take()
        if due is None:
            self.keep(connection)
        else:
            connection.send(next(self._requests), due)

    def answered(self, answer: Answer) -> None:
        if self.counted_from <= answer.came < self.end:
            self.outcome.came(answer)
        if answer.due >= self.counted_from:
            self.outcome.answered(answer)

    def failed(self, due: float, kind: str) -> None:
        if due >= self.counted_from:
            self.outcome.errors[kind] += 1

    def gone(self, connection: Connection) -> None:
        self.connections.discard(connection)
        self.outcome.closed_by_server += not connection.was_ended_here
        self.lack()

    @abstractmethod
    def begin(self) -> None:
        """Opens the first connections."""

    @abstractmethod
    def take(self) -> float | None:
        """When the next request is due that may be sent now; None where there is none."""

    @abstractmethod
    def keep(self, connection: Connection) -> None:
        """Has a connection for which there is nothing to send."""

    @abstractmethod
    def lack(self) -> None:
        """A connection was lost, or could not be opened."""

    @abstractmethod
    def waits(self) -> bool:
        """True while requests that are due wait for a connection and may still have one."""

    def open(self) -> None:
        """Opens one more connection, aside."""
        task = asyncio.get_running_loop().create_task(self._try_to_open())
        self.opening.add(task)
        task.add_done_callback(self._opened)

    async def close(self) -> None:
        """Lets go of everything; what still waits for its answer is unfinished."""
        self.end = -inf  # nothing is opened any more
        for connection in self.connections:
            self.outcome.unfinished += connection.request is not None and connection.due >= self.counted_from
        for task in self.opening:
            task.cancel()
        await asyncio.gather(*self.opening, return_exceptions=True)
        for connection in self.connections:
            connection.abandon()
        await asyncio.sleep(0)  # in which they close

    async def _try_to_open(self) -> bool:
        try:
            async with asyncio.timeout(self.plan.timeout_s):
                await self._connect(lambda: Connection(self))
            self.outcome.opened += 1
            return True
        except OSError as error:
            self.outcome.reason = error.strerror or "no answer in time"
            self.failed(perf_counter(), CONNECT)
            await asyncio.sleep(PAUSE_S)
            return False

    def _opened(self, task: asyncio.Task[bool]) -> None:
        self.opening.discard(task)
        if not task.cancelled() and not task.result():
            self.lack()

    def _is_over(self) -> bool:
        now = perf_counter()
        if now < min(self.end, self._until):
            return False
        is_idle = not self.waits() and all(connection.request is None for connection in self.connections)
        return is_idle or now >= self._until

    def _end_overdue(self) -> None:
        latest = perf_counter() - self.plan.timeout_s
        for connection in list(self.connections):
            if connection.request is not None and connection.sent < latest:
                connection.end(TIMEOUT)


def _busy_s() -> float:
    """Seconds that this thread was on a core, or waited for one that others had; on one only where that is not told
    (https://docs.kernel.org/scheduler/sched-stats.html)."""
    try:
        return sum(map(int, SCHEDULED.read_text().split()[:2])) / 1e9
    except OSError:
        return process_time()
