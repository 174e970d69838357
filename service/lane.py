"""The queue before one session: admits by rows, joins what has arrived, splits the answers, drops callers that left.

Work-conserving: an idle lane runs what it is given in the same turn of the event loop; while it runs, or while that
turn lasts, what arrives is joined into the next run. Rows are joined only where the model says that they do not
touch each other. A run that costs less than a thread hop happens in place, one that costs more in a worker thread;
which it is, is learnt from the cost of runs of that size.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from math import ceil
from time import perf_counter, thread_time
from typing import NamedTuple

import numpy as np

from service import cores
from service.cost import Cost
from service.errors import QueueFull
from service.job import Job, Result
from service.session import Session
from service.statistics import Run
from service.tap import Tap
from service.tensors import Array

THREAD_HOP_S = 0.0003  # to a worker thread and back on a busy loop; under it, hopping costs more than it frees
WAITING_S = 0.00015  # what it costs to have one caller wait for a thread and be answered by itself
INTERPRETER_S = 0.01  # that a thread waits for a busy event loop to let go of the interpreter, at the most: twice 5 ms
PIECE_ELEMENTS = 1 << 16


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
        tap: Tap | None = None,
    ) -> None:
        self.queued_rows = 0
        self._session = session
        self._parallel = 1 if joinable else cores.available()
        self._max_jobs = None if joinable else 1
        self._max_batch_size = max_batch_size
        self._max_queue_rows = max_queue_rows
        self._threads = threads
        self._ran = ran
        self._tap = tap
        self._queue: deque[Job] = deque()
        self._running = 0
        self._turn_is_due = False
        self._cost = Cost()
        self._seconds_per_row = 0.0

    @property
    def is_idle(self) -> bool:
        return not (self._queue or self._running)

    def compute_now(self, jobs: Sequence[Job], callers: int) -> list[Array] | None:
        """The arrays of one run of jobs that can stand in one and are of so many callers; None where that is not cheap,
        something else is to be done first, or the run fails."""
        limit_s = THREAD_HOP_S + (callers - 1) * WAITING_S  # each of them would wait singly
        if self._queue or self._running or not self._cost.is_below(limit_s, _size(jobs)):
            return None
        try:
            arrays, run = self._run(jobs, True)
        except Exception:  # which is told where it is met again, each job singly
            return None
        if self._ran is not None:
            self._ran(run)
        return arrays

    def submit(self, jobs: Sequence[Job]) -> None:
        """Takes the jobs of one request or refuses them at once. One larger than the whole queue is taken when it is
        empty."""
        rows = sum(job.rows for job in jobs)
        if self.queued_rows and self.queued_rows + rows > self._max_queue_rows:
            raise self.full(self.queued_rows)
        self._queue.extend(jobs)
        self.queued_rows += rows
        self._plan_turn()

    def full(self, rows: int) -> QueueFull:
        """What is said where so many rows wait; when to try again follows from how long a row has taken."""
        wait_s = max(1, ceil(rows * self._seconds_per_row))
        return QueueFull(
            f"The queue is full ({rows} rows of {self._max_queue_rows}); try again in {wait_s} s.",
            headers=(("Retry-After", str(wait_s)),),
        )

    async def run_in_parts(self, whole: Job) -> Result:
        """A job of more rows than a run may have, in several runs, between which others have theirs."""
        parts = whole.parts(self._max_batch_size)
        results = [result async for result in self._each(parts)]
        if not all(_by_row(result.arrays, part.rows) for result, part in zip(results, parts, strict=True)):
            self.submit([whole])  # its metadata promises more than the graph keeps
            return await whole
        arrays = [np.concatenate(pieces) for pieces in zip(*(result.arrays for result in results), strict=True)]
        queue_s = results[0].queue_s
        return Result(arrays, queue_s, perf_counter() - whole.arrived - queue_s)

    async def run_in_pieces(self, whole: Job) -> Result:
        """A job whose elements do not touch each other, in runs whose tensors stay in a core's cache, side by side on
        all cores. Besides the answer itself no more memory is needed than for these."""
        arrays: list[Array] = []
        at, queue_s = 0, 0.0
        async for result in self._each(whole.pieces(PIECE_ELEMENTS)):
            if not arrays:
                arrays = [np.empty(whole.feeds["x"].size, array.dtype) for array in result.arrays]
                queue_s = result.queue_s
            for array, piece in zip(arrays, result.arrays, strict=True):
                array[at : at + piece.size] = piece
            at += result.arrays[0].size
        shaped = [array.reshape(whole.feeds["x"].shape) for array in arrays]
        return Result(shaped, queue_s, perf_counter() - whole.arrived - queue_s)

    async def _each(self, jobs: Sequence[Job]) -> AsyncIterator[Result]:
        """The results of several jobs of one request, in their order. Raises what a run raised."""
        self.submit(jobs)
        try:
            for job in jobs:
                yield await job
        finally:
            for job in jobs:
                job.drop()

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
        if self._cost.is_below(THREAD_HOP_S, _size(batch)):
            self._deliver(batch, self._compute(batch, in_place=True), started)
            return
        self._running += 1
        running = asyncio.get_running_loop().run_in_executor(self._threads, self._compute, batch)
        running.add_done_callback(lambda done: self._finish(batch, done.result(), started))

    def _finish(self, batch: list[Job], outcome: Outcome, started: float) -> None:
        self._running -= 1
        self._deliver(batch, outcome, started)
        self._plan_turn()

    def _compute(self, batch: Sequence[Job], in_place: bool = False) -> Outcome:
        """Runs the jobs as one. If that fails each is run singly, so that a bad one fails alone."""
        try:
            arrays, run = self._run(batch, in_place)
            computed = perf_counter()
            answers = _split(arrays, batch)
            return Outcome(answers, [run._replace(compute_output=perf_counter() - computed)])
        except Exception as error:
            return (
                Outcome([error], [])
                if len(batch) == 1
                else _together([self._compute([job], in_place) for job in batch])
            )

    def _run(self, batch: Sequence[Job], in_place: bool) -> tuple[list[Array], Run]:
        """One run of all of them. Raises what it raised, or ValueError where the answer is not row by row."""
        worked = 0.0 if in_place else thread_time()
        started = perf_counter()
        whole = batch[0] if len(batch) == 1 else self._joined(batch)
        rows, joined = whole.rows, perf_counter()
        try:
            arrays = self._session.run(whole.feeds, whole.fetches)
            if len(batch) > 1 and not _by_row(arrays, rows):
                raise ValueError("The model does not answer row by row, though its metadata says so.")
            if self._tap is not None:
                self._tap.ran(whole.feeds, rows)
            return arrays, Run(whole.instances, joined - started, perf_counter() - joined, 0.0)
        finally:
            seconds = perf_counter() - started
            self._seconds_per_row += 0.1 * (seconds / (rows or 1) - self._seconds_per_row)
            self._cost.learn(whole.size, seconds, self._work_s(seconds, worked, in_place))

    def _joined(self, batch: Sequence[Job]) -> Job:
        feeds = self._session.joined([job.feeds for job in batch])
        return Job(feeds, batch[0].fetches, sum([job.rows for job in batch]), sum([job.instances for job in batch]))

    def _work_s(self, seconds: float, worked: float, in_place: bool) -> float:
        """What of a run was no wait for the interpreter. A thread that waits for a device has no clock for that."""
        if in_place:
            return seconds
        return seconds - INTERPRETER_S if self._session.on_device else thread_time() - worked

    def _deliver(self, batch: list[Job], outcome: Outcome, started: float) -> None:
        compute_s = perf_counter() - started
        self._tell(outcome)
        for job, found in zip(batch, outcome.answers, strict=True):
            job.finish(found if isinstance(found, Exception) else Result(found, started - job.arrived, compute_s))

    def _tell(self, outcome: Outcome) -> None:
        if self._ran is not None:
            for run in outcome.runs:
                self._ran(run)


Answers = list[Sequence[Array] | Exception]


class Outcome(NamedTuple):
    """An answer for each job, and the runs that ended well."""

    answers: Answers
    runs: list[Run]


def _by_row(arrays: Sequence[Array], rows: int) -> bool:
    return all(array.ndim > 0 and len(array) == rows for array in arrays)


def _size(batch: Sequence[Job]) -> int:
    return batch[0].size if len(batch) == 1 else sum([job.size for job in batch])


def _split(arrays: list[Array], batch: Sequence[Job]) -> Answers:
    if len(batch) == 1:
        return [arrays]
    ends = accumulate(job.rows for job in batch)
    return [[array[end - job.rows : end] for array in arrays] for job, end in zip(batch, ends, strict=True)]


def _together(outcomes: list[Outcome]) -> Outcome:
    return Outcome([outcome.answers[0] for outcome in outcomes], [run for outcome in outcomes for run in outcome.runs])
