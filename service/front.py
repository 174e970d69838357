"""The one caller of every handler: lets in, counts, times, and turns errors into answers.

Whatever must hold for each request stands here and not in middleware, so that no way into the service passes it by.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from time import perf_counter
from typing import Any

from service import wrapping
from service.errors import DeadlinePassed, Internal, NotReady, QueueFull, ServiceError
from service.exchange import Request, Response, Route, answer_json
from service.lifecycle import Lifecycle
from service.metrics import Metrics
from service.model import Model
from service.refusals import Refusals
from service.settings import Settings
from service.statistics import Together
from service.tokens import Tokens

log = logging.getLogger("actserve.request")

CLOSE = ("Connection", "close")
LATE_S = 0.02  # how late a passed deadline may be seen: one timer looks after those of all requests

Deliver = Callable[[Response], None]
Fields = tuple[tuple[str, str], ...]


class Front:
    """Answers requests with their routes' handlers, or with the errors they ended in."""

    def __init__(self, settings: Settings, metrics: Metrics, lifecycle: Lifecycle) -> None:
        self.metrics = metrics
        self.lifecycle = lifecycle
        self.under_way: set[Exchange] = set()
        self.refusals = Refusals()
        self.limit_s = settings.request_timeout_s
        self._max_body_bytes = settings.max_body_bytes
        self._is_watching = False
        self.tokens = Tokens(settings.api_token, settings.admin_token)
        self._cross_origin = _cross_origin(settings.cors_origin)
        lines = "".join(f"{name.lower()}: {value}\r\n" for name, value in self._cross_origin)
        self._cross_origin_lines = lines.encode("latin-1").replace(b"%", b"%%")

    @property
    def is_plain(self) -> bool:
        """Whether answers need no more than those that are answered together get: no log, no word that it is over."""
        return not self.lifecycle.draining and not log.isEnabledFor(logging.DEBUG)

    def open(self, route: Route, request: Request, deliver: Deliver, began: float | None = None) -> Exchange:
        """A request whose head has come, at `began` or just now. One that may not come in is answered before this
        returns."""
        if not route.is_admin:
            request.shorten(self.limit_s)
        exchange = Exchange(self, route, request, deliver, began)
        self.under_way.add(exchange)
        if not self._is_watching:
            self._watch()
        if not route.is_open:
            self.lifecycle.saw_request()
            try:
                self.tokens.check(request.headers, is_admin=route.is_admin)
            except ServiceError as error:
                exchange.refuse(error)
        return exchange

    async def answer(self, route: Route, request: Request, body: bytes) -> Response:
        """The answer to a request that is there as a whole. A caller who is cancelled has left, but for one whom the
        server cancels when the drain time is over."""
        answered = asyncio.Event()
        answers: list[Response] = []

        def deliver(response: Response) -> None:
            answers.append(response)
            answered.set()

        exchange = self.open(route, request, deliver)
        if not exchange.is_over:
            exchange.start(body)
        try:
            await answered.wait()
        except asyncio.CancelledError as error:
            if not self.lifecycle.draining:
                exchange.leave()
                raise
            exchange.refuse(error)
        return answers[0]

    def _watch(self) -> None:
        """Ends what has passed its deadline: the common one, or a shorter one of its own."""
        now = perf_counter()
        for exchange in list(self.under_way):
            limit_s = exchange.request.timeout_s
            if limit_s is not None and now - exchange.started >= limit_s:
                exchange.expire(limit_s)
        self._is_watching = bool(self.under_way)
        if self._is_watching:
            asyncio.get_running_loop().call_later(LATE_S, self._watch)

    async def handle(self, route: Route, request: Request) -> Response:
        """The handler's answer, with what HTTP may have wrapped around both bodies."""
        await wrapping.unwrap(request, self._max_body_bytes)
        response = await route.handler(request)
        await wrapping.wrap(request, response)
        request.timings.encoded()
        return response

    def refusal(self, request: Request, error: ServiceError) -> Response:
        self.metrics.errors.labels(error.reason).inc()
        level = logging.ERROR if error.status == 500 else logging.INFO
        log.log(level, error.message, extra={"request_id": request.id, "path": request.path, "status": error.status})
        response = answer_json(error.as_dict(), error.status, error.headers)
        response.error = error
        return response

    def finished(self, route: Route, request: Request, response: Response, duration_s: float) -> None:
        """Counts an answer and gives it the headers that every one has."""
        self.metrics.answered(route, request, response.status, duration_s)
        if request.model is not None:
            timings = request.timings
            seconds = perf_counter() - timings.began
            request.model.tally.answered(request.rows, timings, seconds, response.status == 200)
        if log.isEnabledFor(logging.DEBUG):
            log.debug("answered", extra=_line(request, response, duration_s))
        response.headers += self.fields(request.id, request.timings.header())
        if self.lifecycle.draining:
            response.headers += (CLOSE,)

    def lost(self) -> None:
        """Counts a caller who left before the answer."""
        self.metrics.errors.labels("disconnected").inc()

    def answered_together(self, path: str, model: Model, times: Together) -> None:
        """Counts answers that went well; they have their headers already."""
        self.lifecycle.saw_request()
        self.metrics.answered_together(path, model, times)
        model.tally.answered_together(times)

    def fields(self, request_id: str, timing: str) -> Fields:
        """What every answer carries."""
        return (("X-Request-Id", request_id), ("Server-Timing", timing), *self._cross_origin)

    def lines(self, compute_s: float, encode_s: float) -> bytes:
        """The same as it is written, for answers of one run: a request's id and its milliseconds of decoding and
        waiting are still to be put in, by `%`."""
        rest = b", compute;dur=%.3f, encode;dur=%.3f\r\n" % (compute_s * 1e3, encode_s * 1e3)
        return b"x-request-id: %b\r\nserver-timing: decode;dur=%.3f, queue;dur=%.3f" + rest + self._cross_origin_lines


