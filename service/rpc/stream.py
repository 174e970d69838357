"""ModelStreamInfer: a stream of requests, answered in their order; one that fails does not end the stream."""

from __future__ import annotations

import asyncio
import contextlib

import grpc
import grpc.aio

from service.codecs import protobuf
from service.errors import BadBody, Forbidden, ServiceError, Unauthorized
from service.exchange import Route
from service.front import Disconnected, Front
from service.protos import grpc_service_pb2 as messages
from service.rpc.endpoint import CODES, Context, ask, sentence

IN_FLIGHT = 32  # requests of one stream that are read ahead, so that they can stand in one run; a sender then waits

Answers = asyncio.Queue[asyncio.Task[bytes] | None]


class Stream:
    """A call of many messages in and as many out."""

    def __init__(self, route: Route, front: Front) -> None:
        self._route = route
        self._front = front
        self._readers: set[asyncio.Task[None]] = set()

    async def __call__(self, requests: object, context: Context) -> None:
        answers: Answers = asyncio.Queue(IN_FLIGHT)
        async with asyncio.TaskGroup() as group:  # a caller who leaves takes all of it along
            reader = group.create_task(self._read(context, answers, group))
            self._readers.add(reader)
            reader.add_done_callback(self._readers.discard)
            while (answer := await answers.get()) is not None:
                await context.write(await answer)
        if reader.cancelled():
            await context.abort(grpc.StatusCode.UNAVAILABLE, "The server stops; what it had read is answered.")

    def close(self) -> None:
        """Reads no more; what has been read is answered, and then the streams end."""
        for reader in self._readers:
            reader.cancel()

    async def _read(self, context: Context, answers: Answers, group: asyncio.TaskGroup) -> None:
        try:
            while (body := await context.read()) is not grpc.aio.EOF:
                await answers.put(group.create_task(self._answer(body, context)))
        finally:
            await answers.put(None)

    async def _answer(self, body: bytes, context: Context) -> bytes:
        try:
            response = await ask(self._front, self._route, body, context)
        except Disconnected:
            raise asyncio.CancelledError from None
        if isinstance(response.error, Unauthorized | Forbidden):
            await context.abort(CODES[response.error.status], response.error.message)
        return response.body if response.error is None else _failed(body, response.error)


def _failed(body: bytes, error: ServiceError) -> bytes:
    """The error, and the id of the request that it ended."""
    message = messages.ModelStreamInferResponse(error_message=sentence(error))
    with contextlib.suppress(BadBody):
        message.infer_response.id = protobuf.parse(messages.ModelInferRequest, body).id
    return message.SerializeToString()
