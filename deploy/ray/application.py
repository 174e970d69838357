"""The service as an application of Ray Serve: replicas that answer with the handlers of `actserve serve`.

A configuration file names `deploy.ray.application:build`; its `args` are the settings of `serve`, by name.
"""

from __future__ import annotations

from typing import Any

import ray
from ray import serve
from ray.serve import Application
from starlette.types import ASGIApp

from deploy.ray.leaving import Leaving
from deploy.ray.naming import Unnamed
from deploy.ray.options import checked, limits, scaling
from service import logs
from service.app import assemble
from service.settings import read

NAME = "actserve"
MOST_REPLICAS = 4
LOOK_S = 0.1  # between two looks whether the last request of a replica that stops is answered
QUIET = {"enable_access_log": False}  # the service logs its requests itself


def build(args: dict[str, Any]) -> Application:
    """The application with these settings, by name as values or texts. Raises SettingsError."""
    return scaled(args, MOST_REPLICAS)


def scaled(args: dict[str, Any], most: int) -> Application:
    """As many replicas as the load asks for, and `most` at most. Raises SettingsError."""
    settings = checked(args)
    return _bound(args, **limits(settings), autoscaling_config=scaling(settings, most))


def fixed(args: dict[str, Any], replicas: int) -> Application:
    """So many replicas, whatever the load. Raises SettingsError."""
    return _bound(args, **limits(checked(args)), num_replicas=replicas)


def _bound(args: dict[str, Any], **options: Any) -> Application:
    app: Application = Replica.options(**options).bind(args)  # type: ignore[attr-defined]
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
        return Leaving(Unnamed(self._parts.app))

    async def check_health(self) -> None:
        """Raises where `/health/ready` is 503: a replica that is not ready does not come into service, and one that
        stays so is replaced."""
        if problems := self._parts.repository.problems():
            raise RuntimeError(problems[0])


def cpus() -> int:
    """The CPUs that Ray has set aside for this replica, at least 1."""
    return max(1, int(ray.get_runtime_context().get_assigned_resources().get("CPU", 1)))
