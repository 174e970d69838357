"""Runs requests: admits them by rows, joins what has arrived, splits the answers, drops callers that left.

Work-conserving: an idle lane runs what it is given in the same turn of the event loop; while it runs, or while that
turn lasts, what arrives is joined into the next run. Rows are joined only where the model says that they do not
touch each other. A run that costs less than a thread hop happens in place, one that costs more in a worker thread;
which it is, is learnt from the cost of runs of that size.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import ceil
from time import perf_counter
from typing import NamedTuple
from weakref import WeakSet

import numpy as np

from service import cores
from service.errors import QueueFull
from service.job import Feeds, Job, Result
from service.session import Session
from service.statistics import Run
from service.tensors import Array

THREAD_HOP_S = 0.0003  # to a worker thread and back on a busy loop; under it, hopping costs more than it frees
UNKNOWN_S = 1.0
FORGETTING = 1.02  # growth of an estimate with each run that was slower: doubled after 35
MAX_THREADS = 16  # over all models, so that a slow one, held to one thread a core, leaves threads to the others


class Scheduler:
    """One lane for each session. Lives on one event loop, in one process."""

    def __init__(self, max_batch_size: int, max_queue_rows: int) -> None:
        self._limits = (max_batch_size, max_queue_rows)
        self._lanes: dict[Session, Lane] = {}
        self._retired: WeakSet[Session] = WeakSet()
        self._threads = ThreadPoolExecutor(MAX_THREADS, "actserve-run")

    async def run(
        self,
        session: Session,
        feeds: Feeds,
        fetches: Sequence[str],
        *,
        rows: int,
        joinable: bool,
        alone: bool = False,
        instances: int | None = None,
        ran: Callable[[Run], None] | None = None,
    ) -> Result:
        """The answer to arrays that already fit the session's signature. Cancelling the caller drops its job.

        `joinable` and `ran`, which is told of each run, are the model's and the same in each call; `alone` keeps this
        one request out of others' runs; `instances` is what statistics count, where that is not the rows.
        Raises QueueFull, or what the run raised."""
        lane = self._lanes.get(session)
        if lane is None:
            lane = self._lanes[session] = Lane(session, joinable, *self._limits, self._threads, ran)
        job = Job(feeds, tuple(fetches), rows, alone, rows if instances is None else instances)
        if joinable and not alone and rows > self._limits[0]:
            return await lane.run_in_parts(job)
        lane.submit([job])
        return await job

    @property
    def queued_rows(self) -> int:
        """Rows waiting for a run, over all models."""
        return sum(lane.queued_rows for lane in self._lanes.values())

    def retire(self, session: Session) -> None:
        """Has the lane of a session go when `sweep` finds it idle."""
        self._retired.add(session)

    def sweep(self) -> int:
        """Lets go of the retired sessions whose lanes have nothing to do; how many are still at work."""
        for session in list(self._retired):
            if session in self._lanes and self._lanes[session].is_idle:
                del self._lanes[session]
        return sum(session in self._lanes for session in self._retired)

    def close(self) -> None:
        """Ends the runs that nobody waits for any more, so that the process need not wait for them either."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for session in self._lanes:
            session.abort()


