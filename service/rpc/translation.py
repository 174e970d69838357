"""The calls that are rare: each is the handler of a path over HTTP, its JSON turned into the message of the answer.

Names and values in JSON are those of the messages' own JSON mapping (https://protobuf.dev/programming-guides/json/)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from google.protobuf import json_format

from service.codecs import json, protobuf
from service.errors import NotCarried, NotFound, NotReady, Unfit
from service.exchange import Handler, Request, Response, Route, answer_json
from service.protos import grpc_service_pb2 as messages
from service.rpc.inference import MEDIA_TYPE, SERVICE

MODEL = "/v2/models/{model}"
REPOSITORY_MODEL = "/v2/repository/models/{model}"

Handlers = Mapping[tuple[str, str], Handler]
Asked = tuple[Mapping[str, str], bytes]  # path parameters and body, as over HTTP


def routes(handlers: Handlers) -> list[Route]:
    """`handlers` are those over HTTP, by method and path."""
    return [
        _call("ServerLive", handlers["GET", "/v2/health/live"], is_open=True),
        _call("ServerReady", _verdict(handlers["GET", "/v2/health/ready"]), is_open=True),
        _call("ServerMetadata", handlers["GET", "/v2"]),
        _call("ModelReady", _verdict(handlers["GET", f"{MODEL}/ready"]), _of_model),
        _call("ModelMetadata", handlers["GET", MODEL], _of_model),
        _call("ModelConfig", _wrapped("config", handlers["GET", f"{MODEL}/config"]), _of_model),
        _call("ModelStatistics", handlers["GET", "/v2/models/stats"], _of_a_model_or_all),
        _call("RepositoryIndex", _wrapped("models", handlers["POST", "/v2/repository/index"]), _of_the_repository),
        *(
            _call(
                f"RepositoryModel{verb}", handlers["POST", f"{REPOSITORY_MODEL}/{verb.lower()}"], _change, is_admin=True
            )
            for verb in ("Load", "Unload")
        ),
    ]


def _nothing(message: Any) -> Asked:
    return {}, b""


def _of_model(message: Any) -> Asked:
    if not message.name:
        raise Unfit.at("name", "the name of a model", "nothing")
    return {"model": message.name} | ({"version": message.version} if message.version else {}), b""


def _of_a_model_or_all(message: Any) -> Asked:
    return _of_model(message) if message.name else ({}, b"")


def _of_the_repository(message: Any) -> Asked:
    _check_repository(message)
    return {}, json.dumps({"ready": message.ready})


def _change(message: Any) -> Asked:
    _check_repository(message)
    # Files come as bytes, which JSON has not; they are refused by their names.
    named = {
        name: "" if isinstance(value, bytes) else value for name, value in protobuf.plain(message.parameters).items()
    }
    return {"model": message.model_name}, json.dumps({"parameters": named})


def _check_repository(message: Any) -> None:
    if message.repository_name:
        raise Unfit.at("repository_name", "nothing: there is one repository", message.repository_name[:60])


def _call(
    name: str, handler: Handler, ask: Callable[[Any], Asked] = _nothing, is_open: bool = False, is_admin: bool = False
) -> Route:
    question, answer = getattr(messages, f"{name}Request"), getattr(messages, f"{name}Response")

    async def translated(request: Request) -> Response:
        path_parameters, body = ask(protobuf.parse(question, request.body))
        response = await handler(replace(request, path_parameters=path_parameters, body=body))
        message = json_format.Parse(response.body or b"{}", answer(), ignore_unknown_fields=True)
        return Response(message.SerializeToString(), MEDIA_TYPE)

    return Route("POST", f"/{SERVICE}/{name}", translated, is_open=is_open, is_admin=is_admin)


def _wrapped(field: str, handler: Handler) -> Handler:
    """What over HTTP is the answer, and here a field of it."""

    async def wrapped(request: Request) -> Response:
        return Response(b'{"%b": %b}' % (field.encode(), (await handler(request)).body))

    return wrapped


def _verdict(handler: Handler) -> Handler:
    """Whether something is ready: over HTTP a status says so, here a field."""

    async def verdict(request: Request) -> Response:
        try:
            await handler(request)
        except (NotFound, NotReady, NotCarried):
            return answer_json({"ready": False})
        return answer_json({"ready": True})

    return verdict
