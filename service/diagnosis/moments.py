"""Count, mean, spread and range of each unit, in a form that pieces add up in without loss: each piece is summed around
its own mean, and two are put together as Chan, Golub and LeVeque have it
(Updating formulae and a pairwise algorithm for computing sample variances, 1979)."""

from __future__ import annotations

from typing import Any

import numpy as np

from service.tensors import Array


class Moments:
    """Of the finite values. Each array has one element for each unit; there are as many units as were ever seen."""

    def __init__(self, units: int = 0) -> None:
        self.count = np.zeros(units, np.int64)
        self.mean = np.zeros(units)
        self.squares = np.zeros(units)  # the sum of the squared distances from the mean
        self.low = np.full(units, np.inf)
        self.high = np.full(units, -np.inf)

    @classmethod
    def of(cls, values: Array, finite: Array) -> Moments:
        """FP64 values [any, unit, any], of which those count that are `finite`."""
        found = cls()
        found.count = np.count_nonzero(finite, axis=(0, 2))
        where: Any = {} if finite.all() else {"where": finite}  # a mask costs more than the sum
        found.mean = np.sum(values, axis=(0, 2), **where) / np.maximum(found.count, 1)
        distances = values - found.mean[:, None]
        np.square(distances, out=distances)
        found.squares = np.sum(distances, axis=(0, 2), **where)
        found.low = np.min(values, axis=(0, 2), initial=np.inf, **where)
        found.high = np.max(values, axis=(0, 2), initial=-np.inf, **where)
        return found

    def merge(self, other: Moments) -> None:
        """Takes those of other values of the same units in."""
        if not self.count.size:
            vars(self).update(vars(other))
            return
        if other.count.size < self.count.size:
            other = other.widened(self.count.size)
        mine = self.widened(other.count.size)
        count = mine.count + other.count
        share = other.count / np.maximum(count, 1)
        gap = other.mean - mine.mean
        self.squares = mine.squares + other.squares + gap * gap * mine.count * share
        self.mean = mine.mean + gap * share
        self.count = count
        self.low, self.high = np.minimum(mine.low, other.low), np.maximum(mine.high, other.high)

    def widened(self, units: int) -> Moments:
        """The same with more units, of which nothing was seen."""
        if units == self.count.size:
            return self
        wider = Moments(units)
        for name in ("count", "mean", "squares", "low", "high"):
            getattr(wider, name)[: self.count.size] = getattr(self, name)
        return wider

    def total(self) -> Moments:
        """All units as one."""
        found = Moments(1)
        count = self.count.sum()
        mean = float(self.count @ self.mean) / max(count, 1)
        squares = self.squares.sum() + self.count @ np.square(self.mean - mean)
        found.count[:], found.mean[:], found.squares[:] = count, mean, squares
        found.low[:], found.high[:] = self.low.min(initial=np.inf), self.high.max(initial=-np.inf)
        return found