class Lane:
    """The queue before one session. A joinable lane has one run at a time and fills it; another runs single jobs,
    side by side up to the number of cores."""

    def __init__(
        self,
        session: Session,
        joinable: bool,
        max_batch_size: int,
        max_queue_rows: int,
        threads: ThreadPoolExecutor,
        ran: Callable[[Run], None] | None,
    ) -> None:
        self.queued_rows = 0
        self._session = session
        self._parallel = 1 if joinable else cores.available()
        self._max_jobs = None if joinable else 1
        self._max_batch_size = max_batch_size
        self._max_queue_rows = max_queue_rows
        self._threads = threads
        self._ran = ran
        self._queue: deque[Job] = deque()
        self._running = 0
        self._turn_is_due = False
        self._cost = Cost()

    @property
    def is_idle(self) -> bool:
        return not (self._queue or self._running)

    def submit(self, jobs: Sequence[Job]) -> None:
        """Takes the jobs of one request or refuses them at once. One larger than the whole queue is taken when it is
        empty."""
        rows = sum(job.rows for job in jobs)
        if self.queued_rows and self.queued_rows + rows > self._max_queue_rows:
            wait_s = max(1, ceil(self.queued_rows * self._cost.seconds_per_row))
            raise QueueFull(
                f"The queue is full ({self.queued_rows} rows of {self._max_queue_rows}); try again in {wait_s} s.",
                headers=(("Retry-After", str(wait_s)),),
            )
        self._queue.extend(jobs)
        self.queued_rows += rows
        self._plan_turn()

    async def run_in_parts(self, whole: Job) -> Result:
        """A job of more rows than a run may have, in several runs, between which others have theirs."""
        parts = whole.parts(self._max_batch_size)
        self.submit(parts)
        try:
            results = [await part for part in parts]
        finally:
            for part in parts:
                part.drop()
        if not all(_by_row(result.arrays, part.rows) for result, part in zip(results, parts, strict=True)):
            self.submit([whole])  # its metadata promises more than the graph keeps
            return await whole
        arrays = [np.concatenate(pieces) for pieces in zip(*(result.arrays for result in results), strict=True)]
        queue_s = results[0].queue_s
        return Result(arrays, queue_s, perf_counter() - whole.arrived - queue_s)

    def _plan_turn(self) -> None:
        """A turn once everything that arrived in this turn of the event loop has been submitted."""
        if not self._turn_is_due and self._queue and self._running < self._parallel:
            self._turn_is_due = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        """Starts one run of what has arrived, and plans another turn while there is more."""
        self._turn_is_due = False
        if batch := self._take():
            self._start(batch)
        self._plan_turn()

    def _take(self) -> list[Job]:
        """The next jobs that can stand in one run, callers that left taken out."""
        batch: list[Job] = []
        rows = 0
        while self._queue and len(batch) != self._max_jobs:
            job = self._queue[0]
            if not job.is_over:
                if batch and (rows + job.rows > self._max_batch_size or not job.joins(batch[0])):
                    break
                batch.append(job)
                rows += job.rows
            self._queue.popleft()
            self.queued_rows -= job.rows
        return batch

    def _start(self, batch: list[Job]) -> None:
        """Runs in place what is cheap, the rest in a thread."""
        started = perf_counter()
        if self._cost.seconds_for(_size(batch)) < THREAD_HOP_S:
            self._deliver(batch, self._compute(batch), started)
            return
        self._running += 1
        running = asyncio.get_running_loop().run_in_executor(self._threads, self._compute, batch)
        running.add_done_callback(lambda done: self._finish(batch, done.result(), started))

    def _finish(self, batch: list[Job], outcome: Outcome, started: float) -> None:
        self._running -= 1
        self._deliver(batch, outcome, started)
        self._plan_turn()

    def _compute(self, batch: list[Job]) -> Outcome:
        """Runs the jobs as one. If that fails each is run singly, so that a bad one fails alone."""
        started = perf_counter()
        instances = sum(job.instances for job in batch)
        try:
            feeds = _joined(batch)
            joined = perf_counter()
            arrays = self._session.run(feeds, batch[0].fetches)
            computed = perf_counter()
            answers = _split(arrays, batch)
            return Outcome(answers, [Run(instances, joined - started, computed - joined, perf_counter() - computed)])
        except Exception as error:
            return Outcome([error], []) if len(batch) == 1 else _together([self._compute([job]) for job in batch])
        finally:
            self._cost.learn(_size(batch), sum(job.rows for job in batch), perf_counter() - started)

    def _deliver(self, batch: list[Job], outcome: Outcome, started: float) -> None:
        compute_s = perf_counter() - started
        if self._ran is not None:
            for run in outcome.runs:
                self._ran(run)
        for job, found in zip(batch, outcome.answers, strict=True):
            job.finish(found if isinstance(found, Exception) else Result(found, started - job.arrived, compute_s))


Answers = list[Sequence[Array] | Exception]


class Outcome(NamedTuple):
    """An answer for each job, and the runs that ended well."""

    answers: Answers
    runs: list[Run]


class Cost:
    """What runs cost, by the size of their inputs in powers of two: about the least seen lately, in seconds.

    The least, because a clock counts a busy machine's other work too: an average would rise in one slow spell, send the
    runs to threads, and never see there how cheap they are."""

    def __init__(self) -> None:
        self._seconds: dict[int, float] = {}
        self.seconds_per_row = 0.0

    def learn(self, size: int, rows: int, seconds: float) -> None:
        self.seconds_per_row += 0.1 * (seconds / max(rows, 1) - self.seconds_per_row)
        known = self._seconds.get(size.bit_length(), seconds)
        self._seconds[size.bit_length()] = min(seconds, known * FORGETTING)

    def seconds_for(self, size: int) -> float:
        """The estimate; a size never seen counts as slow, so that its first run is in a thread."""
        return self._seconds.get(size.bit_length(), UNKNOWN_S)


def _by_row(arrays: Sequence[Array], rows: int) -> bool:
    return all(array.ndim > 0 and len(array) == rows for array in arrays)


def _joined(batch: list[Job]) -> Feeds:
    if len(batch) == 1:
        return batch[0].feeds
    return {name: np.concatenate([job.feeds[name] for job in batch]) for name in batch[0].feeds}


def _size(batch: list[Job]) -> int:
    return sum(job.size for job in batch)


def _split(arrays: list[Array], batch: list[Job]) -> Answers:
    if len(batch) == 1:
        return [arrays]
    ends = np.cumsum([job.rows for job in batch]).tolist()
    if not _by_row(arrays, ends[-1]):
        raise ValueError("The model does not answer row by row, though its metadata says so.")
    return [[array[end - job.rows : end] for array in arrays] for job, end in zip(batch, ends, strict=True)]


def _together(outcomes: list[Outcome]) -> Outcome:
    return Outcome([outcome.answers[0] for outcome in outcomes], [run for outcome in outcomes for run in outcome.runs])
