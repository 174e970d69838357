"""Runs the application on uvicorn in this process."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import logging
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from service import __version__, logs, protocol
from service.app import Parts, assemble
from service.board import Board
from service.door import BACKLOG
from service.draining import DrainingServer
from service.errors import SettingsError
from service.session import cuda_problem
from service.settings import Settings

if TYPE_CHECKING:
    pass

log = logging.getLogger("actserve")

# Longer than the 60 s after which load balancers drop an idle connection, so that they and not we close it.
KEEP_ALIVE_S = 75
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # malloc.h
HEAP = {M_ARENA_MAX: 1, M_MMAP_THRESHOLD: 1 << 25, M_TRIM_THRESHOLD: 1 << 27}  # the second as large as it may be
GC_OBJECTS = 20_000


def serve(
    settings: Settings,
    listeners: Listeners,
    shared: Path | None = None,
    board: Board | None = None,
    *,
    announce: bool = True,
) -> None:
    """Serves until a signal comes; `shared` is the folder of all workers and `board` their board, if there are several.

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
    server = DrainingServer(config, parts.lifecycle, parts.rpc, listeners.rpc_address, board or Board())
    server.run(sockets=[listeners.http])
    parts.scheduler.close()
    log.info("stopped")


def _share_heaps() -> None:
    """One heap for all threads: glibc gives each thread its own, and gives back the end of the first one only. What a
    large body needed stays in it for the next, since fresh pages cost as much as reading; idle, it is given back."""
    with contextlib.suppress(AttributeError):  # another libc
        for option, value in HEAP.items():
            ctypes.CDLL(None).mallopt(option, value)


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
        log.info("models run on the CPU, since CUDA %s (`--providers cuda` would refuse to start)", cuda_problem())


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
