"""Probes and metrics: `/health/*`, the same under `/v2/health/*`, and `/metrics`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from service.errors import Detail, NotReady, ServiceError
from service.exchange import Handler, Request, Response, Route, answer_json
from service.lifecycle import Lifecycle
from service.metrics import CONTENT_TYPE, Metrics
from service.repository import Repository
from service.schemas import described
from service.workers import Content, Workers

PROBLEMS = "problems"
WORKERS_ANSWER_S = 1.0


class Live:
    """200 while the process can answer at all; 503 when a device that failed is lost to it, which nothing but another
    process mends."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    async def __call__(self, request: Request) -> Response:
        """200 while this process should go on."""
        if faults := self._repository.faults():
            raise NotReady(faults[0], *(Detail("models", "a device that works", fault) for fault in faults))
        return answer_json({"live": True})


class Ready:
    """200 when every model that should be served is, in every worker, since the next request may go to any of them, and
    the process is not about to stop; else 503 and why."""

    def __init__(self, repository: Repository, lifecycle: Lifecycle, workers: Workers) -> None:
        self._repository = repository
        self._lifecycle = lifecycle
        self._workers = workers
        workers.on(PROBLEMS, self._own)

    async def __call__(self, request: Request) -> Response:
        """200 when requests should be sent here."""
        retry = (("Retry-After", "5"),)
        if self._lifecycle.draining:
            raise NotReady("The server is stopping; what it has accepted is being answered.", headers=retry)
        if problems := self._repository.problems() or await self._elsewhere():
            details = [Detail("models", "every model loaded", problem) for problem in problems]
            raise NotReady(problems[0], *details, headers=retry)
        return answer_json({"ready": True})

    async def _own(self, question: Content) -> Content:
        return {"problems": self._repository.problems()}

    async def _elsewhere(self) -> list[str]:
        try:
            answers = await self._workers.ask(PROBLEMS, {}, WORKERS_ANSWER_S)
        except ServiceError:  # a worker that is busy is no reason to take all of them out of service
            return []
        return [problem for answer in answers for problem in answer["problems"]]


def _metrics(metrics: Metrics, observe: Callable[[], Awaitable[None]]) -> Handler:
    async def expose(request: Request) -> Response:
        """Prometheus text format, over all workers."""
        await observe()
        return Response(await asyncio.to_thread(metrics.expose), CONTENT_TYPE)  # for a thousand models it takes a while

    return expose


def readiness(summary: str, tag: str) -> dict[str, object]:
    """What `/docs` says about a path that tells readiness."""
    schema = {"type": "object", "required": ["ready"], "properties": {"ready": {"const": True}}}
    return {"summary": summary, "tags": [tag], "responses": described(schema, "Requests should be sent here.")}


def routes(live: Live, ready: Ready, metrics: Metrics, observe: Callable[[], Awaitable[None]]) -> list[Route]:
    """The probes, and the metrics, for which `observe` sets what is not counted as it happens."""
    probes = {"tags": ["operations"]}
    of_protocol = "(Open Inference Protocol)"
    # Hot, so that a busy server does not keep a probe waiting for turn after turn of the event loop.
    found: list[tuple[str, Handler, dict[str, object]]] = [
        ("/health/live", live, probes | {"summary": "Liveness"}),
        ("/health/ready", ready, readiness("Readiness", "operations")),
        ("/v2/health/live", live, probes | {"summary": f"Liveness {of_protocol}"}),
        ("/v2/health/ready", ready, readiness(f"Readiness {of_protocol}", "operations")),
    ]
    about_metrics = probes | {"summary": "Prometheus metrics"}
    return [
        *(Route("GET", path, handler, about, is_open=True, is_hot=True) for path, handler, about in found),
        Route("GET", "/metrics", _metrics(metrics, observe), about_metrics, is_open=True),
    ]
