"""What is counted of one activation: piece by piece, for each unit, so that measurements of the same layer add up to
that of all its rows, in whatever pieces and order they came."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import repeat

import numpy as np

from service.diagnosis import slopes
from service.diagnosis.histogram import FINE, Histogram
from service.diagnosis.moments import Moments
from service.tensors import Array

BLOCK = 1 << 16  # elements in FP64 that are worked on at once: what the nearest caches hold
SATURATED = 0.01 * (1 - 1e-6)  # below 0.01, which the slope of the usual leaky_relu is and FP32 cannot quite hold
Slope = Callable[[Array, Array, Array | None], Array]
COUNTS = ("seen", "zeros", "fired", "flat", "non_finite", "non_finite_before", "sloped")


class Measurement:
    """Counts and sums of one activation of the kind `kind`.

    For each unit: how many values were `seen`, were `zeros`, came from a positive x with a slope (`fired`), had a
    slope below 0.01 (`flat`), were no finite number, before the activation or after it; the sum of |f'| over those
    `sloped`. `at_most` counts the finite values after it that are at most each of `edges`, where such are given:
    [edge, unit], or [edge, 1] for all units as one. `shift` is that of its histogram."""

    def __init__(self, kind: str, edges: Array | None = None, shift: int = FINE) -> None:
        self.kind = kind
        self.edges = edges
        self.at_most = np.zeros((0, 0) if edges is None else edges.shape, np.int64)
        self.counts = {name: np.zeros(0, np.int64) for name in COUNTS}
        self.slope_sum = np.zeros(0)
        self.before, self.after = Moments(), Moments()
        self.histogram = Histogram(shift)

    @property
    def units(self) -> int:
        return self.counts["seen"].size

    def add(self, x: Array, y: Array, axis: int | None, slope: Slope, beside: Array | None = None) -> None:
        """Values before and after the activation, floats of one shape, whose units lie along `axis` (None for one).

        `slope` makes f' of them and of `beside`, which can be broadcast to their shape."""
        self.histogram.add(y)
        others = repeat(None) if beside is None else _blocks(np.broadcast_to(beside, x.shape), axis)
        with np.errstate(all="ignore"):
            for before, after, other in zip(_blocks(x, axis), _blocks(y, axis), others, strict=False):
                self._add(before, after, np.abs(slope(before, after, other)))

    def _add(self, x: Array, y: Array, rise: Array) -> None:
        """One block, [any, unit, any]; `rise` is |f'|."""
        finite_x, finite_y, is_sloped = np.isfinite(x), np.isfinite(y), np.isfinite(rise)
        found = Measurement(self.kind, self.edges)
        found.counts = {
            "seen": np.full(x.shape[1], x.shape[0] * x.shape[2]),
            "zeros": _count(y == 0),
            "fired": _count((x > 0) & (rise != 0)),
            "flat": _count(rise < SATURATED),
            "non_finite": _count(~finite_y),
            "non_finite_before": _count(~finite_x),
            "sloped": _count(is_sloped),
        }
        if self.edges is not None:
            found.at_most = _at_most(y if finite_y.all() else np.where(finite_y, y, np.nan), self.edges)
        found.slope_sum = np.sum(rise if is_sloped.all() else np.where(is_sloped, rise, 0), axis=(0, 2))
        found.after = Moments.of(y, finite_y)
        found.before = Moments.of(x, finite_x)
        self.merge(found)

    def merge(self, other: Measurement) -> None:
        """Takes that of other rows in. Where the number of units is free, the more are the units of both."""
        self.counts = {name: _sum(counts, other.counts[name]) for name, counts in self.counts.items()}
        self.slope_sum = _sum(self.slope_sum, other.slope_sum)
        self.before.merge(other.before)
        self.after.merge(other.after)
        self.histogram.merge(other.histogram)
        if other.at_most.shape == self.at_most.shape:
            self.at_most = self.at_most + other.at_most

    def dead(self) -> Array:
        """Which units gave zero for everything and were never pushed: only of kinds that can die so."""
        kind = slopes.KINDS.get(self.kind)
        if kind is None or not kind.can_die:
            return np.zeros(self.units, np.bool_)
        found: Array = self._all("zeros") & (self.counts["fired"] == 0)
        return found

    def saturated(self) -> Array:
        """Which units had a slope below 0.01 for everything and are not dead; none of what makes shares."""
        kind = slopes.KINDS.get(self.kind)
        if kind is not None and kind.is_share:
            return np.zeros(self.units, np.bool_)
        found: Array = self._all("flat") & ~self.dead()
        return found

    def _all(self, name: str) -> Array:
        seen = self.counts["seen"]
        found: Array = (self.counts[name] == seen) & (seen > 0)
        return found


def _at_most(values: Array, edges: Array) -> Array:
    """Values [any, unit, any], NaN for none; zeros where they have another number of units than the edges."""
    if edges.shape[1] not in (1, values.shape[1]):
        return np.zeros(edges.shape, np.int64)
    below = values <= edges[:, None, :, None]
    counts: Array = below.view(np.uint8).sum(axis=(1, 3), dtype=np.uint32).astype(np.int64)
    return counts if edges.shape[1] > 1 else counts.sum(axis=1, keepdims=True)


def _count(mask: Array) -> Array:
    """Of a block; the sum of bytes takes half as long as `count_nonzero`, which makes them integers first."""
    found: Array = mask.view(np.uint8).sum(axis=(0, 2), dtype=np.uint32).astype(np.int64)
    return found


def _sum(one: Array, other: Array) -> Array:
    """Of each unit; neither is ever changed in place, so where one has none it is the other itself."""
    if not one.size or not other.size:
        return one if one.size else other
    units = max(one.size, other.size)
    return _padded(one, units) + _padded(other, units)


def _padded(values: Array, units: int) -> Array:
    return values if values.size == units else np.concatenate([values, np.zeros(units - values.size, values.dtype)])


def _blocks(values: Array, axis: int | None) -> Iterator[Array]:
    """The values in FP64 as pieces [any, unit, any] of about BLOCK elements."""
    shape = values.shape
    sizes = (1, 1, values.size) if axis is None else (_size(shape[:axis]), shape[axis], _size(shape[axis + 1 :]))
    folded = values.reshape(sizes)
    inner = max(1, min(sizes[2], BLOCK // max(sizes[1], 1)))
    outer = max(1, BLOCK // max(sizes[1] * inner, 1))
    for row in range(0, sizes[0], outer):
        for column in range(0, sizes[2], inner):
            yield folded[row : row + outer, :, column : column + inner].astype(np.float64)


def _size(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=np.int64))
