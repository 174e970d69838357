"""`python -m deploy.ray`: the application on a Ray cluster of this machine alone, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

# Ray reads these when it is imported. Where there can be no cluster, all of it listens on the loopback interface.
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_AUTH_MODE", "token")
os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))  # of this run; Ray would keep one in the home folder
os.environ.setdefault("RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH", "deploy.ray.naming:middlewares")

import click
import ray
from ray import serve
from ray.serve import Application

from deploy.ray.application import NAME, QUIET, fixed, scaled
from deploy.ray.options import ELSEWHERE
from service import cores, logs
from service.cli.serve import options
from service.errors import SettingsError
from service.server import bind
from service.settings import Settings
from service.supervisor import START_FAILED

log = logging.getLogger("actserve")

OBJECT_STORE_BYTES = 80 << 20  # requests and answers do not go through it


@click.command("python -m deploy.ray")
@options
def main(**values: Any) -> None:
    """Serve models with as many replicas as the load asks for and cores are there, or with `--workers` of them."""
    try:
        settings, app = _asked({name: value for name, value in values.items() if value not in (None, ())})
        port = _free_port(settings)
    except SettingsError as error:
        sys.exit(_refusal(error, 2))
    logs.configure(settings.log_format, settings.log_level)
    with _cluster(max(cores.available(), settings.worker_count)), _proxy(settings.host, port):
        try:
            serve.run(app, name=NAME)
        except RuntimeError as error:  # Ray's, with the replica's own error in it
            sys.exit(_refusal(error, START_FAILED))
        log.info("listening on http://%s:%d", settings.host, port)
        _wait_for_signal()


def _asked(given: dict[str, Any]) -> tuple[Settings, Application]:
    """What the proxy is to do, and the application. Raises SettingsError."""
    settings = Settings(**given)
    if "grpc_port" in given and settings.grpc_port:
        raise SettingsError(f"--grpc-port: expected 0 under Ray Serve, where {ELSEWHERE['grpc_port']}.")
    args = {name: value for name, value in given.items() if name not in ELSEWHERE}
    if "workers" in given:
        return settings, fixed(args, settings.worker_count)
    return settings, scaled(args, cores.available())


def _refusal(error: Exception, status: int) -> int:
    print(f"actserve: {error}", file=sys.stderr)
    return status


@contextmanager
def _cluster(cpus: int) -> Iterator[None]:
    """A Ray cluster of this process's own, ended with all that belongs to it."""
    with tempfile.TemporaryDirectory(prefix="actserve-ray-", ignore_cleanup_errors=True) as folder:
        ray.init(
            "local",
            num_cpus=cpus,
            object_store_memory=OBJECT_STORE_BYTES,
            include_dashboard=False,
            logging_level=logging.WARNING,
            _temp_dir=folder,
        )
        try:
            yield
        finally:
            ray.shutdown()


@contextmanager
def _proxy(host: str, port: int) -> Iterator[None]:
    """Ray's proxy on that address. What it serves is ended in order."""
    http = {"host": host, "port": port}
    serve.start(proxy_location="HeadOnly", http_options=http, logging_config={"log_level": "WARNING", **QUIET})
    try:
        yield
    finally:
        serve.shutdown()


def _free_port(settings: Settings) -> int:
    """The port that is asked for. Raises SettingsError where somebody has it; Ray would share or find out late."""
    with closing(bind(Settings(host=settings.host, port=settings.port, grpc_port=0))) as listeners:
        port: int = listeners.http.getsockname()[1]
        return port


def _wait_for_signal() -> None:
    came = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: came.set())
    came.wait()
    log.info("stopping")


if __name__ == "__main__":
    main()
