"""A request's name, `X-Request-Id`: Ray's proxy gives one of its own to each request and puts it on the answer."""

from __future__ import annotations

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.ids import request_id

FIELD = b"x-request-id"


class Unnamed:
    """The application without `X-Request-Id` on its answers, which would carry two."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_unnamed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [field for field in message["headers"] if field[0] != FIELD]
            await send(message)

        await self._app(scope, receive, send_unnamed)


class Named:
    """Ray's proxy with the service's rule for names: the caller's where it is short and printable, else a new one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            sent = {
                name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"] if name == FIELD
            }
            others = [field for field in scope["headers"] if field[0] != FIELD]
            scope["headers"] = [*others, (FIELD, request_id(sent).encode())]
        await self._app(scope, receive, send)


def middlewares() -> list[Middleware]:
    """What Ray asks for where its variable `RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH` names it."""
    return [Middleware(Named)]
