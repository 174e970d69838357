"""A hot request on its connection, and its answer as bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import perf_counter
from typing import Any, Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from service.batch import Caller
from service.errors import ServiceError
from service.exchange import Response
from service.front import CLOSE, Exchange
from service.heads import Head, Heads
from service.ids import new_id

JOINED_BYTES = 1 << 14  # a longer body is written by itself: copying it behind the head costs more
LINGER_S = 2.0
LAST = b"connection: close\r\n"
NOTHING: tuple[bytes, ...] = ()

Headers = list[tuple[bytes, bytes]]


class Beginnings:
    """How heads of answers begin, up to the length of the body: the status, the headers that uvicorn makes anew each
    second, the media type."""

    def __init__(self) -> None:
        self._made_of: Headers = []
        self._known: dict[tuple[int, str], bytes] = {}

    def of(self, status: int, media_type: str, default_headers: Headers) -> bytes:
        if self._made_of is not default_headers:
            self._made_of = default_headers
            self._known.clear()
        found = self._known.get((status, media_type))
        if found is None:
            lines = [b"%b: %b\r\n" % header for header in default_headers]
            media = b"content-type: %b\r\ncontent-length: " % media_type.encode("latin-1")
            found = self._known[status, media_type] = b"".join([STATUS_LINE[status], *lines, media])
        return found


def _fields(response: Response) -> bytes:
    return "".join([f"{name.lower()}: {value}\r\n" for name, value in response.headers]).encode("latin-1")


class Connection(Protocol):
    """What a turn needs of the connection that it is on."""

    heads: Heads
    beginnings: Beginnings
    transport: Any
    connections: set[Any]
    loop: asyncio.AbstractEventLoop
    server_state: Any

    def on_response_complete(self) -> None:
        """The answer has been written."""


class Turn(Caller):
    """A hot request on its connection. It stands where uvicorn keeps the cycle of the request being answered, and has
    what uvicorn asks of one."""

    __slots__ = ("_connection", "chunks", "exchange", "head", "keep_alive", "more_body", "response_complete")

    def __init__(self, connection: Connection, head: Head) -> None:
        super().__init__("")
        self.chunks: Sequence[bytes] = NOTHING
        self.exchange: Exchange | None = None
        self._connection = connection
        self.begin(head)

    def begin(self, head: Head) -> None:
        """From now on it is another request; one that had no exchange has left nothing behind."""
        self.request_id = head.request_id or new_id()
        self.began = self.arrived = perf_counter()
        self.is_gone = self.response_complete = False
        self.decode_s = 0.0
        self.head = head
        self.more_body = self.keep_alive = True

    @property
    def message_event(self) -> Turn:
        return self

    def set(self) -> None:
        """Nobody waits for a message: what comes is told at once."""

    @property
    def disconnected(self) -> bool:
        return self.is_gone

    @disconnected.setter
    def disconnected(self, _: bool) -> None:
        self.is_gone = True
        if self.exchange is None:
            self._connection.heads.front.lost()
        else:
            self.exchange.leave()
        self._let_go()

    def open(self) -> Exchange:
        """From now on it is under way as a single request; without its body, if that is still to come."""
        if self.exchange is None:
            head = self.head
            front = self._connection.heads.front
            self.exchange = front.open(head.route, head.request(self.request_id), self.reply, self.began)
        return self.exchange

    def start(self, body: bytes) -> None:
        """The body is complete."""
        self.more_body = False
        self.body = body
        if self.response_complete:  # refused while the body came
            self._connection.transport.close()
        elif (plan := self.head.plan) is None:
            self.go_alone()
        else:
            if self.exchange is not None:  # its body came later than its head
                self.arrived = perf_counter()
            connection = self._connection
            connection.heads.bursts.add(plan, self, len(connection.connections) == 1)

    def go_alone(self) -> None:
        exchange = self.open()
        if not exchange.is_over:
            plan = self.head.plan
            exchange.request.plan = plan if plan is not None and plan.holds() else None
            exchange.request.inputs, exchange.request.timings.decode = self.inputs, self.decode_s
            body, self.body = self.body, b""
            exchange.start(body)

    def refuse(self, error: ServiceError) -> None:
        exchange = self.open()
        exchange.request.body, self.body = self.body, b""
        exchange.refuse(error)

    def reply(self, response: Response) -> None:
        """Writes the answer; behind one that came before the body did, the connection is closed."""
        connection = self._connection
        transport = connection.transport
        self.response_complete = True
        self.body, self.chunks, self.inputs, self.job, self.table = b"", NOTHING, None, None, None
        if self.exchange is not None:
            self.exchange.let_go()
        if transport.is_closing():
            return
        is_last = not self.keep_alive or self.more_body
        lines = response.lines
        if is_last or response.headers:
            says_so = CLOSE in response.headers
            lines = _fields(response) + lines + (LAST if is_last and not says_so else b"")
            is_last |= says_so
        state = connection.server_state
        beginning = connection.beginnings.of(response.status, response.media_type, state.default_headers)
        body = response.body
        if response.tail or len(body) > JOINED_BYTES:
            transport.writelines([b"%b%d\r\n%b\r\n" % (beginning, response.size, lines), body, *response.tail])
        else:
            transport.write(b"%b%d\r\n%b\r\n%b" % (beginning, len(body), lines, body))
        if self.more_body:
            connection.loop.call_later(LINGER_S, transport.close)
        elif is_last:
            transport.close()
        connection.on_response_complete()

    def _let_go(self) -> None:
        """The connection keeps its last turn for as long as it is idle, and so none of what was in it."""
        self.body, self.chunks, self.inputs, self.job, self.table = b"", NOTHING, None, None, None
        if self.exchange is not None:
            self.exchange.let_go()
