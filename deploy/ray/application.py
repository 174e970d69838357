"""The service as an application of Ray Serve: replicas that answer with the handlers of `actserve serve`.

A configuration file names `deploy.ray.application:build`; its `args` are the settings of `serve`, by name.
"""

from __future__ import annotations

from typing import Any

import ray
from ray import serve
from ray.serve import Application
from starlette.types import ASGIApp

from deploy.ray.naming import Unnamed
from service import logs
from service.app import assemble
from service.errors import SettingsError
from service.settings import Settings, flag, read

NAME = "actserve"
ELSEWHERE = {
    "host": "the address is in `http_options`",
    "port": "the port is in `http_options`",
    "grpc_port": "gRPC is not offered there",
    "workers": "a replica is one process, and `autoscaling_config` says how many there are",
}
MOST_REPLICAS = 4
BESIDE = 16  # requests that no queue holds: probes, metrics, and those that get their 429
LOOK_S = 0.1  # between two looks whether the last request of a replica that stops is answered
QUIET = {"enable_access_log": False}  # the service logs its requests itself


def build(args: dict[str, Any]) -> Application:
    """The application with these settings, by name as values or texts, and as many replicas as the load asks for.

    Raises SettingsError."""
    settings = checked(args)
    target = settings.max_batch_size  # one full run under way; a replica that has more keeps somebody waiting
    scaling = {"min_replicas": 1, "max_replicas": MOST_REPLICAS, "target_ongoing_requests": target}
    return _bound(settings, args, autoscaling_config=scaling)


def fixed(args: dict[str, Any], replicas: int) -> Application:
    """The same with so many replicas, whatever the load. Raises SettingsError."""
    return _bound(checked(args), args, num_replicas=replicas)


def checked(args: dict[str, Any]) -> Settings:
    """The settings, if all have a meaning under Ray Serve. Raises SettingsError."""
    for name in ELSEWHERE.keys() & args.keys():
        raise SettingsError(f"{flag(name)}: expected nothing under Ray Serve, where {ELSEWHERE[name]}.")
    settings = Settings(**args)
    if settings.model_control == "explicit":
        raise SettingsError(
            "--model-control: expected none or poll under Ray Serve, where a call reaches one replica; got explicit."
        )
    return settings


def _bound(settings: Settings, args: dict[str, Any], **scaling: Any) -> Application:
    """What Ray decides for a replica, as the service would: it lets in what the queue has room for, so that the service
    and not Ray refuses the next one, and when it stops a replica it waits as long for what is under way."""
    app: Application = Replica.options(  # type: ignore[attr-defined]
        max_ongoing_requests=settings.max_queue_rows + settings.max_batch_size + BESIDE,
        graceful_shutdown_timeout_s=settings.drain_timeout_s,
        **scaling,
    ).bind(args)
    return app


@serve.deployment(
    name=NAME, ray_actor_options={"num_cpus": 1}, graceful_shutdown_wait_loop_s=LOOK_S, logging_config=QUIET
)
@serve.ingress()
class Replica:
    """One process with all models. Their runs have as many threads as Ray has set CPUs aside for it."""

    def __init__(self, args: dict[str, Any]) -> None:
        settings = read({"intra_op_threads": cpus(), **args, "grpc_port": 0})
        logs.configure(settings.log_format, settings.log_level)
        self._parts = assemble(settings)

    def __serve_build_asgi_app__(self) -> ASGIApp:
        """Ray runs its life span and sends it the requests."""
        return Unnamed(self._parts.app)

    def check_health(self) -> None:
        """Raises where `/health/ready` is 503: a replica that is not ready does not come into service, and one that
        stays so is replaced."""
        if problems := self._parts.repository.problems():
            raise RuntimeError(problems[0])


def cpus() -> int:
    """The CPUs that Ray has set aside for this replica, at least 1."""
    return max(1, int(ray.get_runtime_context().get_assigned_resources().get("CPU", 1)))
