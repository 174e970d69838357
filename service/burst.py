"""Requests that arrive in one turn of the event loop, answered together where that is quick.

Each costs little more than its own bytes then: what is common to those of one plan is done once, and nothing is set up
to wait, since nothing is waited for. Whatever is not plain (a mistake, a slow model, a queue before it, a server that
drains) is left to the way of a single request, which knows all of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from time import perf_counter

from service import wrapping
from service.batch import BackToBack, Batch, Caller, OneByOne
from service.engine import ASIDE_BYTES
from service.exchange import Response, server_timing
from service.front import Front
from service.lane import Lane
from service.plan import Plan
from service.scheduler import Scheduler
from service.session import Session
from service.statistics import Together

log = logging.getLogger("actserve.request")

TURN_S = 0.002  # of one turn of the event loop; what is left then waits until others had theirs
MAX_BYTES = ASIDE_BYTES  # of a body; a longer one is read in a thread


class Bursts:
    """Who has arrived and is not answered yet, by plan."""

    def __init__(self, front: Front, scheduler: Scheduler) -> None:
        self._front = front
        self._scheduler = scheduler
        self._waiting: dict[Plan, deque[Caller]] = {}
        self._is_due = False

    def add(self, plan: Plan, caller: Caller) -> None:
        """Has a caller answered once everything that arrived in this turn of the event loop has been added."""
        if len(caller.body) > MAX_BYTES:
            caller.go_alone()
            return
        callers = self._waiting.get(plan)
        if callers is None:
            callers = self._waiting[plan] = deque()
        if len(callers) >= self._scheduler.max_queue_rows:  # each has a row at least
            caller.refuse(self._lane(plan, plan.model.session).full(len(callers)))
            return
        callers.append(caller)
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        """Answers those who are there, a batch of each plan in turn, for a while."""
        until = perf_counter() + TURN_S
        while self._waiting and perf_counter() < until:
            plan = next(iter(self._waiting))
            callers = self._waiting.pop(plan)
            self._answer_some(plan, callers)
            if callers:
                self._waiting[plan] = callers
        self._is_due = bool(self._waiting)
        if self._is_due:
            asyncio.get_running_loop().call_soon(self._turn)

    def _answer_some(self, plan: Plan, callers: deque[Caller]) -> None:
        """Takes off as many as one run can have, and answers them; all of them go alone where nothing is plain."""
        if not self._front.is_plain or not plan.holds():
            _go_alone(callers)
            callers.clear()
            return
        kind = OneByOne if plan.row_bytes is None else BackToBack
        batch = kind(plan, callers, self._scheduler.max_batch_size)
        if batch.callers and not self._answer(batch):
            _go_alone(batch.callers)
        _go_alone(batch.misfits)

    def _answer(self, batch: Batch) -> bool:
        """Runs the batch in place and gives each caller its answer; False where that would not be quick."""
        started = perf_counter()
        arrays = self._lane(batch.plan, batch.session).compute_now(batch.jobs, len(batch.callers))
        if arrays is None:
            return False
        compute_s = perf_counter() - started
        try:
            responses = batch.responses(arrays)
        except Exception:  # which is told where it is met again, by each singly
            return False
        self._reply(batch, responses, started, compute_s)
        return True

    def _lane(self, plan: Plan, session: Session) -> Lane:
        model = plan.model
        return self._scheduler.lane(session, model.metadata.joinable, model.tally.ran, model.tap)

    def _reply(self, batch: Batch, responses: Sequence[Response], started: float, compute_s: float) -> None:
        now = perf_counter()
        plan = batch.plan
        times = Together([], [], [], [], compute_s, now - started - compute_s)
        rows = 0
        for caller, response in zip(batch.callers, responses, strict=True):
            if now - caller.began > self._front.limit_s or not wrapping.wrap_now(plan.headers, response):
                caller.go_alone()
                continue
            queue_s = started - caller.arrived - caller.decode_s
            timing = server_timing(caller.decode_s, queue_s, compute_s, times.encode)
            response.lines = self._front.lines(caller.request_id, timing)
            self._give(caller, response)
            rows += caller.rows
            times.durations.append(now - caller.began)
            times.since_body.append(now - caller.arrived)
            times.decode.append(caller.decode_s)
            times.queue.append(queue_s)
        if times.durations:
            self._front.answered_together(plan.path, plan.model, rows, times)

    @staticmethod
    def _give(caller: Caller, response: Response) -> None:
        try:
            caller.reply(response)
        except Exception:  # of this one caller; others are answered in the same turn
            log.exception("an answer could not be given", extra={"request_id": caller.request_id})


def _go_alone(callers: Iterable[Caller]) -> None:
    for caller in callers:
        caller.go_alone()
