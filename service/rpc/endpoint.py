"""The gRPC way into the handlers: a message and its metadata in, a message or a status out, through the front."""

from __future__ import annotations

from typing import Any

import grpc
import grpc.aio

from service.errors import ServiceError
from service.exchange import Request, Response, Route
from service.front import Front
from service.ids import request_id
from service.rpc.gate import Gate

CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.FAILED_PRECONDITION,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    415: grpc.StatusCode.INVALID_ARGUMENT,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
    501: grpc.StatusCode.UNIMPLEMENTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
HEADERS = {"authorization", "x-request-id"}  # a message is never one of HTTP's encodings or media types
TRAILERS = {"x-request-id", "server-timing", "retry-after"}
MAX_SENTENCE = 2000  # clients take 8 KiB of metadata, in which the sentence may take three times its length

Context = Any  # grpc.aio.ServicerContext of bytes in and bytes out


class Unary:
    """A call of one message in and one out."""

    def __init__(self, route: Route, front: Front, gate: Gate) -> None:
        self._route = route
        self._front = front
        self._gate = gate

    async def __call__(self, body: bytes, context: Context) -> bytes:
        self._gate.enter()
        response = await ask(self._front, self._route, body, context)
        await self._gate.leave()
        trailers = _trailers(response)
        if response.error is None:
            context.set_trailing_metadata(trailers)
            return response.body
        code = CODES.get(response.error.status, grpc.StatusCode.UNKNOWN)
        return await context.abort(code, sentence(response.error), trailers)  # type: ignore[no-any-return]


def sentence(error: ServiceError) -> str:
    """The error and, where it has several details, all of them: a status carries one text."""
    more = [f"`{detail.path}`: expected {detail.expected}, got {detail.got}." for detail in error.details[1:]]
    return " ".join([error.message, *more])[:MAX_SENTENCE]


async def ask(front: Front, route: Route, body: bytes, context: Context) -> Response:
    """The front's answer to one message."""
    headers = {key: value for key, value in context.invocation_metadata() or () if key in HEADERS}
    request = Request(route.method, route.path, "", headers, request_id(headers), timeout_s=context.time_remaining())
    return await front.answer(route, request, body)


def _trailers(response: Response) -> tuple[tuple[str, str], ...]:
    named = ((name.lower(), value) for name, value in response.headers)
    return tuple((name, value) for name, value in named if name in TRAILERS)
