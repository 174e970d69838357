"""uvicorn's server with doors of ours: it lets in all who come, or as one of several workers its share of them, and is
stopped without losing a request.

The event loop's own servers, which it would have, let in one connection in each turn of the loop."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import time
from types import FrameType
from typing import TYPE_CHECKING, Any

import uvicorn

from service.board import Board, Connections
from service.door import Door
from service.lifecycle import Lifecycle

if TYPE_CHECKING:
    from service.rpc.server import RpcServer

log = logging.getLogger("actserve")

LAST_CALL_S = 2.0  # for a request that is on its way when the socket closes
POLL_S = 0.02


class DrainingServer(uvicorn.Server):
    """On SIGTERM readiness falls first; the socket closes when no more requests come. On SIGINT it closes at once.

    Either way what was accepted is answered and the process exits with 0. Another signal ends each wait early."""

    def __init__(
        self, config: uvicorn.Config, lifecycle: Lifecycle, rpc: RpcServer | None, rpc_address: str | None, board: Board
    ) -> None:
        super().__init__(config)
        self._lifecycle = lifecycle
        self._rpc = rpc
        self._rpc_address = rpc_address
        self._board = board
        self._doors: list[Door] = []

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Nobody is let in before all else has started."""
        if self._rpc is not None and self._rpc_address is not None:
            await self._rpc.start(self._rpc_address)
        await super().startup([])
        connections = self.server_state.connections = Connections(self._board)
        self._doors = [Door(listener, self._board, connections, self._protocol) for listener in sockets or []]
        for door in self._doors:
            door.open()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The handler of both signals; unlike uvicorn's it does not raise the signal again at the end."""
        if sig == signal.SIGINT or self._lifecycle.draining:
            self.force_exit = self.should_exit
            self.should_exit = True
        else:
            log.info("draining: not ready any more, answering what still comes")
        self._lifecycle.drain()
        self._board.leave()

    async def on_tick(self, counter: int) -> bool:
        """Called by uvicorn ten times a second."""
        if self._lifecycle.may_close:
            self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """uvicorn resets connections that wait to be accepted, or whose request is still under way, when it closes the
        socket. So whoever has connected is let in first, and then has a moment to send. At its end it aborts all runs,
        so gRPC has ended its calls before."""
        stopping = asyncio.create_task(self._stop_rpc(max(1.0, self._lifecycle.remaining_s)))
        for door in self._doors:
            door.clear()
            door.close()
        for listener in sockets or []:
            listener.close()
        await self._last_call()
        while not stopping.done() and not self.force_exit:
            await asyncio.wait({stopping}, timeout=POLL_S)
        if stopping.cancel():
            await self._stop_rpc(None)
        self.config.timeout_graceful_shutdown = max(1, int(self._lifecycle.remaining_s))
        await super().shutdown(sockets)

    async def _stop_rpc(self, seconds: float | None) -> None:
        if self._rpc is not None:
            await self._rpc.stop(seconds)

    async def _last_call(self) -> None:
        """Waits for those who have connected and not sent anything yet, for a while."""
        deadline = time.monotonic() + LAST_CALL_S
        await asyncio.sleep(POLL_S)
        while any(getattr(connection, "cycle", None) is None for connection in self.server_state.connections):
            if time.monotonic() > deadline:
                return
            await asyncio.sleep(POLL_S)

    def _protocol(self) -> asyncio.Protocol:
        made: Any = self.config.http_protocol_class
        protocol: asyncio.Protocol = made(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol
