"""The two loads: as fast as requests are answered, and as they are due."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from time import perf_counter

from service.bench.arrivals import Alarm, poisson
from service.bench.connection import Connection, Request
from service.bench.load import Connect, Load, Plan

FIRST_CONNECTIONS = 8  # of an open loop; more are opened when requests wait
GRACE_S = 1.0  # after the end, for requests that still wait for a connection
LATE_S = 1e-3


class Closed(Load):
    """Each connection has one request under way, always, so a server that is slow is asked less."""

    def begin(self) -> None:
        for _ in range(self.plan.connections):
            self.open()

    def take(self) -> float | None:
        now = perf_counter()
        return now if now < self.end else None

    def keep(self, connection: Connection) -> None:
        """Its work is done."""

    def lack(self) -> None:
        if perf_counter() < self.end:
            self.open()

    def waits(self) -> bool:
        return False


class Open(Load):
    """Requests are due at random times, whatever becomes of those before. One that finds no connection free waits, and
    its time counts from when it was due (https://www.scylladb.com/2021/04/22/on-coordinated-omission/).

    `_come` counts those whose time has come, `_next` those that were sent."""

    def __init__(self, connect: Connect, requests: Sequence[Request], plan: Plan) -> None:
        super().__init__(connect, requests, plan)
        self._times = poisson(plan.rate or 0.0, plan.warm_up_s + plan.duration_s, plan.seed)
        self._come = self._next = 0
        self._idle: list[Connection] = []

    def begin(self) -> None:
        self._alarm = Alarm(self._arrive)
        for _ in range(min(FIRST_CONNECTIONS, self.plan.connections)):
            self.open()
        self._arrive()

    def take(self) -> float | None:
        if not self.waits():
            return None
        due = self.began + self._times[self._next]
        self._next += 1
        if perf_counter() - due > LATE_S and due >= self.counted_from:
            self.outcome.late += 1
        return due

    def keep(self, connection: Connection) -> None:
        self._idle.append(connection)

    def lack(self) -> None:
        if self.waits() and len(self.connections) + len(self.opening) < self.plan.connections:
            self.open()

    def waits(self) -> bool:
        return self._next < self._come and perf_counter() < self.end + GRACE_S

    def gone(self, connection: Connection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)
        super().gone(connection)

    async def close(self) -> None:
        self._alarm.close()
        first = bisect_left(self._times, self.plan.warm_up_s)
        self.outcome.arrivals = max(0, self._come - first)
        self.outcome.missed = max(0, self._come - max(self._next, first))
        await super().close()

    def _arrive(self) -> None:
        """Starts what is due, and sets the alarm for the next."""
        latest = min(perf_counter(), self.end) - self.began
        while self._come < len(self._times) and self._times[self._come] <= latest:
            self._come += 1
            if self._idle:
                self.free(self._idle.pop())
            else:
                self.lack()
        if self._come < len(self._times) and perf_counter() < self.end:
            self._alarm.set(self.began + self._times[self._come])
