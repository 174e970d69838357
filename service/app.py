"""Puts the parts together; the only place where that is done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request as StarletteRequest
from starlette.routing import Route as StarletteRoute

from service.agreement import Agreement
from service.asgi import Endpoint
from service.burst import Bursts
from service.codecs import media
from service.control import Control
from service.copies import Copies
from service.diagnosis.examiner import Examiner
from service.diagnosis.observers import Observers
from service.engine import Engine
from service.errors import MethodNotAllowed, NotFound, ServiceError
from service.exchange import Handler, Request, Response, Route
from service.front import Front
from service.heads import Heads
from service.introspection import Introspection
from service.ledger import Ledger
from service.lifecycle import Lifecycle
from service.live.collector import Activations
from service.live.live import Live
from service.metrics import Metrics
from service.model import Model
from service.polling import BusyPolling
from service.repository import Repository
from service.rounds import Rounds
from service.routes import (
    activate,
    activations,
    catalogue,
    curve,
    diagnose,
    explorer,
    health,
    kserve_v1,
    models,
    open_inference,
    pages,
    platforms,
    predict,
    weights,
)
from service.routes import repository as repository_control
from service.scheduler import Scheduler
from service.session import Runtime
from service.settings import Settings
from service.vetting import Vetting
from service.workers import Workers

if TYPE_CHECKING:
    from fastapi import FastAPI

    from service.rpc.server import RpcServer


@dataclass(frozen=True, slots=True)
class Parts:
    """What the server around the application needs of it."""

    app: Starlette
    repository: Repository
    lifecycle: Lifecycle
    scheduler: Scheduler
    rpc: RpcServer | None
    heads: Heads


def create_app(settings: Settings) -> FastAPI:
    """The application for any server, models loaded. Raises ModelError where the settings ask for what cannot be."""
    app: FastAPI = _framework().application(assemble(settings).app)
    return app


def _framework() -> ModuleType:
    """FastAPI costs 14 MB and a fifth of a second. Our own server needs it for the OpenAPI document alone, so it is
    imported when somebody asks for that."""
    return import_module("service.framework")


def assemble(settings: Settings, shared: Path | None = None) -> Parts:
    """The application and the parts that live beside it; `shared` is the folder of several workers."""
    workers = Workers(shared)
    runtime = Runtime(
        settings.providers,
        settings.threads_for_one_run,
        tf32=settings.cuda_tf32,
        device_bytes=settings.cuda_memory_limit_bytes,
    )
    repository = Repository(
        settings.models,
        runtime,
        settings.default_model,
        with_networks=not settings.no_shipped_models,
        model_name=settings.model_name,
        is_default_demanded="default_model" in settings.given,
        is_empty=True,
    )
    scheduler = Scheduler(settings.max_batch_size, settings.max_queue_rows, settings.cuda_max_batch_size)
    lifecycle = Lifecycle(settings.drain_timeout_s)
    metrics = Metrics()
    metrics.describe(repository.entries)
    metrics.watch(repository.activations())
    observers = Observers()
    live = Live(settings, observers, workers, repository.served, metrics.rows_dropped)
    metrics.show(Activations(live))

    def watch(models: Iterable[Model]) -> None:
        models = list(models)
        metrics.watch(models)
        live.watch(models)

    control = _control(settings, shared, runtime, repository, workers, scheduler, metrics, watch)
    control.open()
    front = Front(settings, metrics, lifecycle)
    bursts = Bursts(front, scheduler, BusyPolling(settings.worker_count))
    engine = Engine(scheduler)
    examiner = Examiner(observers)
    introspection = Introspection(repository, workers, settings)

    rounds = Rounds(metrics, front, lifecycle, repository, scheduler, bursts, workers, live)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(rounds.run(heads.renew)), asyncio.create_task(live.run())]
        await workers.start()
        await control.start()
        yield
        await control.close()
        await workers.close()
        for task in tasks:
            task.cancel()
        live.close()
        examiner.close()
        scheduler.close()

    app = Starlette(lifespan=lifespan, exception_handlers={HTTPException: _Unmatched(front, settings)})
    app.router.redirect_slashes = False
    predictor, ready = predict.Predict(repository, engine), health.Ready(repository, lifecycle, workers)
    of_platforms = predict.Predict(repository, engine, unnamed=media.JSON)  # their clients may leave the type out
    routes = [
        *predict.routes(predictor),
        *activate.routes(repository, engine),
        *catalogue.routes(repository),
        *curve.routes(repository, engine),
        *diagnose.routes(repository, examiner),
        *models.routes(repository),
        *activations.routes(repository, live),
        *weights.routes(repository, observers),
        *open_inference.routes(repository, engine, introspection),
        *repository_control.routes(control),
        *kserve_v1.routes(repository, of_platforms),
        *platforms.sagemaker(of_platforms, ready),
        *health.routes(health.Live(repository), ready, metrics, rounds.observe_all),
        *explorer.routes(with_page=not settings.no_page),
        *pages.routes(repository, lambda: _framework().application(app).openapi()),
    ]
    routes = [*platforms.named(settings, of_platforms, ready, routes), *routes]
    for route in routes:
        endpoint = Endpoint(route, front, settings.max_body_bytes)
        app.router.routes.append(StarletteRoute(route.path, endpoint, methods=[route.method]))
    rpc = None
    if settings.grpc_port:  # its library costs 10 MB
        rpc = import_module("service.rpc.server").RpcServer(front, repository, engine, routes, settings.max_body_bytes)
    heads = Heads(routes, front, bursts, settings.max_body_bytes)
    return Parts(app, repository, lifecycle, scheduler, rpc, heads)


def _control(
    settings: Settings,
    shared: Path | None,
    runtime: Runtime,
    repository: Repository,
    workers: Workers,
    scheduler: Scheduler,
    metrics: Metrics,
    watch: Callable[[Iterable[Model]], None],
) -> Control:
    """Where the files may change while they are served, workers that start later need copies of them."""
    changes = settings.model_control != "none"
    vetting = Vetting(runtime, is_copying=changes, shares_threads=settings.intra_op_threads is None)
    copies = Copies(shared / "models" if shared is not None and changes else None)
    agreement = Agreement(repository, vetting, Ledger(shared), workers, scheduler, watch, copies)
    return Control(settings, repository, agreement, metrics)


class _Unmatched:
    """What answers a path or method that no route has: our errors in our shape, and the preflight of a browser."""

    def __init__(self, front: Front, settings: Settings) -> None:
        self._front = front
        self._settings = settings

    async def __call__(self, request: StarletteRequest, error: Exception) -> Any:
        """An ASGI application, which Starlette takes for the response."""
        assert isinstance(error, HTTPException)
        preflight = request.method == "OPTIONS" and self._settings.cors_origin is not None
        handler = _preflight if preflight and error.status_code == 405 else _raising(_ours(request, error))
        route = Route(request.method, "unmatched", handler, is_open=True)
        return Endpoint(route, self._front, self._settings.max_body_bytes)


def _ours(request: StarletteRequest, error: HTTPException) -> ServiceError:
    if error.status_code == 405:
        methods = {*(error.headers or {}).get("Allow", "").split(", ")}
        allowed = ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))
        return MethodNotAllowed(f"{request.method} is not allowed here; {allowed} is.", headers=(("Allow", allowed),))
    return NotFound("There is nothing under this path; `/docs` lists the paths there are.")


def _raising(error: ServiceError) -> Handler:
    async def refuse(request: Request) -> Response:
        raise error

    return refuse


async def _preflight(request: Request) -> Response:
    """https://fetch.spec.whatwg.org/#cors-preflight-fetch"""
    allowed = (
        ("Access-Control-Allow-Methods", "GET, POST"),
        ("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Request-Id"),
        ("Access-Control-Max-Age", "600"),
    )
    return Response(b"", status=204, headers=allowed)
