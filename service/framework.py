"""The application as FastAPI: for another server, and for the OpenAPI document, which FastAPI writes.

Imported when one of them is wanted, since FastAPI and pydantic cost more memory than the networks that are served.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.telemetry import TelemetryConfig
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute
from starlette.types import Receive, Scope, Send

from service import __version__
from service.asgi import Endpoint
from service.exchange import Handler
from service.schemas import ERROR

DESCRIPTION = (
    'Inference for activation-backed models. Errors are `{"error": sentence, "details": [{path, expected, got}]}`.'
)
# FastAPI's own instrumentation looks at every request and can send to a collector; ours is in the front.
NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}


def application(app: Starlette) -> FastAPI:
    """`app` with the same endpoints, life span and errors."""
    made = FastAPI(
        title="actserve",
        version=__version__,
        description=DESCRIPTION,
        lifespan=app.router.lifespan_context,
        exception_handlers=dict(app.exception_handlers),
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=NO_TELEMETRY,
    )
    endpoints: list[Any] = [route.endpoint for route in app.routes if isinstance(route, StarletteRoute)]
    made.router.routes.extend(HandlerRoute(endpoint) for endpoint in endpoints)
    return made


class HandlerRoute(APIRoute):
    """A FastAPI route for its documentation, whose requests go straight to our endpoint."""

    def __init__(self, endpoint: Endpoint) -> None:
        route = endpoint.route
        documentation: dict[str, Any] = dict(route.documentation)
        parameters = _path_parameters(route.path) + documentation.pop("parameters", [])
        responses = documentation.pop("responses", {}) | {"default": ERROR}
        super().__init__(
            route.path,
            lambda: None,
            methods=[route.method],
            name=f"{route.method} {route.path}",
            summary=documentation.pop("summary", None),
            description=_description(route.handler),
            tags=documentation.pop("tags", None),
            include_in_schema=documentation.pop("is_documented", True),
            response_class=Response,  # names no content, so that the documentation alone does
            openapi_extra=documentation | {"parameters": parameters, "responses": responses},
        )
        self.app = endpoint

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers HEAD as GET; the server leaves the body out."""
        if scope["method"] == "HEAD" and "GET" in (self.methods or ()):
            await self.app(scope, receive, send)
        else:
            await super().handle(scope, receive, send)


def _description(handler: Handler) -> str:
    """What it says of itself: a function, an object's `__call__`, or else its class."""
    if inspect.isfunction(handler):
        return inspect.getdoc(handler) or ""
    return type(handler).__call__.__doc__ or inspect.getdoc(type(handler)) or ""


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", path)
    ]
