"""The one caller of every handler: lets in, counts, times, and turns errors into answers.

Whatever must hold for each request stands here and not in middleware, so that no way into the service passes it by.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter

from service.codecs import compression
from service.errors import DeadlinePassed, Forbidden, Internal, NotReady, ServiceError, TooLarge, Unauthorized
from service.exchange import Request, Response, Route, answer_json
from service.lifecycle import Lifecycle
from service.metrics import Metrics
from service.model import Model
from service.settings import Settings

log = logging.getLogger("actserve.request")

MAX_ID_LENGTH = 128
_WRONG_ADMIN = "Loading and unloading need the admin token (`--admin-token`), and that is another one."
QUICK_BYTES = 1 << 20  # inflated in a few milliseconds; compressing takes ten times as long

ReadBody = Callable[[], Awaitable[bytes]]


class Disconnected(Exception):
    """The caller left; there is nobody to answer."""


class Front:
    """Answers a request with a route's handler, or with the error it ended in."""

    def __init__(self, settings: Settings, metrics: Metrics, lifecycle: Lifecycle) -> None:
        self._settings = settings
        self._metrics = metrics
        self._lifecycle = lifecycle

    async def answer(self, route: Route, request: Request, read_body: ReadBody) -> Response:
        """Never raises but Disconnected: a fault of ours is a 500 here and a traceback in the log."""
        started = perf_counter()
        self._metrics.in_flight.inc()
        if not route.is_open:
            self._lifecycle.saw_request()
        try:
            response = await self._handle(route, request, read_body)
        except ServiceError as error:
            response = self._refusal(request, error)
        except asyncio.CancelledError:
            if not self._lifecycle.draining:
                self._metrics.errors.labels("disconnected").inc()
                raise Disconnected from None
            # The drain time is over.
            response = self._refusal(request, NotReady("The server stopped before it had the answer."))
        except Disconnected:
            self._metrics.errors.labels("disconnected").inc()
            raise
        except Exception:
            log.exception("unexpected error", extra={"request_id": request.id, "path": request.path})
            response = self._refusal(request, Internal())
        finally:
            self._metrics.in_flight.dec()
        return self._finished(route, request, response, perf_counter() - started)

    async def _handle(self, route: Route, request: Request, read_body: ReadBody) -> Response:
        if not route.is_open:
            self._authorise(route, request.headers)
        if not route.is_admin:
            request.shorten(self._settings.request_timeout_s)
        try:
            async with asyncio.timeout(request.timeout_s) as request.deadline:
                encoded = compression.encodings(request.headers)
                request.body = await read_body()
                request.timings.begin()
                if encoded and request.body:
                    request.body = await self._decompressed(request.body, encoded)
                response = await route.handler(request)
                if len(response.body) > compression.SMALL or "accept-encoding" in request.headers:
                    await _compress(request.headers, response)
                if "compute" in request.timings.seconds:
                    request.timings.end("encode")
                return response
        except TimeoutError as error:
            raise DeadlinePassed(f"No answer within {request.timeout_s:g} s.") from error

    async def _decompressed(self, body: bytes, encoded: tuple[str, ...]) -> bytes:
        """Here where that is quick, which a body so much smaller than what it holds does not tell, else in a thread."""
        limit = self._settings.max_body_bytes
        try:
            return compression.decompress(body, encoded, min(limit, QUICK_BYTES))
        except TooLarge:
            if limit <= QUICK_BYTES:
                raise
        return await asyncio.to_thread(compression.decompress, body, encoded, limit)

    def _authorise(self, route: Route, headers: Mapping[str, str]) -> None:
        """Compares the bearer token, where one is set, in constant time. The admin token opens what the other opens;
        where only the other is set, it opens everything."""
        api, admin = self._settings.api_token, self._settings.admin_token
        allowed = [admin] if route.is_admin and admin else [api, admin] if api else []
        if not allowed:
            return
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthorized("A bearer token is needed.", headers=(("WWW-Authenticate", "Bearer"),))
        given = token.strip().encode()
        if not any(hmac.compare_digest(given, one.get_secret_value().encode()) for one in allowed if one):
            raise Forbidden(_WRONG_ADMIN if allowed == [admin] else "That token is not the one set here.")

    def _refusal(self, request: Request, error: ServiceError) -> Response:
        self._metrics.errors.labels(error.reason).inc()
        level = logging.ERROR if error.status == 500 else logging.INFO
        log.log(level, error.message, extra={"request_id": request.id, "path": request.path, "status": error.status})
        response = answer_json(error.as_dict(), error.status, error.headers)
        response.error = error
        return response

    def _finished(self, route: Route, request: Request, response: Response, duration_s: float) -> Response:
        self._metrics.requests.labels(request.method, route.path, str(response.status)).inc()
        self._metrics.duration.labels(route.path).observe(duration_s)
        self._metrics.stages(request.timings)
        if request.model is not None:
            self._count(request.model, request, response.status == 200)
        if log.isEnabledFor(logging.DEBUG):
            log.debug("answered", extra=_line(request, response, duration_s))
        response.headers += (("X-Request-Id", request.id), ("Server-Timing", request.timings.header()))
        response.headers += self._cross_origin() + (("Connection", "close"),) * self._lifecycle.draining
        return response

    def _count(self, model: Model, request: Request, is_success: bool) -> None:
        seconds = perf_counter() - request.timings.began
        if is_success:
            self._metrics.rows.labels(model.name, model.version).inc(request.rows)
            model.tally.succeeded(request.rows, request.timings.seconds, seconds)
        else:
            model.tally.failed(seconds)

    def _cross_origin(self) -> tuple[tuple[str, str], ...]:
        """What lets a page of the named origin read this answer, https://fetch.spec.whatwg.org/#http-cors-protocol."""
        if self._settings.cors_origin is None:
            return ()
        exposed = "X-Request-Id, Server-Timing, Retry-After"
        return (
            ("Access-Control-Allow-Origin", self._settings.cors_origin),
            ("Access-Control-Expose-Headers", exposed),
            ("Vary", "Origin"),
        )


async def _compress(headers: Mapping[str, str], response: Response) -> None:
    """Compresses an answer where the caller takes that and it gains; errors are left as they are."""
    size = len(response.body)
    if size > compression.SMALL and compression.is_compressible(response.media_type):
        response.headers += (("Vary", "Accept-Encoding"),)
    encoding = compression.wanted(headers, response.media_type, size)
    if encoding is None:
        return
    if size <= QUICK_BYTES // 16:
        found = compression.compress(response.body, encoding)
    else:
        found = await asyncio.to_thread(compression.compress, response.body, encoding)
    if found is not None:
        response.body = found
        response.headers += (("Content-Encoding", encoding),)


def request_id(headers: Mapping[str, str]) -> str:
    """The caller's `X-Request-Id` where it is printable and short, else a new one."""
    sent = headers.get("x-request-id", "")
    return sent if 0 < len(sent) <= MAX_ID_LENGTH and sent.isascii() and sent.isprintable() else secrets.token_hex(16)


def _line(request: Request, response: Response, duration_s: float) -> dict[str, object]:
    return {
        "request_id": request.id,
        "method": request.method,
        "path": request.path,
        "status": response.status,
        "duration_ms": round(duration_s * 1e3, 3),
    }
