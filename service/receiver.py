"""The rest of a body, received where it is to stay."""

from __future__ import annotations

import asyncio
from typing import cast

from service.turn import Turn

FIRST_ROOM_BYTES = 1 << 18
MOST_ROOM_BYTES = 1 << 22  # at once: nothing else happens while memory is cleared


class Receiver(asyncio.BufferedProtocol):
    """Stands in for a connection's protocol while the rest of a body comes, and has it written where it is to stay.

    Room is made as the body comes, so that nobody has memory set aside by a length alone."""

    def __init__(
        self, protocol: asyncio.Protocol, transport: asyncio.Transport, turn: Turn, length: int, begun: bytes
    ) -> None:
        self._protocol = protocol
        self._transport = transport
        self._turn = turn
        self._length = length
        self._filled = len(begun)
        self._body = bytearray(begun)
        self._room = memoryview(b"")
        self._hand_over(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        if not self._room:
            self._room.release()  # what is looked at cannot grow
            more = min(max(FIRST_ROOM_BYTES, self._filled), MOST_ROOM_BYTES, self._length - self._filled)
            self._body += bytes(more)
            self._room = memoryview(self._body)[self._filled :]
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        self._filled += nbytes
        self._room = self._room[nbytes:]
        if self._filled == self._length:
            self._hand_over(self._protocol)
            body, self._body = self._body, bytearray()  # uvloop keeps the last receiver it had
            self._room = memoryview(b"")
            self._turn.start(cast(bytes, body))  # nobody changes it any more

    def eof_received(self) -> bool:
        """Who stops in the middle of a body is let go."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._room, self._body = memoryview(b""), bytearray()
        self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    def _hand_over(self, protocol: asyncio.BaseProtocol) -> None:
        """uvloop looks what kind of protocol it has when reading starts."""
        self._transport.pause_reading()
        self._transport.set_protocol(protocol)
        self._transport.resume_reading()
