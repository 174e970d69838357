"""`grpc.health.v1`, by which Kubernetes and load balancers probe (https://github.com/grpc/grpc/blob/master/doc/health-checking.md)."""

from __future__ import annotations

import asyncio
import contextlib

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from service.codecs import protobuf
from service.errors import BadBody, NotFound, ServiceError
from service.exchange import Handler, Request, Response
from service.rpc.endpoint import Context
from service.rpc.inference import MEDIA_TYPE, SERVICE

HEALTH = "grpc.health.v1.Health"
SERVICES = ("", SERVICE)  # the empty name is the whole server
WATCH_S = 0.2

Status = HealthCheckResponse.ServingStatus


class Health:
    """Serving while `ready`, the handler of readiness over HTTP, does not refuse."""

    def __init__(self, ready: Handler) -> None:
        self._ready = ready
        self._closing = asyncio.Event()

    async def check(self, request: Request) -> Response:
        """The status of one service."""
        asked = protobuf.parse(HealthCheckRequest, request.body)
        if asked.service not in SERVICES:
            raise NotFound(f"There is no service `{asked.service[:100]}`.")
        return Response(HealthCheckResponse(status=await self._status(request)).SerializeToString(), MEDIA_TYPE)

    async def watch(self, body: bytes, context: Context) -> None:
        """The status now and each time when it changes, until the caller or the server leaves."""
        request = Request("POST", f"/{HEALTH}/Watch", "", {}, "", body=body)
        try:
            known = protobuf.parse(HealthCheckRequest, body).service in SERVICES
        except BadBody as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, error.message)
        told = None
        while not self._closing.is_set():
            status = await self._status(request) if known else Status.SERVICE_UNKNOWN
            if status != told:
                await context.write(HealthCheckResponse(status=status).SerializeToString())
                told = status
            await _wait(self._closing, WATCH_S)
        await context.abort(grpc.StatusCode.UNAVAILABLE, "The server stops.")

    def close(self) -> None:
        """Ends every watch."""
        self._closing.set()

    async def _status(self, request: Request) -> HealthCheckResponse.ServingStatus:
        try:
            await self._ready(request)
        except ServiceError:
            return Status.NOT_SERVING
        return Status.SERVING


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
