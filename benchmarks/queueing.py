"""What becomes of requests that come at random to replicas which join what waits: a simulation, event by event."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from math import ceil

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Sizes = NDArray[np.int64]

SETTLE = 0.1  # share of the requests that come before the queue is what it will be
STEPS = 12  # of a bisection: to a four-thousandth of the interval


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds of one core: for a turn (what requests answered together do once), for each request and for each row in
    it. `max_batch_size` bounds the rows joined; 1 joins nothing."""

    per_turn: float
    per_request: float
    per_row: float
    max_batch_size: int = 64

    def seconds(self, requests: int, rows: int) -> float:
        """For requests that are answered together; more rows than are joined take several runs."""
        runs = ceil(rows / self.max_batch_size)
        return runs * self.per_turn + requests * self.per_request + rows * self.per_row

    def least(self, rows: int) -> float:
        """Seconds for a request of so many rows where as many as can be are joined: what a core can do at most."""
        together = max(1, self.max_batch_size // rows)
        return self.seconds(together, together * rows) / together


@dataclass(frozen=True, slots=True)
class Simulated:
    """Seconds from each arrival to its answer, the share of the time that a replica was busy, and rows in a run."""

    latencies: Numbers
    busy: float
    rows_per_run: float

    @property
    def mean(self) -> float:
        return float(self.latencies.mean())

    def percentile(self, share: float) -> float:
        return float(np.quantile(self.latencies, share))


class Replicas:
    """Each answers alone what it was given. The one with the fewest requests gets the next, as a balancer by least
    connections does; among equals they take turns."""

    def __init__(self, costs: Costs, count: int, arrivals: Sequence[float], rows: Sequence[int]) -> None:
        self._costs = costs
        self._arrivals, self._rows = arrivals, rows
        self._waiting: list[deque[int]] = [deque() for _ in range(count)]
        self._running: list[list[int]] = [[] for _ in range(count)]
        self._held = [0] * count
        self._ends: list[tuple[float, int]] = []
        self._next = 0
        self.latencies = np.empty(len(arrivals))
        self.busy_s = 0.0
        self.runs = 0

    def run(self) -> None:
        for number, time in enumerate(self._arrivals):
            while self._ends and self._ends[0][0] <= time:
                self._end(*heappop(self._ends))
            self._give(number, time)
        while self._ends:
            self._end(*heappop(self._ends))

    def _give(self, number: int, time: float) -> None:
        count = len(self._held)
        turns = (self._next + step for step in range(count))
        chosen = min((turn % count for turn in turns), key=self._held.__getitem__)
        self._next = chosen + 1
        self._held[chosen] += 1
        self._waiting[chosen].append(number)
        if not self._running[chosen]:
            self._start(chosen, time)

    def _start(self, replica: int, time: float) -> None:
        """Takes what waits, at least one request, as far as its rows may be joined."""
        waiting, taken, rows = self._waiting[replica], self._running[replica], 0
        while waiting and (not taken or rows + self._rows[waiting[0]] <= self._costs.max_batch_size):
            taken.append(waiting.popleft())
            rows += self._rows[taken[-1]]
        seconds = self._costs.seconds(len(taken), rows)
        self.busy_s += seconds
        self.runs += 1
        heappush(self._ends, (time + seconds, replica))

    def _end(self, time: float, replica: int) -> None:
        for number in self._running[replica]:
            self.latencies[number] = time - self._arrivals[number]
        self._held[replica] -= len(self._running[replica])
        self._running[replica].clear()
        if self._waiting[replica]:
            self._start(replica, time)


def simulate(costs: Costs, rate: float, rows: Sizes, replicas: int = 1, seed: int = 1) -> Simulated:
    """As many requests as `rows` has sizes, at `rate` a second in all (a Poisson process); the first are left out."""
    gaps = np.random.default_rng(seed).exponential(1 / rate, len(rows))
    arrivals = gaps.cumsum().tolist()
    found = Replicas(costs, replicas, arrivals, rows.tolist())
    found.run()
    settled = int(len(rows) * SETTLE)
    return Simulated(found.latencies[settled:], found.busy_s / replicas / arrivals[-1], float(rows.sum()) / found.runs)


def most(
    costs: Costs, rows: Sizes, target_s: float, replicas: int = 1, tick: Callable[[], object] = lambda: None
) -> float:
    """The most requests a second, over all replicas, at which 99 of 100 are answered within `target_s`; 0 where even a
    single one takes longer than that."""
    low, high = 0.0, replicas / min(costs.least(int(size)) for size in np.unique(rows))
    for _ in range(STEPS):
        tick()
        rate = (low + high) / 2
        if simulate(costs, rate, rows, replicas).percentile(0.99) <= target_s:
            low = rate
        else:
            high = rate
    return low
