"""Runs requests: a lane for each session, and the threads that they share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from weakref import WeakSet

from service.job import Feeds, Job, Result, Size
from service.lane import PIECE_ELEMENTS, Lane
from service.session import Session
from service.statistics import Run
from service.tap import Tap

MAX_THREADS = 16  # over all models, so that a slow one, held to one thread a core, leaves threads to the others


class Scheduler:
    """One lane for each session. Lives on one event loop, in one process."""

    def __init__(self, max_batch_size: int, max_queue_rows: int, device_batch_size: int | None = None) -> None:
        """`device_batch_size` holds in the place of `max_batch_size` where a device computes, whose runs hardly cost
        more with more rows until it is full."""
        self.max_batch_size, self.max_queue_rows = max_batch_size, max_queue_rows
        self._device_batch_size = device_batch_size or max_batch_size
        self._lanes: dict[Session, Lane] = {}
        self._retired: WeakSet[Session] = WeakSet()
        self._threads = ThreadPoolExecutor(MAX_THREADS, "actserve-run")

    async def run(
        self,
        session: Session,
        feeds: Feeds,
        fetches: Sequence[str],
        size: Size,
        joinable: bool,
        ran: Callable[[Run], None] | None = None,
        *,
        elementwise: bool = False,
        tap: Tap | None = None,
    ) -> Result:
        """The answer to arrays that already fit the session's signature. Cancelling the caller drops its job.

        `joinable` (by rows), `elementwise`, `ran` and `tap`, which are told of each run, are the model's and always the
        same.
        Raises QueueFull, or what the run raised."""
        lane = self.lane(session, joinable, ran, tap)
        job = Job(feeds, tuple(fetches), *size)
        if elementwise and job.size >= 2 * PIECE_ELEMENTS and not session.on_device:  # which has no core's cache
            return await lane.run_in_pieces(job)
        if joinable and not size.alone and size.rows > self.batch_size(session):
            return await lane.run_in_parts(job)
        lane.submit([job])
        return await job

    def lane(self, session: Session, joinable: bool, ran: Callable[[Run], None] | None, tap: Tap | None = None) -> Lane:
        """The lane before a session, made when it is first asked for."""
        lane = self._lanes.get(session)
        if lane is None:
            limits = (self.batch_size(session), self.max_queue_rows)
            lane = self._lanes[session] = Lane(session, joinable, *limits, self._threads, ran, tap)
        return lane

    def batch_size(self, session: Session) -> int:
        """Rows that one run of it may have."""
        return self._device_batch_size if session.on_device else self.max_batch_size

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
