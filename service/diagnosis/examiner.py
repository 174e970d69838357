"""Diagnoses for a server: one at a time, in a thread of their own, so that the cores are left to predictions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import perf_counter

from service.codecs import json
from service.diagnosis.diagnosis import Diagnosis
from service.diagnosis.observer import Feeds
from service.diagnosis.observers import Observers
from service.diagnosis.report import plain, report
from service.errors import QueueFull
from service.job import Result
from service.model import Model

MAX_WAITING = 16


@dataclass(slots=True)
class Case:
    """One request for a diagnosis; `stop` ends its run where it has one, and `is_given_up` those that would follow."""

    model: Model
    feeds: Feeds
    rows: int
    bins: int
    by_row: bool = False
    is_given_up: bool = False
    stop: Callable[[], None] = lambda: None
    arrived: float = field(default_factory=perf_counter)


class Examiner:
    """Examines case after case."""

    def __init__(self, observers: Observers | None = None) -> None:
        self._observers = observers or Observers()
        self._thread = ThreadPoolExecutor(1, "actserve-diagnose")
        self._cases: list[Case] = []

    async def examine(self, case: Case) -> tuple[bytes, Result]:
        """The report as JSON, and where the time went. Whoever stops waiting for it ends it.

        Raises QueueFull where too many wait already, NotReady and NotCarried where the model cannot be looked into, and
        what a run raises."""
        if len(self._cases) >= MAX_WAITING:
            raise QueueFull(f"{MAX_WAITING} diagnoses wait already; try again.", headers=(("Retry-After", "1"),))
        self._cases.append(case)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._examine, case)
        finally:
            self._cases.remove(case)
            _give_up(case)

    def close(self) -> None:
        """Nobody waits any more."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        for case in self._cases:
            _give_up(case)

    def _examine(self, case: Case) -> tuple[bytes, Result]:
        began = perf_counter()
        looking = self._observers.of(case.model)
        diagnosis = Diagnosis(looking, case.model.inputs, case.model.metadata.joinable, keeps_rows=case.by_row)
        run, case.stop = looking.stoppable()
        if case.is_given_up:
            case.stop()
        diagnosis.add(case.feeds, case.rows, run)
        told = report(case.model.name, case.model.version, diagnosis, case.bins)
        return json.dumps(plain(told)), Result((), began - case.arrived, perf_counter() - began)


def _give_up(case: Case) -> None:
    case.is_given_up = True
    case.stop()
