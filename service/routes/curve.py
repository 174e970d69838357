"""`GET /activations/{name}/curve`: points of an activation and of its derivative, as JSON or drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from service import activation, plot
from service.codecs import json, media
from service.engine import Engine
from service.errors import Unfit
from service.exchange import Request, Response, Route, answer_json
from service.model import Model
from service.repository import Repository
from service.tensors import Array

MAX_POINTS = 10_001


@dataclass(frozen=True, slots=True)
class Span:
    """The interval and the number of points in it."""

    low: float
    high: float
    points: int

    def x(self) -> Array:
        """FP32 [points], evenly spaced."""
        return np.linspace(self.low, self.high, self.points).astype(np.float32)


class Curve:
    """Runs the graph once for value and derivative. An activation that mixes elements is shown as what becomes of
    the first of two, the second held at zero."""

    def __init__(self, repository: Repository, engine: Engine) -> None:
        self._repository = repository
        self._engine = engine

    async def __call__(self, request: Request) -> Response:
        """Points of the function and its derivative."""
        request.model = model = self._repository.activation(request.path_parameters["name"])
        given = activation.from_query(request.query())
        span = _span(given)
        wanted = media.accepted(request.headers, (media.JSON, media.SVG))
        feeds = _feeds(model, span.x(), given)
        request.timings.decoded()
        y, grad = await self._engine.infer(request, model, model.session, feeds, ("y", "grad_x"))
        return _answer(model, given, span.x(), _first(y), _first(grad), wanted)


def _feeds(model: Model, x: Array, given: Mapping[str, Any]) -> dict[str, Array]:
    if model.metadata.catalogue.get("elementwise", False):
        return {"x": x} | activation.feeds(model, model.session, given, x.shape)
    pairs = np.stack([x, np.zeros_like(x)], axis=1)
    feeds = activation.feeds(model, model.session, given, pairs.shape)
    # The derivative of the first output alone, not of the sum of both.
    first = np.zeros(activation.output_shape(model, pairs.shape, feeds), np.float32)
    first[:, 0] = 1
    return {"x": pairs, "grad_output": first} | feeds


def _first(array: Array) -> Array:
    return array if array.ndim == 1 else np.ascontiguousarray(array[:, 0])


def _answer(model: Model, given: Mapping[str, Any], x: Array, y: Array, grad: Array, wanted: str) -> Response:
    if wanted == media.SVG:
        title = model.name + "".join(f", {name} = {value}" for name, value in given.items())
        drawn = plot.draw(title, x.tolist(), y.tolist(), grad.tolist())
        return Response(drawn.encode(), media.SVG, headers=(("Vary", "Accept"),))
    points = {"x": json.fragment(x), "y": json.fragment(y), "grad": json.fragment(grad)}
    return answer_json({"activation": model.name, "parameters": dict(given)} | points)


def _span(given: dict[str, Any]) -> Span:
    """Takes `from`, `to` and `points` out of the query's values."""
    low, high = (_number(given.pop(name, default), name) for name, default in (("from", -6), ("to", 6)))
    points = given.pop("points", 241)
    if isinstance(points, bool) or not isinstance(points, int) or not 2 <= points <= MAX_POINTS:
        raise Unfit.at("query.points", f"a whole number from 2 to {MAX_POINTS}", str(points)[:40])
    if not np.float32(low) < np.float32(high):
        raise Unfit.at("query.to", f"a number above `from` ({low:g})", f"{high:g}")
    return Span(low, high, points)


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or abs(value) > 1e30:
        raise Unfit.at(f"query.{name}", "a number from -1e30 to 1e30", str(value)[:40])
    return float(value)


def routes(repository: Repository, engine: Engine) -> list[Route]:
    parameters = [
        {"name": name, "in": "query", "schema": {"type": kind, "default": default}}
        for name, kind, default in (("from", "number", -6), ("to", "number", 6), ("points", "integer", 241))
    ]
    documentation = {"summary": "Its curve and derivative, as points or drawn", "tags": ["activate"]}
    return [
        Route("GET", "/activations/{name}/curve", Curve(repository, engine), documentation | {"parameters": parameters})
    ]
