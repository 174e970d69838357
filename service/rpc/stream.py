"""ModelStreamInfer: a stream of requests, answered in their order; one that fails does not end the stream."""

from __future__ import annotations

import asyncio
import contextlib

import grpc
import grpc.aio

from service.codecs import protobuf
from service.errors import BadBody, Forbidden, ServiceError, Unauthorized
from service.exchange import Response, Route
from service.front import Front
from service.protos import grpc_service_pb2 as messages
from service.rpc.endpoint import CODES, Context, ask, sentence

IN_FLIGHT = 32  # requests of one stream that are read ahead, so that they can stand in one run; a sender then waits


class Stream:
    """A call of many messages in and as many out."""

    def __init__(self, route: Route, front: Front) -> None:
        self._route = route
        self._front = front
        self._readers: set[asyncio.Task[None]] = set()

    async def __call__(self, requests: object, context: Context) -> None:
        refusal: ServiceError | None = None
        conversation = _Conversation(context, self._route, self._front)
        async with asyncio.TaskGroup() as group:  # a caller who leaves takes all of it along
            reader = group.create_task(conversation.read(group))
            self._readers.add(reader)
            reader.add_done_callback(self._readers.discard)
            refusal = await conversation.write()
            if refusal is not None:
                reader.cancel()
        if refusal is not None:
            await context.abort(CODES[refusal.status], refusal.message)
        if reader.cancelled():
            await context.abort(grpc.StatusCode.UNAVAILABLE, "The server stops; what it had read is answered.")

    def close(self) -> None:
        """Reads no more; what has been read is answered, and then the streams end."""
        for reader in self._readers:
            reader.cancel()


class _Conversation:
    """One stream: what has been read of it and is to be answered, in this order."""

    def __init__(self, context: Context, route: Route, front: Front) -> None:
        self._context = context
        self._route = route
        self._front = front
        self._room = asyncio.Semaphore(IN_FLIGHT)
        self._pending: asyncio.Queue[tuple[bytes, asyncio.Task[Response]] | None] = asyncio.Queue()

    async def read(self, group: asyncio.TaskGroup) -> None:
        """Has each request answered as soon as it is read, until the caller has sent all."""
        try:
            while await self._room.acquire() and (body := await self._context.read()) is not grpc.aio.EOF:
                answer = group.create_task(ask(self._front, self._route, body, self._context))
                self._pending.put_nowait((body, answer))
        finally:
            self._pending.put_nowait(None)

    async def write(self) -> ServiceError | None:
        """Sends the answers. A caller who has no right to one has none to the others: that error is given back."""
        while (pending := await self._pending.get()) is not None:
            body, answer = pending
            response = await answer
            if isinstance(response.error, Unauthorized | Forbidden):
                return response.error
            await self._context.write(response.body if response.error is None else _failed(body, response.error))
            self._room.release()
        return None


def _failed(body: bytes, error: ServiceError) -> bytes:
    """The error, and the id of the request that it ended."""
    message = messages.ModelStreamInferResponse(error_message=sentence(error))
    with contextlib.suppress(BadBody):
        message.infer_response.id = protobuf.parse(messages.ModelInferRequest, body).id
    return message.SerializeToString()
