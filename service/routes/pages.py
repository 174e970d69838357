"""The API documentation and the OpenAPI document, all of it served from here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from service.codecs import json, media
from service.errors import NotFound
from service.exchange import Request, Response, Route
from service.model import Model
from service.openapi import TAGS, identity, paths
from service.repository import Repository
from service.schemas import COMPONENTS

ASSETS = Path(__file__).parent.parent / "assets"
TYPES = {".css": "text/css", ".js": "text/javascript", ".html": "text/html; charset=utf-8", ".svg": media.SVG}
HTML = TYPES[".html"]
# Swagger UI sets inline styles and draws its icons from data addresses; scripts come from here alone.
POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"
HEADERS = (("Content-Security-Policy", POLICY), ("X-Content-Type-Options", "nosniff"))


async def docs(request: Request) -> Response:
    """The API documentation, without any other host."""
    return Response((ASSETS / "docs.html").read_bytes(), HTML, headers=HEADERS)


async def asset(request: Request) -> Response:
    """A file of the pages."""
    # By name out of the listing, so that no path in a request is ever a path on the disk.
    files = {file.name: file for file in ASSETS.iterdir() if file.suffix in TYPES}
    file = files.get(request.path_parameters["file"])
    if file is None:
        raise NotFound("There is no such asset.")
    return Response(file.read_bytes(), TYPES[file.suffix], headers=(*HEADERS, ("Cache-Control", "max-age=3600")))


class Schema:
    """The OpenAPI document of what is served at the moment, written anew when that has changed."""

    def __init__(self, repository: Repository, openapi: Callable[[], dict[str, Any]]) -> None:
        self._repository = repository
        self._openapi = openapi
        self._of: list[tuple[object, ...]] = []
        self._text = b""

    async def __call__(self, request: Request) -> Response:
        """The OpenAPI document."""
        networks, activations = self._repository.networks(), self._repository.activations()
        of = [identity(model) for model in (*networks, *activations)]
        if of != self._of:
            text = await asyncio.to_thread(self._write, networks, activations)
            self._of, self._text = of, text
        return Response(self._text)

    def _write(self, networks: Sequence[Model], activations: Sequence[Model]) -> bytes:
        document = dict(self._openapi())
        # The typed paths come last: a reader meets the verbs first.
        document["paths"] = document["paths"] | paths(networks, activations)
        return json.dumps(document | {"components": COMPONENTS, "tags": TAGS})


def routes(repository: Repository, openapi: Callable[[], dict[str, Any]]) -> list[Route]:
    hidden = {"is_documented": False}
    return [
        Route("GET", "/docs", docs, hidden, is_open=True),
        Route("GET", "/openapi.json", Schema(repository, openapi), hidden, is_open=True),
        Route("GET", "/assets/{file}", asset, hidden, is_open=True),
    ]
