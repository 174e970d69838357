"""A hot request on its connection, and its answer as bytes."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Any, Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from service.batch import Caller
from service.errors import ServiceError
from service.exchange import Response
from service.front import CLOSE, Exchange, request_id
from service.heads import Head, Heads

JOINED_BYTES = 1 << 14  # a longer body is written by itself: copying it behind the head costs more
LINGER_S = 2.0

Headers = list[tuple[bytes, bytes]]


class Beginnings:
    """How heads of answers begin: the status, and the headers that uvicorn makes anew each second."""

    def __init__(self) -> None:
        self._made_of: Headers = []
        self._known: dict[int, bytes] = {}

    def of(self, status: int, default_headers: Headers) -> bytes:
        if self._made_of is not default_headers:
            self._made_of = default_headers
            self._known.clear()
        found = self._known.get(status)
        if found is None:
            lines = [b"%b: %b\r\n" % header for header in default_headers]
            found = self._known[status] = b"".join([STATUS_LINE[status], *lines])
        return found


def _head(response: Response, beginning: bytes, closes: bool) -> bytes:
    lines = "".join([f"{name.lower()}: {value}\r\n" for name, value in response.headers]) + response.lines
    end = "connection: close\r\n\r\n" if closes else "\r\n"
    fields = f"content-type: {response.media_type}\r\ncontent-length: {response.size}\r\n{lines}{end}"
    return beginning + fields.encode("latin-1")


class Connection(Protocol):
    """What a turn needs of the connection that it is on."""

    heads: Heads
    beginnings: Beginnings
    transport: Any
    loop: asyncio.AbstractEventLoop
    server_state: Any

    def on_response_complete(self) -> None:
        """The answer has been written."""


class Turn(Caller):
    """A hot request on its connection. It stands where uvicorn keeps the cycle of the request being answered, and has
    what uvicorn asks of one."""

    __slots__ = ("_connection", "_exchange", "chunks", "head", "keep_alive", "more_body", "response_complete")

    def __init__(self, connection: Connection, head: Head) -> None:
        super().__init__(request_id(head.headers))
        self.head = head
        self.chunks: list[bytes] = []
        self.more_body = True
        self.keep_alive = True
        self.response_complete = False
        self._connection = connection
        self._exchange: Exchange | None = None

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
        if self._exchange is None:
            self._connection.heads.front.lost()
        else:
            self._exchange.leave()
        self._let_go()

    def open(self) -> Exchange:
        """From now on it is under way as a single request; without its body, if that is still to come."""
        if self._exchange is None:
            head = self.head
            front = self._connection.heads.front
            self._exchange = front.open(head.route, head.request(self.request_id), self.write, self.began)
        return self._exchange

    def start(self, body: bytes) -> None:
        """The body is complete."""
        self.more_body = False
        self.body = body
        if self.response_complete:  # refused while the body came
            self._connection.transport.close()
        elif self.head.plan is None:
            self.go_alone()
        else:
            self.arrived = perf_counter()
            self._connection.heads.bursts.add(self.head.plan, self)

    def go_alone(self) -> None:
        exchange = self.open()
        if not exchange.is_over:
            plan = self.head.plan
            exchange.request.plan = plan if plan is not None and plan.holds() else None
            exchange.request.inputs = self.inputs
            exchange.start(self.body)

    def refuse(self, error: ServiceError) -> None:
        self.open().refuse(error)

    def reply(self, response: Response) -> None:
        if self._exchange is not None:
            self._exchange.withdraw()
        self.write(response)

    def write(self, response: Response) -> None:
        """Writes the answer; behind one that came before the body did, the connection is closed."""
        connection = self._connection
        transport = connection.transport
        self.response_complete = True
        self._let_go()
        if transport.is_closing():
            return
        says_so = CLOSE in response.headers
        is_last = says_so or not self.keep_alive or self.more_body
        beginning = connection.beginnings.of(response.status, connection.server_state.default_headers)
        head = _head(response, beginning, is_last and not says_so)
        if response.size <= JOINED_BYTES:
            transport.write(head + response.body)
        else:
            transport.write(head)
            transport.write(response.body)
            for piece in response.tail:
                transport.write(piece)
        if self.more_body:
            connection.loop.call_later(LINGER_S, transport.close)
        elif is_last:
            transport.close()
        connection.on_response_complete()

    def _let_go(self) -> None:
        """The connection keeps its last turn for as long as it is idle, and so none of what was in it."""
        self.body, self.chunks, self.inputs, self.job = b"", [], None, None
        if self._exchange is not None:
            self._exchange.let_go()
