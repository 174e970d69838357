"""Runs the application on uvicorn in this process, and stops it without losing a request."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import json
import logging
import select
import signal
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import uvicorn

from service import __version__, logs, protocol
from service.app import Parts, assemble
from service.errors import SettingsError
from service.lifecycle import Lifecycle
from service.rpc.server import RpcServer
from service.settings import Settings

log = logging.getLogger("actserve")

BACKLOG = 2048
# Longer than the 60 s after which load balancers drop an idle connection, so that they and not we close it.
KEEP_ALIVE_S = 75
M_ARENA_MAX = -8  # malloc.h
GC_OBJECTS = 20_000
SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27  # socket(7); Python has no names for them
# Classic BPF on a segment's TCP header: load the flags, drop it if SYN is among them, else take it.
NO_SYN = ((0x30, 0, 0, 13), (0x45, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))
LAST_CALL_S = 2.0  # for a request that is on its way when the socket closes
POLL_S = 0.02


class DrainingServer(uvicorn.Server):
    """On SIGTERM readiness falls first; the socket closes when no more requests come. On SIGINT it closes at once.

    Either way what was accepted is answered and the process exits with 0. Another signal ends each wait early."""

    def __init__(self, config: uvicorn.Config, lifecycle: Lifecycle, rpc: RpcServer, rpc_address: str | None) -> None:
        super().__init__(config)
        self._lifecycle = lifecycle
        self._rpc = rpc
        self._rpc_address = rpc_address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self._rpc_address is not None:
            await self._rpc.start(self._rpc_address)
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The handler of both signals; unlike uvicorn's it does not raise the signal again at the end."""
        if sig == signal.SIGINT or self._lifecycle.draining:
            self.force_exit = self.should_exit
            self.should_exit = True
        else:
            log.info("draining: not ready any more, answering what still comes")
        self._lifecycle.drain()

    async def on_tick(self, counter: int) -> bool:
        """Called by uvicorn ten times a second."""
        if self._lifecycle.may_close:
            self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """uvicorn resets connections that wait to be accepted, or whose request is still under way, when it closes the
        socket. So whoever has connected is let in first, and then has a moment to send. At its end it aborts all runs,
        so gRPC has ended its calls before."""
        stopping = asyncio.create_task(self._rpc.stop(max(1.0, self._lifecycle.remaining_s)))
        for listener in sockets or []:
            await _let_in(listener)
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        await self._last_call()
        while not stopping.done() and not self.force_exit:
            await asyncio.wait({stopping}, timeout=POLL_S)
        if stopping.cancel():
            await self._rpc.stop(None)
        self.config.timeout_graceful_shutdown = max(1, int(self._lifecycle.remaining_s))
        await super().shutdown(sockets)

    async def _last_call(self) -> None:
        """Waits for those who have connected and not sent anything yet, for a while."""
        deadline = time.monotonic() + LAST_CALL_S
        await asyncio.sleep(POLL_S)
        while any(getattr(connection, "cycle", None) is None for connection in self.server_state.connections):
            if time.monotonic() > deadline:
                return
            await asyncio.sleep(POLL_S)


def hold_newcomers(listener: socket.socket) -> None:
    """Has the kernel drop what would open a connection. A client tries again a second later and is refused then, when
    the socket is closed; one that stood in its queue would be reset with its request under way."""
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *instruction) for instruction in NO_SYN))
    with contextlib.suppress(OSError):  # a kernel without filters: a moment is left in which one can be lost
        listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", 4, ctypes.addressof(program)))


def admit_newcomers(listener: socket.socket) -> None:
    """Undoes `hold_newcomers`, for the workers that go on."""
    with contextlib.suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)


async def _let_in(listener: socket.socket) -> None:
    """Returns in the turn of the event loop in which no connection waits in the socket's queue, and none can come."""
    hold_newcomers(listener)
    for _ in range(BACKLOG):
        if not select.select([listener], [], [], 0)[0]:
            return
        await asyncio.sleep(0)


