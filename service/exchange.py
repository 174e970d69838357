"""A request and its answer, as bytes and headers, without any framework: what every handler takes and gives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any
from urllib.parse import parse_qsl

from service.codecs import json, media
from service.errors import ServiceError, Unfit
from service.model import Model
from service.scheduler import Result

STAGES = ("decode", "queue", "compute", "encode")


@dataclass(slots=True)
class Timings:
    """Seconds spent in each stage of one request."""

    seconds: dict[str, float] = field(default_factory=dict)
    began: float = field(default_factory=perf_counter)
    _since: float = 0.0

    def begin(self) -> None:
        """The body has been read; the first stage begins."""
        self.began = self._since = perf_counter()

    def restart(self) -> None:
        """The next stage begins now."""
        self._since = perf_counter()

    def ran(self, result: Result) -> None:
        """Takes queue and compute from a run; encoding begins now."""
        self.seconds["queue"], self.seconds["compute"] = result.queue_s, result.compute_s
        self.restart()

    def end(self, stage: str) -> None:
        now = perf_counter()
        self.seconds[stage] = now - self._since
        self._since = now

    def header(self) -> str:
        """The `Server-Timing` header, milliseconds (https://www.w3.org/TR/server-timing/)."""
        return ", ".join(f"{stage};dur={self.seconds.get(stage, 0.0) * 1e3:.3f}" for stage in STAGES)


@dataclass(slots=True)
class Request:
    """One request. Header names are lower case; `timeout_s` is its own limit, where it named one; `model` is set by
    the handler that runs one, once it has found it, and `rows` by the run."""

    method: str
    path: str
    query_string: str
    headers: Mapping[str, str]
    id: str
    path_parameters: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    timings: Timings = field(default_factory=Timings)
    timeout_s: float | None = None
    deadline: asyncio.Timeout | None = None
    rows: int = 0
    model: Model | None = None

    def shorten(self, timeout_s: float) -> None:
        """Takes a limit that was found in the body. It counts from when the request came, as every limit does, and is
        never longer than the one that holds already."""
        if self.timeout_s is None or timeout_s < self.timeout_s:
            if self.deadline is not None and self.timeout_s is not None:
                self.deadline.reschedule((self.deadline.when() or 0.0) - self.timeout_s + timeout_s)
            self.timeout_s = timeout_s

    def query(self) -> dict[str, str]:
        """The query's names and values. Raises Unfit where a name comes twice."""
        pairs = parse_qsl(self.query_string, keep_blank_values=True)
        found = dict(pairs)
        if len(found) != len(pairs):
            raise Unfit("The query has the same name twice.")
        return found


@dataclass(slots=True)
class Response:
    """Status, body and headers of an answer; the request id and timings are added on its way out. `error` is what the
    request ended in, for a face that does not speak in statuses."""

    body: bytes
    media_type: str = media.JSON
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    error: ServiceError | None = None


def answer_json(value: Any, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    """Plain objects and arrays as a JSON answer."""
    return Response(json.dumps(value), media.JSON, status, headers)


Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """A path and its handler. The handler's docstring and `documentation` (OpenAPI fields) are what `/docs` shows."""

    method: str
    path: str
    handler: Handler
    documentation: Mapping[str, Any] = field(default_factory=dict)
    is_admin: bool = False  # changes what is served: needs the admin token, where one is set, and may take long
    is_open: bool = False  # needs no token, and is no sign of a caller while draining: probes and pages
