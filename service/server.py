"""Runs the application on uvicorn in this process, and stops it without losing a request."""

from __future__ import annotations

import json
import logging
import math
import signal
import socket
from types import FrameType

import uvicorn

from service import __version__, logs
from service.app import Parts, assemble
from service.errors import SettingsError
from service.lifecycle import Lifecycle
from service.settings import Settings

log = logging.getLogger("actserve")

BACKLOG = 2048
# Longer than the 60 s after which load balancers drop an idle connection, so that they and not we close it.
KEEP_ALIVE_S = 75


class DrainingServer(uvicorn.Server):
    """On SIGTERM readiness falls first; the socket closes when no more requests come. On SIGINT it closes at once.

    Either way what was accepted is answered and the process exits with 0."""

    def __init__(self, config: uvicorn.Config, lifecycle: Lifecycle) -> None:
        super().__init__(config)
        self._lifecycle = lifecycle

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


def serve(settings: Settings, listener: socket.socket, *, announce: bool = True) -> None:
    """Serves on `listener` until a signal comes. Raises ModelError when the models or providers asked for cannot be."""
    logs.configure(settings.log_format, settings.log_level)
    parts = assemble(settings)
    config = uvicorn.Config(
        parts.app,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=math.ceil(settings.drain_timeout_s),
    )
    _log_models(parts, settings)
    if announce:
        _announce(settings, listener.getsockname()[1])
    DrainingServer(config, parts.lifecycle).run(sockets=[listener])
    log.info("stopped")


def bind(settings: Settings) -> socket.socket:
    """The listening socket. Raises SettingsError where the address cannot be had."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise SettingsError(f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}.") from error


def _log_models(parts: Parts, settings: Settings) -> None:
    networks = parts.repository.networks()
    providers = sorted({model.session.provider for model in networks + parts.repository.activations()})
    log.info(
        "actserve %s: %d models, %d activations, %d threads a run",
        __version__,
        len(networks),
        len(parts.repository.activations()),
        settings.threads_for_one_run,
        extra={"provider": ",".join(providers)},
    )
    if settings.providers == "auto" and not any("CUDA" in provider for provider in providers):
        log.info("CUDA is not usable here, so models run on the CPU (`--providers cuda` would refuse to start)")


def _announce(settings: Settings, port: int) -> None:
    """Where to look and what to paste, for a person; machines read the log."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    body = json.dumps({"tensor": [[-1, 2]], "parameters": {"negative_slope": 0.2}})
    log.info("listening on %s", address)
    if settings.log_format == "text":
        command = f"curl -s {address}/activate/leaky_relu --json '{body}'"
        print(f"\n  page  {address}/\n  docs  {address}/docs\n  try   {command}\n", flush=True)
