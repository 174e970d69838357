"""The gRPC server: its calls, its limits, its port."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import grpc
import grpc.aio

from service.engine import Engine
from service.errors import SettingsError
from service.exchange import Route
from service.front import Front
from service.repository import Repository
from service.rpc import inference, translation
from service.rpc.endpoint import Unary
from service.rpc.gate import Gate
from service.rpc.health import HEALTH, Health
from service.rpc.inference import SERVICE
from service.rpc.stream import Stream

MIN_PING_MS = 10_000  # what a client may set as its least; five minutes, the default, ends the connections of many


class RpcServer:
    """Every call, and the server that listens for them. Lives on one event loop, from `start` to `stop`."""

    def __init__(
        self, front: Front, repository: Repository, engine: Engine, over_http: Sequence[Route], max_body_bytes: int
    ) -> None:
        handlers = {(route.method, route.path): route.handler for route in over_http}
        self._front = front
        self._health = Health(handlers["GET", "/v2/health/ready"])
        self._infer = inference.Infer(repository, engine)
        self._stream = Stream(Route("POST", f"/{SERVICE}/ModelStreamInfer", self._infer.in_stream), front)
        self._routes = [
            Route("POST", f"/{SERVICE}/ModelInfer", self._infer),
            *translation.routes(handlers),
            Route("POST", f"/{HEALTH}/Check", self._health.check, is_open=True),
        ]
        self._gate = Gate()
        self._max_body_bytes = max_body_bytes
        self._server: grpc.aio.Server | None = None

    async def start(self, address: str) -> None:
        """Listens on `host:port`, which other workers may share."""
        server = grpc.aio.server(options=self._options())
        server.add_generic_rpc_handlers(self._handlers())
        try:
            server.add_insecure_port(address)
        except RuntimeError as error:
            raise SettingsError(f"gRPC cannot listen on {address} (`--grpc-port`).") from error
        await server.start()
        self._server = server

    async def stop(self, seconds: float | None) -> None:
        """Takes no more calls, and ends when those under way are answered or the time, if any is given, is over."""
        self._health.close()
        self._stream.close()
        if self._server is not None:
            await self._gate.quiet()
            stopping = asyncio.create_task(self._server.stop(seconds))
            await self._gate.release()
            await stopping

    def _handlers(self) -> list[grpc.GenericRpcHandler]:
        """By service and name; bytes in and out, as our handlers take and give them."""
        handlers: dict[str, dict[str, Any]] = {SERVICE: {}, HEALTH: {}}
        for route in self._routes:
            service, _, name = route.path.lstrip("/").partition("/")
            call = Unary(route, self._front, self._gate)
            handlers[service][name] = grpc.unary_unary_rpc_method_handler(call.__call__)
        handlers[SERVICE]["ModelStreamInfer"] = grpc.stream_stream_rpc_method_handler(self._stream.__call__)
        handlers[HEALTH]["Watch"] = grpc.unary_stream_rpc_method_handler(self._health.watch)
        return [grpc.method_handlers_generic_handler(service, methods) for service, methods in handlers.items()]

    def _options(self) -> list[tuple[str, int]]:
        return [
            ("grpc.max_receive_message_length", self._max_body_bytes),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 1),
            ("grpc.http2.min_ping_interval_without_data_ms", MIN_PING_MS),
            ("grpc.keepalive_permit_without_calls", 1),
        ]
