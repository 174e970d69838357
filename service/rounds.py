"""What is done every second: this worker's state is written down for `/metrics`, and what nobody needs is let go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from service.burst import Bursts
from service.errors import ServiceError
from service.front import Front
from service.lifecycle import Lifecycle
from service.live.live import Live
from service.memory import Surplus
from service.metrics import Metrics
from service.repository import Repository
from service.scheduler import Scheduler
from service.workers import Content, Workers

EVERY_S = 1.0
OBSERVE = "observe"  # what workers ask one another before metrics are told


class Rounds:
    """With several workers one answers `/metrics` for all, so each writes down its own state beforehand."""

    def __init__(
        self,
        metrics: Metrics,
        front: Front,
        lifecycle: Lifecycle,
        repository: Repository,
        scheduler: Scheduler,
        bursts: Bursts,
        workers: Workers,
        live: Live,
    ) -> None:
        self._metrics = metrics
        self._front = front
        self._lifecycle = lifecycle
        self._repository = repository
        self._scheduler = scheduler
        self._bursts = bursts
        self._workers = workers
        self._live = live
        self._surplus = Surplus(repository.give_back)
        workers.on(OBSERVE, self._observed)

    async def run(self, renew: Callable[[], None]) -> None:
        """Until it is cancelled; `renew` is called in each round."""
        while True:
            self.observe()
            renew()
            if self._lifecycle.is_quiet and not self._front.under_way:
                self._surplus.give_back()
            await asyncio.sleep(EVERY_S)

    def observe(self) -> None:
        """Writes down the state of this worker."""
        metrics = self._metrics
        metrics.hand_over()
        metrics.in_flight.set(len(self._front.under_way))
        metrics.ready.set(not self._lifecycle.draining and not self._repository.problems())
        metrics.queued_rows.set(self._scheduler.queued_rows + self._bursts.queued_rows)

    async def observe_all(self) -> None:
        """Has every worker do so, before the metrics of all are told."""
        self.observe()
        with suppress(ServiceError):  # one that is busy has told what it had a second ago
            await self._workers.ask(OBSERVE, {}, EVERY_S)
        await self._live.refresh()

    async def _observed(self, _: Content) -> Content:
        self.observe()
        return {}