class Exchange:
    """One request under way. It is answered once, through `deliver`, unless its caller leaves before."""

    __slots__ = ("_coroutine", "_deliver", "_front", "_task", "is_over", "request", "route", "started")

    def __init__(
        self, front: Front, route: Route, request: Request, deliver: Deliver, began: float | None = None
    ) -> None:
        self.route = route
        self.request = request
        self.is_over = False
        self._front = front
        self._deliver = deliver
        self._coroutine: Coroutine[Any, Any, Response] | None = None
        self._task: asyncio.Task[None] | None = None
        self.started = perf_counter() if began is None else began

    def start(self, body: bytes) -> None:
        """The body is there: runs the handler, up to the point where it waits for something."""
        self.request.body = body
        self.request.timings.begin()
        coroutine = self._front.handle(self.route, self.request)
        if self.route.is_hot:
            self._coroutine = coroutine
            self._step()
        else:
            self._task = asyncio.get_running_loop().create_task(self._in_task(coroutine))

    def _step(self, _: object = None) -> None:
        """Runs the handler on, without a task around it: that would cost more than what most of them do."""
        if self.is_over:
            return
        try:
            awaited = self._coroutine.send(None)  # type: ignore[union-attr]
        except StopIteration as end:
            self._end(end.value)
        except BaseException as error:
            self.refuse(error)
        else:
            awaited.add_done_callback(self._step)

    async def _in_task(self, coroutine: Coroutine[Any, Any, Response]) -> None:
        try:
            self._end(await coroutine)
        except BaseException as error:
            self.refuse(error)

    def refuse(self, error: BaseException) -> None:
        """Answers with what went wrong: the request's fault, or ours."""
        if self.is_over:
            return
        if isinstance(error, asyncio.CancelledError):
            error = NotReady("The server stopped before it had the answer.")
        elif not isinstance(error, ServiceError):
            extra = {"request_id": self.request.id, "path": self.request.path}
            log.error("unexpected error", exc_info=error, extra=extra)
            error = Internal()
        response = self._front.refusal(self.request, error)
        if isinstance(error, QueueFull):
            self._hold(response, self._front.refusals.hold_s(len(self.request.body)))
        else:
            self._answer(response)

    def _hold(self, response: Response, seconds: float) -> None:
        """Gives an answer later, and keeps nothing of the request meanwhile."""
        if seconds:
            self.request.body, self.request.inputs = b"", None
            asyncio.get_running_loop().call_later(seconds, self._answer_late, response)
        else:
            self._answer(response)

    def _answer_late(self, response: Response) -> None:
        if not self.is_over:
            self._answer(response)

    def expire(self, limit_s: float) -> None:
        """The deadline has passed: whatever it waits for is given up."""
        self.refuse(DeadlinePassed(f"No answer within {limit_s:g} s."))
        self._give_up()

    def leave(self) -> None:
        """The caller has left: nothing more is done for it."""
        if not self.is_over:
            self._close()
            self._front.lost()
            self._give_up()

    def _give_up(self) -> None:
        if self._task is not None:
            self._task.cancel()
        elif self._coroutine is not None:
            self._coroutine.close()

    def _end(self, response: Response) -> None:
        limit_s = self.request.timeout_s
        if limit_s is not None and perf_counter() - self.started > limit_s:
            self.expire(limit_s)
        elif not self.is_over:
            self._answer(response)

    def _answer(self, response: Response) -> None:
        self._close()
        try:
            try:
                self._front.finished(self.route, self.request, response, perf_counter() - self.started)
            finally:  # a caller waits, whatever became of the counting
                self._deliver(response)
        except Exception:  # of this one caller; others are answered in the same turn
            log.exception("an answer could not be given", extra={"request_id": self.request.id})

    def let_go(self) -> None:
        """Its answer is given, whoever gave it: keeps nothing of what was in its body."""
        self._close()
        self._coroutine = None
        self.request.body, self.request.inputs = b"", None

    def _close(self) -> None:
        self.is_over = True
        self._front.under_way.discard(self)


def _cross_origin(origin: str | None) -> Fields:
    """What lets a page of the named origin read an answer, https://fetch.spec.whatwg.org/#http-cors-protocol."""
    if origin is None:
        return ()
    exposed = "X-Request-Id, Server-Timing, Retry-After"
    return (("Access-Control-Allow-Origin", origin), ("Access-Control-Expose-Headers", exposed), ("Vary", "Origin"))


def _line(request: Request, response: Response, duration_s: float) -> dict[str, object]:
    return {
        "request_id": request.id,
        "method": request.method,
        "path": request.path,
        "status": response.status,
        "duration_ms": round(duration_s * 1e3, 3),
    }
