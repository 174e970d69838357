"""Callers who leave: Ray cancels what it does for them, while the service waits for ASGI's `http.disconnect`."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

LEFT: Message = {"type": "http.disconnect"}


class Leaving:
    """The application, which is told that its caller has left instead of being cancelled: it gives up what it does for
    that caller, counts it as such, and answers nobody."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        left = asyncio.get_running_loop().create_future()
        answering = asyncio.ensure_future(self._app(scope, lambda: _first(receive, left), send))
        try:
            await asyncio.shield(answering)
        except asyncio.CancelledError:
            if not answering.done():
                left.set_result(None)
                await asyncio.wait({answering})
            raise


async def _first(receive: Receive, left: asyncio.Future[None]) -> Message:
    """What comes next, or that the caller has left, which Ray may also tell by an error of its own."""
    coming = asyncio.ensure_future(receive())
    either: set[asyncio.Future[Any]] = {coming, left}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        is_there = coming.done() and not coming.cancelled() and coming.exception() is None
        return coming.result() if is_there else LEFT
    finally:
        coming.cancel()
