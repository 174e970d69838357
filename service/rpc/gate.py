"""Where answers wait a moment when the server closes, so that no caller asks on a connection that is about to end."""

from __future__ import annotations

import asyncio

QUIET_S = 0.1
MOST_S = 0.5
GOAWAY_S = 0.1


class Gate:
    """Open until the server closes. gRPC then drops calls that have arrived and that it has not handed over yet, and
    whoever gets an answer at once sends the next call. So answers are held until no more calls come, and follow the
    message by which each connection is told to end."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self._calls = 0

    def enter(self) -> None:
        """A call has been handed over."""
        self._calls += 1

    async def leave(self) -> None:
        """Returns when its answer may be sent."""
        await self._open.wait()

    async def quiet(self) -> None:
        """Holds all answers, and returns once no more calls come, or after a while."""
        self._open.clear()
        for _ in range(int(MOST_S / QUIET_S)):
            before = self._calls
            await asyncio.sleep(QUIET_S)
            if self._calls == before:
                return

    async def release(self) -> None:
        """Lets the answers go, a moment after the server has begun to stop."""
        await asyncio.sleep(GOAWAY_S)
        self._open.set()
