"""The paths that hosting platforms call: `/ping` and `/invocations` of SageMaker, and those that Vertex AI names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from starlette.routing import compile_path

from service.errors import SettingsError
from service.exchange import Route
from service.routes.health import Ready, readiness
from service.routes.predict import Predict, documentation
from service.settings import Settings

# Paths of other routes that may be named: what they say of one model is what a platform asks.
READINESS = ("/v1/models/{model}", "/v2/models/{model}/ready", "/v2/models/{model}/versions/{version}/ready")
TAG = "platforms"


def sagemaker(predict: Predict, ready: Ready) -> list[Route]:
    """https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html"""
    invocations = documentation("the default model (SageMaker)") | {"tags": [TAG]}
    return [
        Route("GET", "/ping", ready, readiness("Readiness (SageMaker)", TAG), is_open=True),
        Route("POST", "/invocations", predict, invocations, is_hot=True),
    ]


def named(settings: Settings, predict: Predict, ready: Ready, others: Sequence[Route]) -> list[Route]:
    """The routes that `--predict-route` and `--health-route` ask for beside `others`, before which they come.

    Raises SettingsError where a path has another meaning already; the start page may be replaced."""
    routes = []
    if settings.predict_route is not None and not _is_there(
        Route("POST", settings.predict_route, predict), "--predict-route (AIP_PREDICT_ROUTE)", others
    ):
        described = documentation("the default model (`--predict-route`)") | {"tags": [TAG]}
        routes.append(Route("POST", settings.predict_route, predict, described, is_hot=True))
    if settings.health_route is not None and not _is_there(
        Route("GET", settings.health_route, ready), "--health-route (AIP_HEALTH_ROUTE)", others
    ):
        described = readiness("Readiness (`--health-route`)", TAG)
        routes.append(Route("GET", settings.health_route, ready, described, is_open=True))
    return routes


def _is_there(wanted: Route, setting: str, others: Iterable[Route]) -> bool:
    """Whether one of `others` does the same under that path already. Raises SettingsError where it does not."""
    for other in others:
        if other.method != wanted.method or not compile_path(other.path)[0].match(wanted.path):
            continue
        if isinstance(other.handler, type(wanted.handler)) or (wanted.method == "GET" and other.path in READINESS):
            return True
        if other.path != "/":
            raise SettingsError(f"{setting}: `{wanted.path}` has another meaning in this service (`{other.path}`).")
    return False
