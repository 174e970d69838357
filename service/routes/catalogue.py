"""`GET /activations` and `GET /activations/{name}`: what each activation is, told from its graph's metadata."""

from __future__ import annotations

from typing import Any

import numpy as np

from service.exchange import Handler, Request, Response, Route, answer_json
from service.model import Model
from service.repository import Repository
from service.tensors import BY_NAME


def entry(model: Model) -> dict[str, Any]:
    """One activation as `GET /activations` tells it."""
    example = {"tensor": np.array([[-1.0, 2.0]], np.float32)}
    return {
        "name": model.name,
        "description": model.metadata.description,
        **model.metadata.catalogue,
        "datatypes": [name for name in BY_NAME if name in model.datatypes],
        "example": {"method": "POST", "path": f"/activate/{model.name}", "body": example},
    }


def _catalogue(repository: Repository) -> Handler:
    async def catalogue(request: Request) -> Response:
        """Every activation: formula, derivative, parameters, range, strengths, weaknesses, use."""
        return answer_json({"activations": [entry(model) for model in repository.activations()]})

    return catalogue


def _single(repository: Repository) -> Handler:
    async def single(request: Request) -> Response:
        """One activation of the catalogue."""
        return answer_json(entry(repository.activation(request.path_parameters["name"])))

    return single


def routes(repository: Repository) -> list[Route]:
    tags = {"tags": ["activate"]}
    return [
        Route("GET", "/activations", _catalogue(repository), tags | {"summary": "The catalogue"}),
        Route("GET", "/activations/{name}", _single(repository), tags | {"summary": "One activation"}),
    ]
