"""`GET /activations` and `GET /activations/{name}`: what each activation is, told from its graph's metadata."""

from __future__ import annotations

from typing import Any

import numpy as np

from service.exchange import Handler, Request, Response, Route, answer_json
from service.model import Model
from service.repository import Repository
from service.schemas import Schema, described
from service.tensors import BY_NAME

TEXT: Schema = {"type": "string"}
CLAIMS: Schema = {
    "type": "array",
    "items": {
        "type": "object",
        "description": "What is said, and what it rests on: a paper, or a page or test of this project.",
        "required": ["text", "evidence", "source"],
        "properties": {"text": TEXT, "evidence": {"enum": ["measured", "cited"]}, "source": TEXT},
    },
}
TEXTS = ("name", "description", "formula", "derivative", "range", "promise")
ACTIVATION: Schema = {
    "type": "object",
    "required": [*TEXTS, "parameters", "strengths", "weaknesses", "use", "datatypes", "example"],
    "properties": dict.fromkeys(TEXTS, TEXT)
    | dict.fromkeys(("strengths", "weaknesses", "use"), CLAIMS)
    | {
        "parameters": {"type": "array", "items": {"type": "object", "required": ["name", "type", "default"]}},
        "paper": {"type": ["object", "null"], "properties": {"year": {"type": "integer"}, "where": TEXT}},
        "datatypes": {"type": "array", "items": {"enum": list(BY_NAME)}},
        "example": {"type": "object", "required": ["method", "path", "body"]},
    },
}


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
        """Every activation: formula, derivative, parameters, range, and what is claimed of it with the evidence."""
        return answer_json({"activations": [entry(model) for model in repository.activations()]})

    return catalogue


def _single(repository: Repository) -> Handler:
    async def single(request: Request) -> Response:
        """One activation of the catalogue."""
        return answer_json(entry(repository.activation(request.path_parameters["name"])))

    return single


def routes(repository: Repository) -> list[Route]:
    every: Schema = {"type": "object", "required": ["activations"]}
    every["properties"] = {"activations": {"type": "array", "items": ACTIVATION}}
    return [
        Route("GET", "/activations", _catalogue(repository), _told("The catalogue", every)),
        Route("GET", "/activations/{name}", _single(repository), _told("One activation", ACTIVATION)),
    ]


def _told(summary: str, schema: Schema) -> Schema:
    return {"tags": ["activate"], "summary": summary, "responses": described(schema)}
