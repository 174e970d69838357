"""Whether a difference is more than the luck of the seeds: the paired t-test, and Holm's correction for several."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Final

import mpmath

LEVEL: Final = 0.05


@dataclass(frozen=True)
class Difference:
    """The mean of the differences seed by seed, their sample standard deviation, and the p-value of the t-test."""

    mean: float
    std: float
    p: float

    @property
    def direction(self) -> int:
        """1 or −1 where p is under 5 %, else 0."""
        return (self.p < LEVEL) * ((self.mean > 0) - (self.mean < 0))


def paired(first: Sequence[float], second: Sequence[float]) -> Difference:
    """First less second; both by seed, at least two of them."""
    gaps = [one - other for one, other in zip(first, second, strict=True)]
    middle, spread = mean(gaps), stdev(gaps)
    return Difference(middle, spread, p_value(middle, spread, len(gaps)))


def p_value(middle: float, spread: float, count: int) -> float:
    """How likely a mean as far from zero is where there is no difference: two-sided, Student's t."""
    if spread == 0:
        return float(middle == 0)
    square, freedom = count * (middle / spread) ** 2, count - 1
    return float(mpmath.betainc(freedom / 2, 0.5, 0, freedom / (freedom + square), regularized=True))


def corrected(differences: Mapping[str, Difference]) -> dict[str, Difference]:
    """The same with p-values that hold for all together (Holm 1979): where none differs, 5 % in all are taken to."""
    found, worst = {}, 0.0
    for place, name in enumerate(sorted(differences, key=lambda name: differences[name].p)):
        each = differences[name]
        worst = max(worst, min(1.0, (len(differences) - place) * each.p))
        found[name] = Difference(each.mean, each.std, worst)
    return {name: found[name] for name in differences}


def spread(values: Sequence[float]) -> float:
    """The sample standard deviation, NaN where a value is not finite."""
    return stdev(values) if all(map(math.isfinite, values)) else math.nan
