"""What came of the requests of a load."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from service.bench.connection import Answer
from service.bench.latencies import Latencies

CONNECT = "connect"
STAGES = ("decode", "queue", "compute", "encode")  # what this service says in Server-Timing
TIMING = re.compile(", ".join(rf"{stage};dur=(\d+\.\d+)" for stage in STAGES).encode())


class Outcome:
    """Counts of requests that were due while it was measured, and the seconds they took.

    `came_good`, `rows`, `sent` and `received` are of the answers that came within `window_s`: they tell how many a
    second. Times are those of requests that were answered with a 2xx: `latency` from when a request was due to its
    answer; `waiting` until it was sent; `stages` as the server tells them; `elsewhere` what is left: the network, this
    client, and waiting to be read by the server."""

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.errors: Counter[str] = Counter()
        self.good = 0
        self.came_good = self.rows = self.sent = self.received = 0
        self.are_rows_known = True
        self.latency, self.waiting, self.elsewhere = Latencies(), Latencies(), Latencies()
        self.stages = {stage: Latencies() for stage in STAGES}
        self.opened = self.closed_by_server = 0
        self.arrivals = self.late = self.missed = 0
        self.unfinished = 0
        self.window_s = 0.0
        self.busy_share = 0.0
        self.reason = ""  # why a connection could not be opened, the last time

    def came(self, answer: Answer) -> None:
        """Takes an answer that came while it was measured."""
        self.sent += len(answer.request.data)
        self.received += answer.received
        if not 200 <= answer.status < 300:
            return
        self.came_good += 1
        if answer.request.rows is None:
            self.are_rows_known = False
        else:
            self.rows += answer.request.rows

    def answered(self, answer: Answer) -> None:
        """Takes an answer to a request that was due while it was measured."""
        _, due, sent, came, status, timing, _ = answer
        self.statuses[status] += 1
        if not 200 <= status < 300:
            return
        self.good += 1
        self.latency.add(came - due)
        self.waiting.add(sent - due)
        if told := TIMING.search(timing):
            self._split(told.groups(), came - sent)

    def _split(self, told: Sequence[bytes], seconds: float) -> None:
        for latencies, duration in zip(self.stages.values(), told, strict=True):
            stage_s = float(duration) / 1e3
            latencies.add(stage_s)
            seconds -= stage_s
        self.elsewhere.add(seconds if seconds > 0 else 0.0)

    @property
    def failed(self) -> int:
        """Requests that were answered with another status than 2xx, or were sent and not answered at all."""
        errors = sum(self.errors.values()) - self.errors[CONNECT]
        return sum(self.statuses.values()) - self.good + errors
