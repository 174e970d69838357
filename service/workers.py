"""What the workers of one service ask one another: each listens at a Unix socket in a folder that is theirs alone.

A question and its answer are one line of JSON each, on a connection of their own. The sockets are reached through
`/proc/self/fd`, since the path of a Unix socket may have no more than 107 bytes and the folder's own may be longer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from service.errors import DeadlinePassed, Detail, Internal, ServiceError

log = logging.getLogger("actserve.workers")

Content = dict[str, Any]
Handler = Callable[[Content], Awaitable[Content]]
Lines = tuple[asyncio.StreamReader, asyncio.StreamWriter]

MAX_LINE_BYTES = 1 << 26
KINDS = {kind.reason: kind for kind in ServiceError.__subclasses__()}


class Workers:
    """This process among the workers. Without a folder it is the only one: nothing listens, nobody is asked."""

    def __init__(self, folder: Path | None = None) -> None:
        self._handlers: dict[str, Handler] = {}
        self._folder = None if folder is None else f"/proc/self/fd/{os.open(folder, os.O_PATH | os.O_DIRECTORY)}"
        self._server: asyncio.Server | None = None

    def on(self, verb: str, handler: Handler) -> None:
        """Has `handler` answer that verb when another worker asks it."""
        self._handlers[verb] = handler

    async def start(self) -> None:
        """From its return on the others find this worker."""
        if self._folder is not None:
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(f"{self._folder}/{socket_name(os.getpid())}")
            self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=MAX_LINE_BYTES)

    async def close(self) -> None:
        """From now on the others leave this worker out."""
        if self._server is not None:
            Path(f"{self._folder}/{socket_name(os.getpid())}").unlink(missing_ok=True)
            self._server.close()

    async def ask(self, verb: str, content: Content, timeout_s: float) -> list[Content]:
        """The answers of all other living workers, asked at the same time; one that dies meanwhile is left out.

        Raises, once all have answered, the first error that a handler ended in; DeadlinePassed where one is too slow.
        """
        line = json.dumps({"verb": verb, "content": content}).encode() + b"\n"
        asked = [self._ask(path, verb, line, timeout_s) for path in self._others()]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return [answer for answer in answers if isinstance(answer, dict)]

    def _others(self) -> list[Path]:
        found = [] if self._folder is None else Path(self._folder).glob(socket_name("*"))
        return [path for path in found if path.name != socket_name(os.getpid())]

    async def _ask(self, path: Path, verb: str, line: bytes, timeout_s: float) -> Content | None:
        """One worker's answer, None where it is gone."""
        try:
            async with asyncio.timeout(timeout_s), _connection(path) as (reader, writer):
                writer.write(line)
                answer = await reader.readline()
        except TimeoutError as error:
            log.error("%s did not answer `%s` within %g s", path.stem, verb, timeout_s)
            raise DeadlinePassed(f"Another worker of this service did not answer within {timeout_s:g} s.") from error
        except OSError:  # its socket outlived it
            return None
        return _read(answer) if answer.endswith(b"\n") else None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError):  # whoever asked is gone
            writer.write(json.dumps(await self._answer(await reader.readline())).encode() + b"\n")
            await writer.drain()

    async def _answer(self, line: bytes) -> Content:
        try:
            question = json.loads(line)
            return {"answer": await self._handlers[question["verb"]](question["content"])}
        except ServiceError as error:
            return {"error": {"reason": error.reason, **error.as_dict(), "headers": error.headers}}
        except Exception:
            log.exception("a question of another worker could not be answered")
            return {"error": {"reason": Internal.reason}}


def socket_name(pid: int | str | None) -> str:
    """The file of a worker's socket, in the folder that the workers share."""
    return f"worker-{pid}.sock"


@asynccontextmanager
async def _connection(path: Path) -> AsyncIterator[Lines]:
    reader, writer = await asyncio.open_unix_connection(path, limit=MAX_LINE_BYTES)
    try:
        yield reader, writer
    finally:
        writer.close()


def _read(line: bytes) -> Content:
    """Raises the error that the other worker answered with."""
    found = json.loads(line)
    if "error" not in found:
        return dict(found["answer"])
    error = found["error"]
    if error["reason"] == Internal.reason:
        raise Internal
    details = (Detail(**detail) for detail in error["details"])
    headers = tuple((name, value) for name, value in error["headers"])
    raise KINDS[error["reason"]](error["error"], *details, headers=headers)
