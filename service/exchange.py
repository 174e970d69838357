"""A request and its answer, as bytes and headers, without any framework: what every handler takes and gives."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from itertools import dropwhile
from time import perf_counter
from typing import Any
from urllib.parse import parse_qsl

from service.codecs import json, media
from service.errors import ServiceError, Unfit
from service.job import Result
from service.model import Model

STAGES = ("decode", "queue", "compute", "encode")


class Timings:
    """Seconds spent in each stage of one request; `ran` says whether there was a run."""

    __slots__ = ("_since", "began", "compute", "decode", "encode", "queue", "ran")

    def __init__(self) -> None:
        self.decode = self.queue = self.compute = self.encode = 0.0
        self.ran = False
        self.began = self._since = perf_counter()

    def begin(self) -> None:
        """The body has been read; the first stage begins."""
        self.began = self._since = perf_counter()

    def decoded(self) -> None:
        """The body has become arrays."""
        self.decode = perf_counter() - self._since

    def took(self, result: Result) -> None:
        """Takes queue and compute from a run; encoding begins now."""
        self.queue, self.compute, self.ran = result.queue_s, result.compute_s, True
        self._since = perf_counter()

    def encoded(self) -> None:
        """The answer is bytes."""
        if self.ran:
            self.encode = perf_counter() - self._since

    def stages(self) -> tuple[float, float, float, float]:
        """In the order of STAGES."""
        return self.decode, self.queue, self.compute, self.encode

    def header(self) -> str:
        """The `Server-Timing` header."""
        return server_timing(self.decode, self.queue, self.compute, self.encode)


def server_timing(decode_s: float, queue_s: float, compute_s: float, encode_s: float) -> str:
    """Milliseconds by stage (https://www.w3.org/TR/server-timing/)."""
    return "decode;dur=%.3f, queue;dur=%.3f, compute;dur=%.3f, encode;dur=%.3f" % (  # noqa: UP031  # half the time
        decode_s * 1e3,
        queue_s * 1e3,
        compute_s * 1e3,
        encode_s * 1e3,
    )


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
    rows: int = 0
    model: Model | None = None
    plan: Any = None  # what its handler has made of its head already,
    inputs: Any = None  # and of its body

    def shorten(self, timeout_s: float) -> None:
        """Takes a limit. It counts from when the request came, and is never longer than the one that holds already."""
        self.timeout_s = timeout_s if self.timeout_s is None else min(timeout_s, self.timeout_s)

    def query(self) -> dict[str, str]:
        """The query's names and values. Raises Unfit where a name comes twice."""
        if not self.query_string:
            return {}
        pairs = parse_qsl(self.query_string, keep_blank_values=True)
        found = dict(pairs)
        if len(found) != len(pairs):
            raise Unfit("The query has the same name twice.")
        return found


@dataclass(slots=True)
class Response:
    """Status, body and headers of an answer; the request id and timings are added on its way out, as headers or, where
    every microsecond counts, as the lines that they come to. What is large stands
    behind the body, as pieces of memory that is not copied. `error` is what the request ended in, for a face that does
    not speak in statuses."""

    body: bytes
    media_type: str = media.JSON
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    error: ServiceError | None = None
    tail: tuple[memoryview, ...] = ()
    lines: bytes = b""

    @property
    def size(self) -> int:
        """Bytes of the body and what stands behind it."""
        return len(self.body) + sum(map(len, self.tail)) if self.tail else len(self.body)

    def whole(self) -> bytes:
        """All of it, copied."""
        return b"".join([self.body, *self.tail])


def answer_json(value: Any, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    """Plain objects and arrays as a JSON answer."""
    return Response(json.dumps(value), media.JSON, status, headers)


def answer_pieces(
    pieces: Sequence[bytes | memoryview], media_type: str, headers: tuple[tuple[str, str], ...] = ()
) -> Response:
    """An answer of bytes that are joined up to the first piece of memory, and not from there on."""
    views = [memoryview(piece) for piece in dropwhile(lambda piece: isinstance(piece, bytes), pieces)]
    body = b"".join(pieces[: len(pieces) - len(views)])
    return Response(body, media_type, headers=headers, tail=tuple(views))


Handler = Callable[[Request], Coroutine[Any, Any, Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """A path and its handler. The handler's docstring and `documentation` (OpenAPI fields) are what `/docs` shows."""

    method: str
    path: str
    handler: Handler
    documentation: Mapping[str, Any] = field(default_factory=dict)
    _: KW_ONLY
    is_admin: bool = False  # changes what is served: needs the admin token, where one is set, and may take long
    is_hot: bool = False  # run without a task around its handler, which so awaits only runs and work done aside
    is_open: bool = False  # needs no token, and is no sign of a caller while draining: probes and pages
