"""How often values of which size were seen, added to piece by piece without knowing the range beforehand.

A value falls into the bucket that the first bits of its FP32 form name, its sign, its exponent and some more: edges are
equally far apart in proportion, wherever the values lie, and the same for all pieces, so that sums of pieces are the
whole.
"""

from __future__ import annotations

import numpy as np

from service.tensors import Array

BLOCK = 1 << 18  # elements that are looked at together
FINE, COARSE = 14, 16  # of the 32 bits, those that are left out: edges are 0.2 % apart, or 0.8 %
LARGEST = float(np.finfo(np.float32).max)
MAGNITUDE = 0x7FFFFFFF


class Histogram:
    """Counts of finite values. Only buckets that something fell into take memory; of COARSE ones there are fewer."""

    def __init__(self, shift: int = FINE) -> None:
        self.shift = shift
        self._buckets = np.empty(0, np.int32)
        self._counts = np.empty(0, np.int64)

    def add(self, values: Array) -> None:
        """Floats of any type and shape; what is not finite is left out, what FP32 cannot hold falls into its ends."""
        values = values.reshape(-1)
        for start in range(0, values.size, BLOCK):
            self._add(values[start : start + BLOCK])

    def _add(self, values: Array) -> None:
        if not np.isfinite(values).all():
            values = values[np.isfinite(values)]
        if values.size:
            found = _buckets(values, self.shift)
            first = int(found.min())
            counts = np.bincount(found - first)
            (filled,) = np.nonzero(counts)
            self.take((filled + first).astype(np.int32), counts[filled])

    def filled(self) -> tuple[Array, Array]:
        """The buckets that something fell into, ascending, and how much."""
        return self._buckets, self._counts

    def merge(self, other: Histogram) -> None:
        """Takes the counts of another in, whose buckets are these or lie within them."""
        if other._buckets.size:
            self.take(*other._coarser(self.shift - other.shift))

    def _coarser(self, bits: int) -> tuple[Array, Array]:
        """What is filled, without so many bits of the buckets."""
        if not bits:
            return self._buckets, self._counts
        found, first = np.unique(self._buckets >> bits, return_index=True)
        return found, np.add.reduceat(self._counts, first)

    def take(self, buckets: Array, counts: Array) -> None:
        """Adds counts to buckets, which ascend and each of which comes once."""
        if not self._buckets.size:
            self._buckets, self._counts = buckets, counts
            return
        at = np.searchsorted(self._buckets, buckets)
        is_new = self._buckets.take(at, mode="clip") != buckets
        sums = np.insert(self._counts, at[is_new], 0)
        self._buckets = np.insert(self._buckets, at[is_new], buckets[is_new])
        sums[np.searchsorted(self._buckets, buckets)] += counts
        self._counts = sums

    def binned(self, low: float, high: float, bins: int) -> tuple[list[float], list[int]]:
        """Edges and counts of at most `bins` bins of about one width between the least and the greatest value seen,
        `low` and `high`. Each inner edge is one of a bucket, so that the counts are exact: edge ≤ value < next edge,
        and the last edge belongs to the last bin, as in `numpy.histogram`."""
        if not self._buckets.size:
            return [], []
        if low == high:
            spare = max(0.5, abs(low) / 1024)
            return [low - spare, low + spare], [int(self._counts.sum())]
        wanted = _buckets(np.linspace(max(low, -LARGEST), min(high, LARGEST), bins + 1)[1:-1], self.shift)
        inner = np.unique(wanted[(wanted > self._buckets[0]) & (wanted <= self._buckets[-1])])
        sums = np.concatenate([[0], np.cumsum(self._counts)])
        below = sums[np.searchsorted(self._buckets, inner)]
        counts = np.diff(below, prepend=0, append=sums[-1])
        return [low, *_starts(inner, self.shift).tolist(), high], counts.tolist()


def _buckets(values: Array, shift: int) -> Array:
    """Numbers in the order of the values: 0 holds zero and what is next to it, -1 what is just below."""
    if values.dtype == np.float64:
        values = np.clip(values, -LARGEST, LARGEST)
    bits = np.ascontiguousarray(values, np.float32).view(np.int32)
    magnitude = bits & MAGNITUDE
    if bits.min(initial=0) < 0:
        magnitude = np.where(bits < 0, -magnitude, magnitude)
    found: Array = magnitude >> shift
    return found


def _starts(buckets: Array, shift: int) -> Array:
    """The least value of each bucket, exact in FP32."""
    ends = buckets.astype(np.int64) << shift
    values = np.abs(ends).astype(np.int32).view(np.float32).astype(np.float64)
    found: Array = np.where(ends < 0, -values, values)
    return found
