"""Looking out for the next request, instead of sleeping, while a single client asks one thing after another.

To fall asleep and be woken takes a virtual machine longer than most answers take. So for as long as the next request
keeps coming within moments, the event loop polls for that long; once it has not, it sleeps again as ever.
"""

from __future__ import annotations

import asyncio
from time import perf_counter

from service import cores

MOMENT_S = 0.0002  # a few times what a client on the same machine needs between an answer and its next request


class BusyPolling:
    """That of one event loop, `workers` of which share the cores. Where none of these is left over, a client on this
    machine would lose its own, so nothing is done."""

    def __init__(self, workers: int) -> None:
        self._has_room = cores.available() > workers
        self._answered = self._until = 0.0
        self._is_polling = False

    def answered(self, began: float) -> None:
        """The only client has its answer to a request whose first byte came at `began`, or a thread has the request:
        for longer than a moment, so that nothing follows within one."""
        now = perf_counter()
        is_next = began - self._answered < MOMENT_S
        self._answered = now
        if is_next and self._has_room:
            self._until = now + MOMENT_S
            if not self._is_polling:
                self._is_polling = True
                self._poll()

    def _poll(self) -> None:
        """A callback that is due keeps the loop from sleeping when it looks at its sockets."""
        if perf_counter() < self._until:
            asyncio.get_running_loop().call_soon(self._poll)
        else:
            self._is_polling = False
