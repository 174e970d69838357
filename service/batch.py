"""Callers whose requests stand in one run: how their bodies become its arrays, and its arrays their answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from time import perf_counter

import numpy as np

from service.engine import checked
from service.errors import ServiceError
from service.exchange import Response
from service.job import Job
from service.plan import Inputs, Plan, Table
from service.session import Session
from service.tensors import Array


class Caller(ABC):
    """Somebody whose request has come: its first byte when it `began`, its last when it `arrived`."""

    __slots__ = (
        "arrived",
        "began",
        "body",
        "claim",
        "decode_s",
        "inputs",
        "is_gone",
        "job",
        "request_id",
        "rows",
        "table",
    )

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        self.began = self.arrived = perf_counter()
        self.body = b""
        self.is_gone = False
        self.rows = 0
        self.claim = 0.0  # the rows that it is thought to have while it waits
        self.decode_s = 0.0
        self.inputs: Inputs | None = None
        self.job: Job | None = None
        self.table: Table | None = None

    @abstractmethod
    def go_alone(self) -> None:
        """Takes the way of a single request, with what has been read of it."""

    @abstractmethod
    def refuse(self, error: ServiceError) -> None:
        """Answers with an error."""

    @abstractmethod
    def reply(self, response: Response) -> None:
        """Gives the answer."""


class Batch(ABC):
    """Takes callers off a queue, up to `most` rows; `misfits` cannot share a run, and who has left costs none.

    `jobs` is one for each caller, or one for all of them."""

    session: Session

    def __init__(self, plan: Plan, queue: deque[Caller], most: int) -> None:
        self.plan = plan
        self.callers: list[Caller] = []
        self.misfits: list[Caller] = []
        self.jobs: list[Job] = []
        self.rows = 0
        self._most = most
        self._take(queue)

    @abstractmethod
    def _take(self, queue: deque[Caller]) -> None: ...

    @abstractmethod
    def responses(self, arrays: Sequence[Array]) -> Sequence[Response]:
        """One for each caller, from what the run gave. Raises what the plan raises."""

    def part(self) -> None:
        """Has each caller go alone, with what has been read of it."""
        for caller in self.callers:
            caller.go_alone()


class OneByOne(Batch):
    """Bodies that are read one by one, and whose arrays are joined."""

    def _take(self, queue: deque[Caller]) -> None:
        before = perf_counter()
        while queue:
            caller = queue[0]
            job = None if caller.is_gone else caller.job or self._read(caller)
            if job is not None:
                if self.jobs and not self._joins(job):
                    return
                assert caller.inputs is not None
                self.session = caller.inputs.session
                self.callers.append(caller)
                self.jobs.append(job)
                self.rows += job.rows
                now = perf_counter()
                caller.decode_s += now - before
                before = now
            queue.popleft()

    def _read(self, caller: Caller) -> Job | None:
        """None for a misfit: refused, with a limit of its own, or of more rows than a run may have."""
        plan = self.plan
        try:
            inputs = plan.decode(caller.body)
            size = checked(plan.model, inputs.session, inputs.feeds)
        except Exception:  # which is told where it is met again
            self.misfits.append(caller)
            return None
        caller.inputs = inputs
        if inputs.timeout_s is not None or size.rows > self._most:
            self.misfits.append(caller)
            return None
        caller.rows = size.instances
        caller.job = Job(inputs.feeds, inputs.fetches, *size)
        return caller.job

    def _joins(self, job: Job) -> bool:
        if not self.plan.model.metadata.joinable or self.rows + job.rows > self._most:
            return False
        return job.joins(self.jobs[0])

    def responses(self, arrays: Sequence[Array]) -> Sequence[Response]:
        inputs = [caller.inputs for caller in self.callers if caller.inputs is not None]
        if len(inputs) == 1:
            return [self.plan.encode(inputs[0], arrays, self.jobs[0].instances)]
        return self.plan.encode_each(inputs, arrays, [job.rows for job in self.jobs])


class Joined(Batch):
    """Bodies that are read as one."""

    def _set(self, inputs: Inputs) -> None:
        self._inputs = inputs
        self.session = inputs.session
        self.jobs = [Job(inputs.feeds, inputs.fetches, self.rows, self.rows)]

    def responses(self, arrays: Sequence[Array]) -> Sequence[Response]:
        count = len(self.callers)
        if count == 1:
            return [self.plan.encode(self._inputs, arrays, self.rows)]
        if not all(array.ndim > 0 and len(array) == self.rows for array in arrays):
            raise ValueError("The model does not answer row by row, though its metadata says so.")
        return self.plan.encode_each([self._inputs] * count, arrays, [caller.rows for caller in self.callers])


class Stacked(Joined):
    """Bodies whose rows stand below each other in one tensor; from the first body on that is none of these, no more."""

    def _take(self, queue: deque[Caller]) -> None:
        before = perf_counter()
        tables: list[Table] = []
        while queue:
            caller = queue[0]
            if not caller.is_gone:
                table = caller.table = caller.table or self.plan.table(caller.body)
                now = perf_counter()
                caller.decode_s += now - before  # of one that is too many for this run as well
                before = now
                if table is None or not 0 < len(table.rows) <= self._most - self.rows:
                    break
                if tables and table.read != tables[0].read:
                    break
                tables.append(table)
                caller.rows = len(table.rows)
                self.rows += caller.rows
                self.callers.append(caller)
            queue.popleft()
        if tables:
            self._read(tables)

    def part(self) -> None:
        for caller in self.callers:
            assert caller.table is not None
            caller.inputs = caller.table.read(caller.table.rows)
        super().part()

    def _read(self, tables: Sequence[Table]) -> None:
        rows = tables[0].rows if len(tables) == 1 else np.concatenate([table.rows for table in tables])
        try:
            self._set(tables[0].read(rows))
        except ServiceError:  # which is told where it is met again
            self.callers, self.misfits = [], self.callers


class BackToBack(Joined):
    """Bodies that are one body when they stand back to back."""

    def _take(self, queue: deque[Caller]) -> None:
        before = perf_counter()
        in_bytes = self.plan.row_bytes
        assert in_bytes is not None
        taken, most = 0, self._most
        callers, bodies = self.callers, []
        while queue:
            caller = queue[0]
            size = len(caller.body)
            rows, rest = (1, 0) if size == in_bytes else divmod(size, in_bytes)
            if caller.is_gone:
                pass
            elif rest or not 0 < rows <= most:
                self.misfits.append(caller)
            elif taken + rows > most:
                break
            else:
                caller.rows = rows
                callers.append(caller)
                bodies.append(caller.body)
                taken += rows
            queue.popleft()
        self.rows = taken
        if bodies:
            self._set(self.plan.decode(bodies[0] if len(bodies) == 1 else b"".join(bodies)))
        decode_s = perf_counter() - before
        for caller in callers:
            caller.decode_s = decode_s