def serve(settings: Settings, listeners: Listeners, shared: Path | None = None, *, announce: bool = True) -> None:
    """Serves until a signal comes; `shared` is the folder of all workers, if there are several.

    Raises ModelError when the models or providers asked for cannot be."""
    logs.configure(settings.log_format, settings.log_level)
    _share_heaps()
    parts = assemble(settings, shared)
    _spare_the_collector()
    config = uvicorn.Config(
        parts.app,
        loop="uvloop",
        http=protocol.made_for(parts.heads, settings.request_timeout_s),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
    )
    _log_models(parts, settings)
    if announce:
        _announce(settings, listeners)
    DrainingServer(config, parts.lifecycle, parts.rpc, listeners.rpc_address).run(sockets=[listeners.http])
    parts.scheduler.close()
    log.info("stopped")


def _share_heaps() -> None:
    """Two heaps for all threads: glibc gives each thread its own, and none gives back what a large body once took."""
    with contextlib.suppress(AttributeError):  # another libc
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


def _spare_the_collector() -> None:
    """What has been loaded stays, so it is not looked through for cycles; and what a request makes has none, so the
    collector need not come by every 700 objects."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_OBJECTS, 10, 10)


@dataclass(frozen=True, slots=True)
class Listeners:
    """`http` listens. `rpc` only holds the port, None without gRPC: each worker has gRPC listen there by itself."""

    http: socket.socket
    rpc: socket.socket | None

    @property
    def rpc_address(self) -> str | None:
        return None if self.rpc is None else _joined(*self.rpc.getsockname()[:2])

    def close(self) -> None:
        self.http.close()
        if self.rpc is not None:
            self.rpc.close()


def bind(settings: Settings) -> Listeners:
    """Both ports. Raises SettingsError where one cannot be had."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with _refusing(f"{settings.host}:{settings.port}"):
        http = socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    if not settings.grpc_port:
        return Listeners(http, None)
    rpc = socket.socket(family)
    with _refusing(f"{settings.host}:{settings.grpc_port} for gRPC (`--grpc-port`; 0 leaves it out)"):
        rpc.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        rpc.bind((settings.host, settings.grpc_port))
    # Only now, so that a port which somebody else would share is refused as well; gRPC's own sockets have it.
    rpc.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return Listeners(http, rpc)


@contextlib.contextmanager
def _refusing(address: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SettingsError(f"Cannot listen on {address}: {error.strerror}.") from error


def _log_models(parts: Parts, settings: Settings) -> None:
    networks = parts.repository.networks()
    providers = sorted({model.session.provider for model in networks + parts.repository.activations()})
    log.info(
        "actserve %s: %d models, %d activations; runs of your own models have up to %d threads",
        __version__,
        len(networks),
        len(parts.repository.activations()),
        settings.threads_for_one_run,
        extra={"provider": ",".join(providers)},
    )
    if settings.providers == "auto" and not any("CUDA" in provider for provider in providers):
        log.info("CUDA is not usable here, so models run on the CPU (`--providers cuda` would refuse to start)")


def _announce(settings: Settings, listeners: Listeners) -> None:
    """Where to look and what to paste, for a person; machines read the log."""
    address = f"http://{_reachable(listeners.http)}"
    log.info("listening on %s", address)
    if listeners.rpc is not None:
        log.info("listening on grpc://%s", _reachable(listeners.rpc))
    if settings.log_format == "text":
        body = json.dumps({"tensor": [[-1, 2]], "parameters": {"negative_slope": 0.2}})
        command = f"curl -s {address}/activate/leaky_relu --json '{body}'"
        grpc = "" if listeners.rpc is None else f"  grpc  {_reachable(listeners.rpc)}\n"
        print(f"\n  page  {address}/\n  docs  {address}/docs\n{grpc}  try   {command}\n", flush=True)


def _reachable(bound: socket.socket) -> str:
    """The address, or the one of this machine where it listens on all."""
    host, port = bound.getsockname()[:2]
    return _joined("127.0.0.1" if host in ("0.0.0.0", "::") else host, port)


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
