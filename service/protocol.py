"""uvicorn's HTTP protocol with what it leaves open: how long a request's head may be and take, errors in our shape.

Neither the parser nor uvicorn bounds a head, so one connection could fill the memory with a header that never ends.
"""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from service.codecs import json, media
from service.errors import BadBody
from service.exchange import Timings
from service.front import request_id

MAX_HEAD_BYTES = 1 << 16  # request line and headers


class Protocol(HttpToolsProtocol):
    """One connection. A head has `head_timeout_s` from when the connection opens or the head's first byte comes."""

    head_timeout_s = 30.0
    _head_bytes = 0
    _in_head = False
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("This is not an HTTP request.")
        self._head_bytes = self._head_bytes + len(data) if self._in_head else 0
        if self._head_bytes > MAX_HEAD_BYTES:
            self.send_400_response(f"The head of a request may have {MAX_HEAD_BYTES} bytes.")

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
            self.data_received(b"POST / HTTP/1.1\r\n" + head + b"\r\n" + rest)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._start_head_timer()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_head_timer()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuses what is no HTTP request and closes; requests before it that are complete are answered first."""
        if self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body:
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
            self._head_timer = self.loop.call_later(self.head_timeout_s, self.transport.close)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


def within(seconds: float) -> type[Protocol]:
    """The protocol with a time limit for heads; uvicorn takes a class and makes the connections itself."""
    return type("Protocol", (Protocol,), {"head_timeout_s": seconds})
