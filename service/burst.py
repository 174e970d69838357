"""Requests that arrive in one turn of the event loop, answered together where that is quick.

Each costs little more than its own bytes then: what is common to those of one plan is done once, and nothing is set up
to wait, since nothing is waited for. Whatever is not plain (a mistake, a slow model, a queue before it, a server that
drains) is left to the way of a single request, which knows all of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from time import perf_counter

from service import wrapping
from service.batch import BackToBack, Batch, Caller, OneByOne, Stacked
from service.codecs.compression import SMALL
from service.engine import ASIDE_BYTES
from service.exchange import Response
from service.front import Front
from service.lane import Lane
from service.model import Model
from service.plan import Plan
from service.polling import BusyPolling
from service.scheduler import Scheduler
from service.session import Session
from service.statistics import Together

log = logging.getLogger("actserve.request")

TURN_S = 0.002  # of one turn of the event loop; what is left then waits until others had theirs
MAX_BYTES = ASIDE_BYTES  # of a body; a longer one is read in a thread


class Bursts:
    """Who has arrived and is not answered yet, by plan."""

    def __init__(self, front: Front, scheduler: Scheduler, polling: BusyPolling) -> None:
        self._front = front
        self._scheduler = scheduler
        self._max_rows = scheduler.max_queue_rows
        self._waiting: defaultdict[Plan, deque[Caller]] = defaultdict(deque)
        self._rows: defaultdict[Model, float] = defaultdict(float)
        self._is_due = False
        self._polling = polling

    @property
    def queued_rows(self) -> int:
        """Rows that wait. Nobody has looked into their bodies yet: they are thought to be like the last."""
        return round(sum(self._rows.values()))

    def add(self, plan: Plan, caller: Caller, is_only: bool = False) -> None:
        """Has a caller answered once everything that arrived in this turn of the event loop has been added; at once
        where it is the only one who is connected."""
        size, model = len(caller.body), plan.model
        if size > MAX_BYTES:
            caller.go_alone()
            return
        if is_only and not self._is_due:
            began = caller.began
            self._answer_some(plan, deque((caller,)), (caller,))
            self._polling.answered(began)
            return
        rows = size / plan.bytes_per_row
        if rows < 1.0:
            rows = 1.0
        before = self._rows[model]
        if before and before + rows > self._max_rows:
            caller.refuse(self._lane(plan, model.session).full(round(before)))
            return
        caller.claim = rows
        self._rows[model] = before + rows
        self._waiting[plan].append(caller)
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        """Answers those who are there, a batch of each plan in turn, for a while."""
        until = perf_counter() + TURN_S
        try:
            while self._waiting and perf_counter() < until:
                plan = next(iter(self._waiting))
                callers = self._waiting.pop(plan)
                present = tuple(callers)
                self._answer_some(plan, callers, present)
                if callers:
                    self._waiting[plan] = callers
                if self._waiting:
                    self._rows[plan.model] -= sum([caller.claim for caller in present[: len(present) - len(callers)]])
        finally:  # whatever went wrong with one, others wait, and more will come
            if not self._waiting:
                self._rows.clear()
            self._is_due = bool(self._waiting)
            if self._is_due:
                asyncio.get_running_loop().call_soon(self._turn)

    def _answer_some(self, plan: Plan, callers: deque[Caller], present: Sequence[Caller]) -> None:
        """Takes off as many as one run can have, and answers them; all of them go alone where nothing is plain."""
        if not self._front.is_plain or not plan.holds():
            _go_alone(callers)
            callers.clear()
            return
        kind = BackToBack if plan.row_bytes is not None else Stacked if plan.is_stackable else OneByOne
        try:
            most = self._scheduler.batch_size(plan.model.session)
            batch = kind(plan, callers, most)
            if kind is Stacked and callers and not (batch.callers or batch.misfits):
                batch = OneByOne(plan, callers, most)
        except Exception:  # our own fault, which is told where it is met again
            _go_alone(present)
            callers.clear()
            return
        if batch.callers and not self._answer(batch):
            batch.part()
        if batch.misfits:
            _go_alone(batch.misfits)

    def _answer(self, batch: Batch) -> bool:
        """Runs the batch in place and gives each caller its answer; False where that would not be quick."""
        first, plan = batch.callers[0], batch.plan
        if first.rows:  # a body without rows says nothing of how long they are
            plan.bytes_per_row = (len(first.body) or 1) / first.rows
        lane = self._lane(plan, batch.session)
        started = perf_counter()
        arrays = lane.compute_now(batch.jobs, len(batch.callers))
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
        encode_s = now - started - compute_s
        lines = self._front.lines(compute_s, encode_s)
        began_after = now - self._front.limit_s
        is_encoding_asked = "accept-encoding" in plan.headers
        times = Together(compute_s, encode_s)
        durations, decode, queue = times.durations, times.decode, times.queue
        for caller, response in zip(batch.callers, responses, strict=True):
            may_be_wrapped = is_encoding_asked or response.tail or len(response.body) > SMALL
            if caller.began < began_after or (may_be_wrapped and not wrapping.wrap_now(plan.headers, response)):
                caller.go_alone()
                continue
            arrived, decode_s = caller.arrived, caller.decode_s
            queue_s = started - arrived - decode_s
            response.lines = lines % (caller.request_id.encode(), decode_s * 1e3, queue_s * 1e3)
            times.rows += caller.rows
            times.since_body += now - arrived
            durations.append(now - caller.began)
            decode.append(decode_s)
            queue.append(queue_s)
            try:
                caller.reply(response)
            except Exception:  # of this one caller; others are answered in the same turn
                log.exception("an answer could not be given", extra={"request_id": caller.request_id})
        if durations:  # counted once the answers are on their way
            asyncio.get_running_loop().call_soon(self._front.answered_together, plan.path, plan.model, times)


def _go_alone(callers: Iterable[Caller]) -> None:
    for caller in callers:
        caller.go_alone()
