"""`GET /models/{model}/activations`: what the activations inside a model did with the traffic of the last minutes."""

from __future__ import annotations

import asyncio

from service.codecs import json
from service.diagnosis.report import plain
from service.exchange import Handler, Request, Response, Route
from service.live.live import Live
from service.live.told import SCHEMA, Told
from service.repository import Repository
from service.schemas import described


def _window(repository: Repository, live: Live) -> Handler:
    async def activations(request: Request) -> Response:
        """Each activation inside the model, measured on a sample of the rows served in the last minutes, over all
        workers; and how far it has drifted from the model's reference statistics."""
        model = repository.model(request.path_parameters["model"], request.query().get("version"))
        return Response(await asyncio.to_thread(_written, await live.about(model)))

    return activations


def _written(told: Told) -> bytes:
    return json.dumps(plain(told))


def routes(repository: Repository, live: Live) -> list[Route]:
    documentation = {
        "summary": "The activations inside a model, in the traffic of the last minutes",
        "tags": ["models"],
        "parameters": [{"$ref": "#/components/parameters/version"}],
        "responses": described(SCHEMA, "The window; `layers` is empty, with a `reason`, where nothing was sampled."),
    }
    return [Route("GET", "/models/{model}/activations", _window(repository, live), documentation)]
