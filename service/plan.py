"""What a request for a run is, once its head is read: a plan. And the handler that carries plans out.

A plan is settled from the head alone (model, media types, form of the answer), so requests that ask for the same share
one, and what arrives together can be answered together. Its bodies become arrays and its arrays answers here and
nowhere else, whichever way a request takes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import inf
from typing import NamedTuple

from service.engine import Engine, aside
from service.errors import ServiceError
from service.exchange import Request, Response
from service.model import Model
from service.repository import Repository
from service.session import Session
from service.tensors import Array


@dataclass(slots=True)
class Inputs:
    """A body as arrays, and the outputs it asks for; `timeout_s` is a limit of its own. Plans add what they need to
    write the answer."""

    session: Session
    feeds: Mapping[str, Array]
    fetches: tuple[str, ...]
    timeout_s: float | None


class Table(NamedTuple):
    """The rows of a plain body, and what makes of them, or of those of several bodies below each other, what `decode`
    gives. It raises Unfit; where it is equal, they may be one tensor."""

    rows: Array
    read: Callable[[Array], Inputs]


class Plan(ABC):
    """How requests of one kind are read and answered. `headers` are those named in PLANNED, `path` is the route's."""

    model: Model

    def __init__(self, repository: Repository, headers: Mapping[str, str]) -> None:
        self.repository = repository
        self.headers = headers
        self.path = ""
        self.row_bytes: int | None = None
        """Bytes of a row of a body, where several bodies back to back are one body."""
        self.bytes_per_row = inf
        """Of the last body that was answered together with others."""
        self.is_stackable = False
        """Whether the rows of several bodies may be one tensor."""
        self._held_at = -1

    def holds(self) -> bool:
        """Whether a new plan would be the same: false once another model answers to that name, or none."""
        swaps = self.repository.swaps
        if self._held_at != swaps:
            try:
                holds = self.find() is self.model
            except ServiceError:
                holds = False
            if not holds:
                return False
            self._held_at = swaps
        return True

    @abstractmethod
    def find(self) -> Model:
        """The model that answers now to the name that was asked for."""

    @abstractmethod
    def decode(self, body: bytes) -> Inputs:
        """Raises BadBody or Unfit. Whether the arrays fit the graph is checked later."""

    def table(self, body: bytes) -> Table | None:
        """None of a body that only `decode` can read."""
        return None

    @abstractmethod
    def encode(self, inputs: Inputs, arrays: Sequence[Array], rows: int) -> Response:
        """The answer made of what was fetched."""

    def encode_each(self, inputs: Sequence[Inputs], arrays: Sequence[Array], rows: Sequence[int]) -> Sequence[Response]:
        """The answers to several callers whose rows stand one behind the other in what was fetched."""
        ends = accumulate(rows)
        return [
            self.encode(one, [array[end - count : end] for array in arrays], count)
            for one, end, count in zip(inputs, ends, rows, strict=True)
        ]

    def effort(self, inputs: Inputs, arrays: Sequence[Array]) -> int:
        """What encoding costs, in bytes that are written in the same time."""
        return sum(array.nbytes for array in arrays)


class Inference(ABC):
    """The handler of a route that runs models."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @abstractmethod
    def plan(self, request: Request) -> Plan:
        """From the path, the query and the headers named in PLANNED. Sets the request's model as soon as it is known.

        Raises what a request of that head is refused with."""

    async def __call__(self, request: Request) -> Response:
        plan: Plan = request.plan or self.plan(request)
        request.model = plan.model
        inputs: Inputs | None = request.inputs
        if inputs is None:
            inputs = await aside(len(request.body), plan.decode, request.body)
            request.timings.decoded()
        if inputs.timeout_s is not None:
            request.shorten(inputs.timeout_s)
        arrays = await self._engine.infer(request, plan.model, inputs.session, inputs.feeds, inputs.fetches)
        return await aside(plan.effort(inputs, arrays), plan.encode, inputs, arrays, request.rows)


PLANNED = ("content-type", "content-encoding", "accept", "accept-encoding", "inference-header-content-length")
