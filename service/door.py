"""Lets connections in at a socket where other workers may listen too, each worker as many as the others.

Left to themselves, the one that the kernel wakes first takes all who wait. So each takes its share of them, by what the
board says of the others, and leaves the rest to those for a moment. One that does not come is waited for once.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import logging
import select
import socket
import struct
from collections.abc import Callable, Coroutine

from service.board import Board, Connections, share

log = logging.getLogger("actserve.door")

BACKLOG = 2048
MOST = 64  # in one turn of the event loop
PAUSE_S = 0.001
PATIENCE = 20  # pauses, not seconds: on a busy machine the others come late for the same reason as this one
REST_S = 1.0  # after an error that the next connection would meet too: most often no file descriptor is left
QUEUE = struct.Struct("24xI")  # `tcpi_unacked` in `struct tcp_info`: of a socket that listens, how many wait
SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27  # socket(7); Python has no names for them
# Classic BPF on a segment's TCP header: load the flags, drop it if SYN is among them, else take it.
NO_SYN = ((0x30, 0, 0, 13), (0x45, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))


class Door:
    """`made` makes the protocol of a connection; `connections` are those that have one."""

    def __init__(
        self, listener: socket.socket, board: Board, connections: Connections, made: Callable[[], asyncio.Protocol]
    ) -> None:
        self._listener = listener
        self._board = board
        self._connections = connections
        self._made = made
        self._loop = asyncio.get_running_loop()
        self._connecting: set[asyncio.Task[None]] = set()
        self._away: asyncio.Task[None] | None = None
        self._is_open = False

    def open(self) -> None:
        self._listener.setblocking(False)
        self._is_open = True
        self._board.open()
        self._watch()

    def close(self) -> None:
        """Lets nobody in any more; who is in stays."""
        if self._is_open:
            self._is_open = False
            self._loop.remove_reader(self._listener)
            self._board.close()

    def clear(self) -> None:
        """Lets in all who wait and holds off who comes later, unless there is another worker to do that."""
        if self._board.is_another_open:
            return
        hold_newcomers(self._listener)
        with contextlib.suppress(OSError):  # nobody waits any more
            while True:
                self._let_in()

    def _watch(self) -> None:
        self._away = None
        if self._is_open:
            self._loop.add_reader(self._listener, self._look)

    def _look(self) -> None:
        """Somebody waits, or did when the event loop saw it."""
        mine = self._share()
        try:
            for _ in range(min(mine or 0, MOST)):
                self._let_in()
        except (BlockingIOError, ConnectionAbortedError):  # another was quicker, or the caller has thought better of it
            return
        except OSError as error:
            log.error("no connection can be taken in: %s", errno.errorcode.get(error.errno or 0, error))
            self._look_away(self._rest())
        if mine == 0:
            self._look_away(self._give_way())

    def _share(self) -> int | None:
        """How many of those who wait are to come in here, None where nobody waits."""
        seen = self._board.look()  # first: who is let in between the two is then left out, and not counted twice
        newcomers = waiting(self._listener)
        return share(*seen, newcomers) if newcomers else None

    def _let_in(self) -> None:
        """Raises OSError, BlockingIOError where nobody waits."""
        connection, _ = self._listener.accept()
        protocol = self._made()
        self._connections.add(protocol)  # uvicorn does so a turn later, when others may have looked
        task = self._loop.create_task(self._connect(connection, protocol))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, connection: socket.socket, protocol: asyncio.Protocol) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: protocol, connection)
        except OSError:  # gone before it was greeted
            self._connections.discard(protocol)
            connection.close()

    def _look_away(self, returning: Coroutine[None, None, None]) -> None:
        """Does not look until that is over."""
        self._loop.remove_reader(self._listener)
        self._away = self._loop.create_task(returning)

    async def _give_way(self) -> None:
        """To workers that have fewer connections, as long as somebody waits for them."""
        for _ in range(PATIENCE):
            await asyncio.sleep(PAUSE_S)
            if not self._is_open or self._share() != 0:
                break
        else:
            self._board.pass_over()
        self._watch()

    async def _rest(self) -> None:
        await asyncio.sleep(REST_S)
        self._watch()


def waiting(listener: socket.socket) -> int:
    """How many connections wait to be let in: one at least where there are any, should the kernel not say."""
    if not select.select([listener], [], [], 0)[0]:
        return 0
    queued: int = QUEUE.unpack(listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, QUEUE.size))[0]
    return max(1, queued)


def hold_newcomers(listener: socket.socket) -> None:
    """Has the kernel drop what would open a connection. A client tries again a second later and is refused then, when
    the socket is closed; one that stood in its queue would be reset with its request under way."""
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *instruction) for instruction in NO_SYN))
    with contextlib.suppress(OSError):  # a kernel without filters: a moment is left in which one can be lost
        listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", 4, ctypes.addressof(program)))


def admit_newcomers(listener: socket.socket) -> None:
    """Undoes `hold_newcomers`, for the workers that go on."""
    with contextlib.suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
