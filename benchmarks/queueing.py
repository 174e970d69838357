"""What becomes of requests that come at random to replicas which join what waits: a simulation, event by event."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from math import ceil, expm1, inf

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Sizes = NDArray[np.int64]

SETTLE = 0.1  # share of the requests that come before the queue is what it will be
STRIDES = 12  # in which the range of rates is walked through
STEPS = 8  # of a bisection: to a 256th of the interval


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds of one core: for a turn (what requests answered together do once), for each request and for each row in
    it. `max_batch_size` bounds the rows joined; 1 joins nothing.

    A turn after a pause costs more: others have used the core and its caches meanwhile. `cold_turn` and `cold_row` are
    what a long pause adds to a turn and to each of its rows, `cooling_s` the pause that adds 63 % of that."""

    per_turn: float
    per_request: float
    per_row: float
    max_batch_size: int = 64
    cold_turn: float = 0.0
    cold_row: float = 0.0
    cooling_s: float = 1e-3

    def seconds(self, requests: int, rows: int, coldness: float = 0.0) -> float:
        """For requests that are answered together; more rows than are joined take several runs."""
        runs = ceil(rows / self.max_batch_size)
        warm = runs * self.per_turn + requests * self.per_request + rows * self.per_row
        return warm + coldness * (self.cold_turn + rows * self.cold_row)

    def coldness(self, pause_s: float) -> float:
        """From 0 to 1."""
        return -expm1(-pause_s / self.cooling_s)

    def least(self, rows: int) -> float:
        """Seconds for a request of so many rows where as many as can be are joined: what a core can do at most."""
        together = max(1, self.max_batch_size // rows)
        return self.seconds(together, together * rows) / together


@dataclass(frozen=True, slots=True)
class Around:
    """What is not the service's own. `ways` has seconds from the caller to the worker and back for requests of some
    sizes in rows, least first; between two of them it is in proportion. Whatever else is on the machine makes times
    vary, by factors that are log-normal and 1 in the mean: `spread` is the standard deviation of their logarithms."""

    ways: Sequence[tuple[int, float]] = ((1, 0.0),)
    spread: float = 0.0

    def way_s(self, rows: Sizes) -> Numbers:
        """For requests of so many rows."""
        sizes, seconds = zip(*self.ways, strict=True)
        found: Numbers = np.interp(rows, sizes, seconds)
        return found

    def factors(self, count: int, random: np.random.Generator) -> Numbers:
        """For so many turns."""
        return random.lognormal(-(self.spread**2) / 2, self.spread, count)


ALONE = Around()


@dataclass(frozen=True, slots=True)
class Simulated:
    """Seconds from each request to its answer, the share of the time that a replica is at work, and rows in a run."""

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
    connections does; among equals they take turns. Where `chosen` has a replica for each request, that one gets it.
    `ways` are seconds of each, `factors` what makes turns longer or shorter, as they begin."""

    def __init__(
        self,
        costs: Costs,
        count: int,
        arrivals: Sequence[float],
        rows: Sequence[int],
        ways: Sequence[float],
        factors: Sequence[float],
        chosen: Sequence[int] = (),
    ) -> None:
        self._costs = costs
        self._chosen = chosen
        self._ways, self._factors = ways, factors
        self._arrivals, self._rows = arrivals, rows
        self._waiting: list[deque[int]] = [deque() for _ in range(count)]
        self._running: list[list[int]] = [[] for _ in range(count)]
        self._held = [0] * count
        self._ended = [-inf] * count
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
        chosen = self._chosen[number] if self._chosen else self._least()
        self._held[chosen] += 1
        self._waiting[chosen].append(number)
        if not self._running[chosen]:
            self._start(chosen, time)

    def _least(self) -> int:
        count = len(self._held)
        turns = (self._next + step for step in range(count))
        chosen = min((turn % count for turn in turns), key=self._held.__getitem__)
        self._next = chosen + 1
        return chosen

    def _start(self, replica: int, time: float) -> None:
        """Takes what waits, at least one request, as far as its rows may be joined."""
        waiting, taken, rows = self._waiting[replica], self._running[replica], 0
        while waiting and (not taken or rows + self._rows[waiting[0]] <= self._costs.max_batch_size):
            taken.append(waiting.popleft())
            rows += self._rows[taken[-1]]
        factor = self._factors[self.runs]
        coldness = self._costs.coldness(time - self._ended[replica])
        seconds = factor * self._costs.seconds(len(taken), rows, coldness)
        for number in taken:
            self.latencies[number] = time + seconds + factor * self._ways[number] - self._arrivals[number]
        self.busy_s += seconds
        self.runs += 1
        heappush(self._ends, (time + seconds, replica))

    def _end(self, time: float, replica: int) -> None:
        self._held[replica] -= len(self._running[replica])
        self._running[replica].clear()
        self._ended[replica] = time
        if self._waiting[replica]:
            self._start(replica, time)


def simulate(
    costs: Costs,
    rate: float,
    rows: Sizes,
    replicas: int = 1,
    seed: int = 1,
    around: Around = ALONE,
    by_chance: bool = False,
) -> Simulated:
    """As many requests as `rows` has sizes, at `rate` a second in all (a Poisson process); the first are left out. They
    go to the replica with the fewest requests, or to any `by_chance`."""
    random = np.random.default_rng(seed)
    arrivals = random.exponential(1 / rate, len(rows)).cumsum().tolist()
    factors = around.factors(len(rows), random).tolist()
    chosen = random.integers(replicas, size=len(rows)).tolist() if by_chance else ()
    found = Replicas(costs, replicas, arrivals, rows.tolist(), around.way_s(rows).tolist(), factors, chosen)
    found.run()
    return Simulated(
        found.latencies[int(len(rows) * SETTLE) :],
        found.busy_s / replicas / arrivals[-1],
        float(rows.sum()) / found.runs,
    )


def rate_for(costs: Costs, rows: Sizes, busy: float) -> float:
    """Requests a second that keep one replica at work for a share of the time."""
    low, high = 0.0, 1 / min(costs.least(int(size)) for size in np.unique(rows))
    for _ in range(STEPS):
        rate = (low + high) / 2
        low, high = (rate, high) if simulate(costs, rate, rows).busy < busy else (low, rate)
    return low


def most(
    costs: Costs,
    rows: Sizes,
    target_s: float,
    replicas: int = 1,
    around: Around = ALONE,
    tick: Callable[[], object] = lambda: None,
) -> float:
    """The most requests a second, over all replicas, at which 99 of 100 are answered within `target_s`; 0 where they
    never are. It is looked for from above: at low rates pauses may make requests miss it, too."""

    def is_met(rate: float) -> bool:
        tick()
        return simulate(costs, rate, rows, replicas, around=around).percentile(0.99) <= target_s

    step = replicas / min(costs.least(int(size)) for size in np.unique(rows)) / STRIDES
    low = next((stride * step for stride in range(STRIDES, 0, -1) if is_met(stride * step)), 0.0)
    high = low + step
    for _ in range(STEPS if low else 0):
        rate = (low + high) / 2
        low, high = (rate, high) if is_met(rate) else (low, rate)
    return low
