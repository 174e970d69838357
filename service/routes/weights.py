"""`GET /models/{model}/weights`: what goes into the units of a layer, as it stands in the model's file."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from service.codecs import json, media, npy
from service.diagnosis import weights
from service.diagnosis.observer import Layer
from service.diagnosis.observers import Observers
from service.diagnosis.weights import Weights
from service.errors import NotFound, Unfit
from service.exchange import Handler, Request, Response, Route, answer_json, answer_pieces
from service.model import Model
from service.repository import Repository
from service.schemas import BINARY, described
from service.tensors import Array

MOST = 1 << 20  # weights in an answer


def _weights(repository: Repository, observers: Observers) -> Handler:
    async def weights_of(request: Request) -> Response:
        """The weights that go into the units of a layer, by the name that `/diagnose` has for it: [unit, …], or those
        of one unit."""
        query = request.query()
        for name in query.keys() - {"node", "unit", "version"}:
            raise Unfit.at(f"query.{name[:60]}", "one of `node`, `unit`, `version`", "an unknown name")
        wanted = media.accepted(request.headers, (media.JSON, media.NPY))
        model = repository.model(request.path_parameters["model"], query.get("version"))
        found, told = await asyncio.to_thread(_found, observers, model, query)
        if wanted == media.NPY:
            return answer_pieces(npy.write(found), media.NPY)
        return answer_json(told | {"shape": list(found.shape), "weights": json.fragment(found)})

    return weights_of


def _found(observers: Observers, model: Model, query: Mapping[str, str]) -> tuple[Array, dict[str, Any]]:
    layer = _layer(observers.of(model).layers, query.get("node"))
    source = layer.weights
    if source is None:
        raise NotFound(f"What goes into `{layer.node}` is not made by a product with weights that the graph has.")
    told = _told(model, layer, source)
    found = weights.values(model, source)
    if "unit" in query:
        unit = _unit(query["unit"], len(found))
        return found[unit], told | {"unit": unit}
    if found.size > MOST:
        raise Unfit.at("query.unit", f"one unit, for all {len(found)} have {found.size} weights", "none")
    return found, told


def _told(model: Model, layer: Layer, source: Weights) -> dict[str, Any]:
    names = {"model": model.name, "version": model.version, "node": layer.node}
    return names | {"operator": source.operator, "tensor": source.tensor}


def _layer(layers: tuple[Layer, ...], node: str | None) -> Layer:
    for layer in layers:
        if layer.node == node:
            return layer
    names = ", ".join(f"`{layer.node}`" for layer in layers[:20])
    raise Unfit.at("query.node", f"one of {names}" if names else "nothing: the graph has no activation", node or "none")


def _unit(text: str, units: int) -> int:
    if text.isascii() and text.isdecimal() and len(text) < 10 and int(text) < units:
        return int(text)
    raise Unfit.at("query.unit", f"a whole number from 0 to {units - 1}", text[:40])


SCHEMA = {
    "type": "object",
    "required": ["model", "version", "node", "operator", "tensor", "shape", "weights"],
    "properties": {
        **{name: {"type": "string"} for name in ("model", "version", "node", "operator", "tensor")},
        "unit": {"type": "integer", "minimum": 0},
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
        "weights": {"type": "array"},
    },
}


def routes(repository: Repository, observers: Observers) -> list[Route]:
    answers = described(SCHEMA, "The weights, the axis of the units first.")
    answers["200"]["content"] |= {media.NPY: {"schema": BINARY}}
    node = {"type": "string", "description": "a layer's `node` in the answer of `/diagnose`"}
    documentation = {
        "summary": "The weights that go into a layer inside a model",
        "tags": ["models"],
        "parameters": [
            {"name": "node", "in": "query", "required": True, "schema": node},
            {"name": "unit", "in": "query", "schema": {"type": "integer", "minimum": 0}},
            {"$ref": "#/components/parameters/version"},
        ],
        "responses": answers,
    }
    return [Route("GET", "/models/{model}/weights", _weights(repository, observers), documentation)]
