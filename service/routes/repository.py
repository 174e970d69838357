"""The model repository extension of the Open Inference Protocol: what there is, loading and unloading."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.codecs import json
from service.control import Control
from service.errors import Unfit
from service.exchange import Handler, Request, Response, Route, answer_json

MODEL = "/v2/repository/models/{model}"


def members(body: bytes, known: Mapping[str, type]) -> dict[str, Any]:
    """A body's members, none where it is empty. Raises BadBody, or Unfit for one that does not belong there."""
    if not body.strip():
        return {}
    found = {name: json.plain(value) for name, value in json.parse(body).fields.items()}
    for name, value in found.items():
        if name not in known:
            raise Unfit.at(name[:60], f"one of {', '.join(known)}", "an unknown member")
        if not isinstance(value, known[name]):
            raise Unfit.at(name, "true or false" if known[name] is bool else "an object", type(value).__name__)
    return found


def _index(control: Control) -> Handler:
    async def index(request: Request) -> Response:
        """Every version of every model, loaded or not, with its state and the reason for it."""
        ready = members(request.body, {"ready": bool}).get("ready", False)
        return answer_json([line.as_dict() for line in await control.index(ready)])

    return index


def _load(control: Control) -> Handler:
    async def load(request: Request) -> Response:
        """Loads a model from the folder, or loads it anew; answers when every worker serves it."""
        parameters = members(request.body, {"parameters": dict}).get("parameters")
        await control.load(request.path_parameters["model"], parameters)
        return Response(b"")

    return load


def _unload(control: Control) -> Handler:
    async def unload(request: Request) -> Response:
        """Takes a model out of service; answers when no worker serves it any more."""
        parameters = members(request.body, {"parameters": dict}).get("parameters")
        await control.unload(request.path_parameters["model"], parameters)
        return Response(b"")

    return unload


def routes(control: Control) -> list[Route]:
    tags: dict[str, Any] = {"tags": ["model repository"]}
    tags["requestBody"] = {"content": {"application/json": {"schema": {"type": "object"}}}}
    return [
        Route("POST", "/v2/repository/index", _index(control), tags | {"summary": "Index of all models"}),
        Route("POST", MODEL + "/load", _load(control), tags | {"summary": "Load a model"}, is_admin=True),
        Route("POST", MODEL + "/unload", _unload(control), tags | {"summary": "Unload a model"}, is_admin=True),
    ]
