"""Whether this process should get requests: starting, then ready, at last draining."""

from __future__ import annotations

from time import monotonic

QUIET_S = 1.0  # a load balancer that still sends has not seen the 503 of the readiness probe yet


class Lifecycle:
    """Shared by the server, which moves it, and the probes, which tell it."""

    def __init__(self, drain_timeout_s: float) -> None:
        self.draining = False
        self._drain_timeout_s = drain_timeout_s
        self._draining_since = 0.0
        self._last_request = 0.0

    def drain(self) -> None:
        """From now on readiness is 503, while everything that still comes is answered."""
        if not self.draining:
            self.draining = True
            self._draining_since = monotonic()

    def saw_request(self) -> None:
        """A request that is not a probe has come."""
        self._last_request = monotonic()

    @property
    def is_quiet(self) -> bool:
        """True when nobody has asked for a while."""
        return monotonic() - self._last_request >= QUIET_S

    @property
    def may_close(self) -> bool:
        """True once nobody sends any more, or half of the drain time is over."""
        if not self.draining:
            return False
        now = monotonic()
        quiet = now - max(self._last_request, self._draining_since) >= QUIET_S
        return quiet or now - self._draining_since >= self._drain_timeout_s / 2

    @property
    def remaining_s(self) -> float:
        """What is left of the drain time, all of it before draining has begun."""
        return self._drain_timeout_s - (monotonic() - self._draining_since if self.draining else 0.0)
