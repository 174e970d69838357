"""Times of any number in a fixed amount of memory, whose percentiles are good to half a percent."""

from __future__ import annotations

from math import ceil, exp, log, sqrt

GROWTH = 1.01  # each bucket ends so much above where it begins, and its middle stands for all in it
LEAST_S = 5e-7  # less counts as nothing
MOST_S = 1e5
PERCENTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}
ROUNDED_MS = 6  # digits behind the point: nanoseconds

_PER_UNIT = 1 / log(GROWTH)
_BUCKETS = ceil(log(MOST_S / LEAST_S) * _PER_UNIT) + 1


class Latencies:
    """Seconds, counted in buckets that grow by a hundredth, as in HdrHistogram (https://hdrhistogram.github.io)."""

    __slots__ = ("_counts", "count", "most", "total")

    def __init__(self) -> None:
        self._counts = [0] * _BUCKETS
        self.count = 0
        self.total = 0.0
        self.most = 0.0

    def add(self, seconds: float) -> None:
        """One more. It is called for every answer and each of its stages."""
        if seconds < LEAST_S:
            self._counts[0] += 1
        elif seconds < MOST_S:
            self._counts[int(log(seconds / LEAST_S) * _PER_UNIT) + 1] += 1
        else:
            self._counts[-1] += 1
        self.count += 1
        self.total += seconds
        if seconds > self.most:
            self.most = seconds

    @property
    def mean(self) -> float:
        """Exact. 0 where there are none."""
        return self.total / self.count if self.count else 0.0

    def percentile(self, share: float) -> float:
        """The least value that is not exceeded by that share of them (nearest rank), within 0.5 %, or 0.5 µs where it
        is shorter than that. 0 where there are none."""
        rank = max(1, ceil(share * self.count))
        for index, count in enumerate(self._counts):
            rank -= count
            if rank <= 0:
                return min(_middle(index), self.most)
        return 0.0

    def as_dict(self) -> dict[str, float | int]:
        """Milliseconds; mean and max are exact."""
        percentiles = {name: self.percentile(share) for name, share in PERCENTILES.items()}
        seconds = {"mean": self.mean, **percentiles, "max": self.most}
        return {"count": self.count} | {name: round(value * 1e3, ROUNDED_MS) for name, value in seconds.items()}


def _middle(index: int) -> float:
    """The value whose ratio to both ends of a bucket is the same."""
    return LEAST_S * exp((index - 1) / _PER_UNIT) * sqrt(GROWTH) if index else 0.0
