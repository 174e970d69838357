"""One connection of the load: a request out, its answer in, whole or not at all."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import NamedTuple, Protocol

import httptools

CLOSED, INCOMPLETE, UNBOUNDED, MALFORMED, TIMEOUT = "closed", "incomplete", "unbounded", "malformed", "timeout"


class Request(NamedTuple):
    """All of its bytes, and how many rows they carry, where that is known."""

    data: bytes
    rows: int | None


class Answer(NamedTuple):
    """A whole answer. Times are of `perf_counter`; `timing` is what `Server-Timing` says; `received` counts bytes."""

    request: Request
    due: float
    sent: float
    came: float
    status: int
    timing: bytes
    received: int


class Owner(Protocol):
    """Whom a connection tells what becomes of it."""

    def free(self, connection: Connection) -> None:
        """It may send."""

    def answered(self, answer: Answer) -> None:
        """The request under way is answered. When this comes, the next may be under way already."""

    def failed(self, due: float, kind: str) -> None:
        """The request that was due then will have no answer."""

    def gone(self, connection: Connection) -> None:
        """It is closed."""


class Connection(asyncio.Protocol):
    """Has one request under way at most."""

    def __init__(self, owner: Owner) -> None:
        self.request: Request | None = None
        self.due = self.sent = 0.0
        self.was_ended_here = False
        self._owner = owner
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport
        self._timing = b""
        self._status = self._received = self._answers = 0
        self._in_message = self._has_length = self._closes = False
        self._loss = CLOSED  # what it would be if the connection closed now

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # asyncio's, of a stream
        self._owner.free(self)

    def send(self, request: Request, due: float) -> None:
        """Sends a request, which was due at a time of `perf_counter` that may have passed."""
        self.request, self.due = request, due
        self._timing = b""
        self._received = self._answers = 0
        self._has_length = False
        self._loss = CLOSED
        self.sent = perf_counter()
        self._transport.write(request.data)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.end(MALFORMED)
            return
        if self.request is None or self._answers > 1 or (self._answers and self._in_message):
            self.end(MALFORMED)  # more than was asked for: perhaps an answer that is longer than it says
        elif self._answers:
            self._take(self.request)

    def _take(self, request: Request) -> None:
        answer = Answer(request, self.due, self.sent, perf_counter(), self._status, self._timing, self._received)
        self.request = None
        if self._closes:
            self._transport.close()
        else:
            self._owner.free(self)
        self._owner.answered(answer)

    def end(self, kind: str) -> None:
        """Gives up the connection and with it the request under way, for a reason that is counted. What comes while
        there is none has spoilt the answer before."""
        has_failed = self.request is not None or kind == MALFORMED
        self.abandon()
        if has_failed:
            self._owner.failed(self.due, kind)

    def abandon(self) -> None:
        """Closes it without a word."""
        self.was_ended_here = True
        self.request = None
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.request is not None:
            self.request = None
            self._owner.failed(self.due, self._loss)
        self._owner.gone(self)

    # What httptools calls:

    def on_message_begin(self) -> None:
        self._in_message = True
        self._loss = INCOMPLETE

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"server-timing":
            self._timing = value
        elif name in (b"content-length", b"transfer-encoding"):
            self._has_length = True

    def on_headers_complete(self) -> None:
        if not self._has_length:
            self._loss = UNBOUNDED

    def on_message_complete(self) -> None:
        """Those below 200 only announce an answer (RFC 9110 §15.2)."""
        self._in_message = False
        self._status = self._parser.get_status_code()
        if self._status >= 200:
            self._answers += 1
            self._closes = not self._parser.should_keep_alive()
