"""`python -m benchmarks.switched serve …`: the server, whose sampling SIGUSR1 turns on and SIGUSR2 off, and which looks
for sampled rows `FOLD` times as often. It starts with it off.

Two processes of one program differ by several percent, by where things happen to lie in memory. What sampling costs is
less, so it is seen only within one, and only where it is done more often.
"""

from __future__ import annotations

import asyncio
import signal
from time import monotonic

from service import app
from service.cli import main
from service.live import live
from service.live.live import Live

FOLD = 20


class Switched(Live):
    """Off is as with a rate of 0: nothing is set aside, so there is nothing to measure. Nor is time saved up meanwhile,
    or at the start, of which measuring would take more than its share when it is on."""

    _is_off = True

    async def run(self) -> None:
        self._measuring._budget._left = 0.0
        self._off()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, self._on)
        loop.add_signal_handler(signal.SIGUSR2, self._off)
        await super().run()

    def _on(self) -> None:
        if self._is_off:
            self._measuring._budget._seen = monotonic()
        self._is_off = False
        for model in self._watched:
            model.tap.open(self._rate, model.inputs, joinable=model.metadata.joinable)

    def _off(self) -> None:
        if not self._is_off:
            self._measuring._budget.left()
        self._is_off = True
        for model in self._watched:
            model.tap.close()


if __name__ == "__main__":
    live.EVERY_S /= FOLD
    app.Live = Switched  # type: ignore[attr-defined]
    main()
