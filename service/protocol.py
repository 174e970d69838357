"""uvicorn's HTTP protocol with a short way for the requests this service lives from, and with what it leaves open: how
long a request's head may be and take, errors in our shape.

A hot request becomes a turn of its connection, without a task, an ASGI message or a framework. A head that came before,
but for the length it tells, is not even parsed. All else is as uvicorn does it: what is not
hot, is framed unusually, or comes while a request is being answered goes its way, through the application.

Neither the parser nor uvicorn bounds a head, so one connection could fill the memory with a header that never ends.
"""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from service.codecs import json, media
from service.errors import BadBody
from service.exchange import Timings
from service.heads import Head, Heads, without_length
from service.ids import request_id
from service.receiver import Receiver
from service.turn import Beginnings, Turn

MAX_HEAD_BYTES = 1 << 16  # request line and headers
VIEWED_BYTES = 1 << 14  # a longer body of plain values is not copied out of what was read
END = b"\r\n\r\n"
IDLE_STEP_S = 1.0


class Protocol(HttpToolsProtocol):
    """One connection. A head has as long as `made_for` says from when the connection opens or its first byte comes."""

    # CPython 3.11 is slow at attributes that the class has a value for as well.
    __slots__ = (
        "_first",
        "_head_bytes",
        "_head_timeout_s",
        "_head_timer",
        "_heads_read",
        "_idle_since",
        "_in_head",
        "_in_message",
        "_known",
        "beginnings",
        "heads",
    )

    made_with: tuple[Heads, float, Beginnings]
    cycle: Any

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.heads, self._head_timeout_s, self.beginnings = self.made_with
        self._head_bytes = self._heads_read = 0
        self._in_head = self._in_message = False
        self._head_timer: asyncio.TimerHandle | None = None
        self._idle_since = 0.0
        self._known = END, END, 0  # the last head that was known, as bytes; by what it is known; the length it tells
        self._first: Any = None  # the cycle of the first head in the data being parsed

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Who sends no more may still listen: what has come is answered first."""
        if self._is_free or self._in_message:
            return False
        self.cycle.keep_alive = False
        return True

    def data_received(self, data: bytes) -> None:
        cycle = self.cycle
        if self._in_message or not (cycle is None or cycle.response_complete):
            self._parse(data)
            return
        raw, key, length = self._known
        if data.startswith(raw):  # most often it is the head that this connection had before
            head = self.heads.known.get(key)
        else:
            head = self._recognise(data)
            raw, _, length = self._known
        if head is not None:
            end = len(raw)
            if len(data) <= end + length:
                if self._head_timer is not None:
                    self._stop_head_timer()
                if type(cycle) is Turn and cycle.exchange is None:
                    turn = cycle
                    turn.begin(head)
                else:
                    self.cycle = turn = Turn(self, head)
                if len(data) == end + length:
                    is_viewed = length > VIEWED_BYTES and head.plan is not None and head.plan.row_bytes is not None
                    turn.start(cast(bytes, memoryview(data)[end:]) if is_viewed else data[end:])
                else:
                    turn.open()
                    Receiver(self, self.transport, turn, length, data[end:])
                return
        self._heads_read = 0
        self._parse(data)
        if self._heads_read and isinstance(self._first, Turn):
            self.heads.remember(data[: data.find(END) + len(END)], self._first.head, len(self.headers))
        if self._in_message and isinstance(self.cycle, Turn) and not self.cycle.response_complete:
            self._receive_rest(self.cycle)

    def _recognise(self, data: bytes) -> Head | None:
        """The head in the data, where it is one that came before."""
        raw = data[: data.find(END) + len(END)]
        key, length = without_length(raw)
        head = self.heads.known.get(key) if 0 <= length <= self.heads.max_body_bytes else None
        if head is not None:
            self._known = raw, key, length
        return head

    def _receive_rest(self, turn: Turn) -> None:
        """The parser would copy the rest of the body once more; another is ready for what comes behind it."""
        self._in_message = False
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn sets up its own
        Receiver(self, self.transport, turn, turn.head.length, b"".join(turn.chunks))

    @property
    def _is_free(self) -> bool:
        """True when no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _parse(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("This is not an HTTP request.")
        self._head_bytes = self._head_bytes + len(data) if self._in_head else 0
        if self._head_bytes > MAX_HEAD_BYTES:
            self.send_400_response(f"The head of a request may have {MAX_HEAD_BYTES} bytes.")
        elif self._in_head:
            self._start_head_timer()

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Answers as if no other protocol had been offered (RFC 9110 §7.8), as Java's own client does with each first
        request. httptools takes what follows for that protocol, so another parser reads it as the body it is."""
        self.cycle.keep_alive = False
        framing = [header for header in self.headers if header[0] in (b"content-length", b"transfer-encoding")]
        if framing and not self.cycle.response_complete:
            self.cycle.more_body = True
            body = SimpleNamespace(on_body=self.on_body, on_message_complete=self.on_message_complete)
            self.parser = httptools.HttpRequestParser(body)
            head = b"".join(b"%b: %b\r\n" % header for header in framing)
            self._parse(b"POST / HTTP/1.1\r\n" + head + b"\r\n" + rest)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = self._in_message = True

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_head_timer()
        head = self._hot_head() if self._is_free else None
        if head is None:
            super().on_headers_complete()
        else:
            self.cycle = turn = Turn(self, head)
            turn.open()
        self._heads_read += 1
        if self._heads_read == 1:
            self._first = self.cycle

    def _hot_head(self) -> Head | None:
        parser = self.parser
        if parser.get_http_version() != "1.1":
            return None
        if parser.should_upgrade() or not parser.should_keep_alive():
            return None
        return self.heads.read(parser.get_method(), self.url, self.headers)

    def on_body(self, body: bytes) -> None:
        if isinstance(self.cycle, Turn):
            self.cycle.chunks = (*self.cycle.chunks, body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_message = False
        if isinstance(self.cycle, Turn):
            chunks = self.cycle.chunks
            self.cycle.start(chunks[0] if len(chunks) == 1 else b"".join(chunks))
        else:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """As uvicorn's, but that the timer of an idle connection is set once and looks for itself."""
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self._idle_since = self.loop.time()
        if self.flow.read_paused and not self.flow.write_paused:
            self.flow.resume_reading()
        if self.timeout_keep_alive_task is None:
            self._look_at_idleness()

    def _look_at_idleness(self) -> None:
        left_s = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left_s <= 0 and self._is_free and not self._in_message:
            self.transport.close()
        elif not self.transport.is_closing():
            wait_s = max(left_s, IDLE_STEP_S)
            self.timeout_keep_alive_task = self.loop.call_later(wait_s, self._look_at_idleness)

    def pause_writing(self) -> None:
        """Who does not read its answers is asked nothing more."""
        super().pause_writing()
        self.flow.pause_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.flow.resume_reading()

    def send_400_response(self, msg: str) -> None:
        """Refuses what is no HTTP request and closes; requests before it that are complete are answered first."""
        if not self._is_free and not self.cycle.more_body:
            self.cycle.keep_alive = False
            self.flow.pause_reading()
            return
        body = json.dumps(BadBody(msg).as_dict())
        headers = {
            "content-type": media.JSON,
            "content-length": str(len(body)),
            "x-request-id": request_id({}),
            "server-timing": Timings().header(),
            "connection": "close",
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.transport.write(STATUS_LINE[400] + lines.encode() + b"\r\n" + body)
        self.transport.close()

    def _start_head_timer(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self._head_timeout_s, self.transport.close)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


def made_for(heads: Heads, head_timeout_s: float) -> type[Protocol]:
    """The protocol with what it needs; uvicorn takes a class and makes the connections itself."""
    return type("Protocol", (Protocol,), {"__slots__": (), "made_with": (heads, head_timeout_s, Beginnings())})
