"""The ASGI way into the handlers: reads the body within its limit, calls the front, writes the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from starlette.types import Receive, Scope, Send

from service.errors import BadBody, ServiceError, TooLarge
from service.exchange import Request, Response, Route
from service.front import Exchange, Front
from service.ids import request_id

LINGER_S = 2.0
LINGER_BYTES = 1 << 24
PIECE_BYTES = 1 << 20  # of a long answer that is written in pieces


class Disconnected(Exception):
    """The caller left."""


class Endpoint:
    """An ASGI application that answers one route."""

    def __init__(self, route: Route, front: Front, max_body_bytes: int) -> None:
        self.route = route
        self._front = front
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        request = Request(
            scope["method"],
            scope["path"],
            scope["query_string"].decode("latin-1"),
            headers,
            request_id(headers),
            scope.get("path_params", {}),
        )
        body = Body(receive, headers, self._max_body_bytes)
        answer = Answer()
        exchange = self._front.open(self.route, request, answer.set)
        listening = asyncio.create_task(_listen(exchange, body, answer))
        try:
            await answer.is_due.wait()
        except asyncio.CancelledError as error:  # the drain time is over
            exchange.refuse(error)
        listening.cancel()
        if answer.response is not None:
            await _send(send, answer.response, body)


class Answer:
    """Where an exchange leaves its answer; none is there when the caller left before."""

    def __init__(self) -> None:
        self.is_due = asyncio.Event()
        self.response: Response | None = None

    def set(self, response: Response | None) -> None:
        self.response = response
        self.is_due.set()


async def _listen(exchange: Exchange, body: Body, answer: Answer) -> None:
    """Hands the body on when it has come, and after that waits for the caller to leave."""
    try:
        if not exchange.is_over:
            exchange.start(await body.read())
            await body.until_disconnected()
    except Disconnected:
        exchange.leave()
        answer.set(answer.response)
    except ServiceError as error:
        exchange.refuse(error)


class Body:
    """A request's body, refused as soon as it is known to be too long."""

    def __init__(self, receive: Receive, headers: dict[str, str], limit: int) -> None:
        self.is_read = not {"content-length", "transfer-encoding"} & headers.keys()
        self._receive = receive
        self._headers = headers
        self._limit = limit

    async def read(self) -> bytes:
        """All of it. Raises TooLarge before or while it arrives, Disconnected when the caller leaves."""
        declared = self._headers.get("content-length", "0")
        if not declared.isdecimal():
            raise BadBody("`Content-Length` is not a number.")
        if int(declared) > self._limit:
            raise self._too_large(f"{declared} bytes")
        chunks, length = [], 0
        async for chunk in self._chunks():
            length += len(chunk)
            if length > self._limit:
                raise self._too_large("more")
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def until_disconnected(self) -> None:
        """Raises Disconnected when the caller leaves; nothing else can come behind a body."""
        if (await self._receive())["type"] == "http.disconnect":
            raise Disconnected

    async def linger(self) -> None:
        """Takes some of what is still being sent and drops it, so that a caller who reads only after writing finds
        the answer rather than a reset connection (RFC 9112 §9.6)."""
        try:
            async with asyncio.timeout(LINGER_S):
                dropped = 0
                async for chunk in self._chunks():
                    dropped += len(chunk)
                    if dropped > LINGER_BYTES:
                        return
        except (TimeoutError, Disconnected):
            return

    async def _chunks(self) -> Any:
        more = not self.is_read
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            more = message.get("more_body", False)
            self.is_read = not more
            yield message.get("body", b"")

    def _too_large(self, came: str) -> TooLarge:
        return TooLarge(f"The body may have {self._limit} bytes (`--max-body-bytes`); it has {came}.")


def _headers(scope: Scope) -> dict[str, str]:
    """The fields by name; one that comes several times is a list (RFC 9110 §5.3)."""
    found: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


async def _send(send: Send, response: Response, body: Body) -> None:
    headers = [
        (b"content-type", response.media_type.encode()),
        *(((b"content-length", str(response.size).encode()),) if response.status != 204 else ()),
        *((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers),
    ]
    if not body.is_read:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    pieces = list(_pieces(response))
    for index, piece in enumerate(pieces):
        is_last = index == len(pieces) - 1 and body.is_read
        await send({"type": "http.response.body", "body": bytes(piece), "more_body": not is_last})
    if not body.is_read:
        await body.linger()
        await send({"type": "http.response.body", "body": b""})


def _pieces(response: Response) -> Iterator[bytes | memoryview]:
    """What is copied and written one after the other."""
    yield response.body
    for piece in response.tail:
        for start in range(0, len(piece), PIECE_BYTES):
            yield piece[start : start + PIECE_BYTES]
