"""Power series, from which `elementary` takes as many terms as a type needs."""

from __future__ import annotations

import math
from fractions import Fraction

from models.activations.graph import DOUBLE, FLOAT


def coth_coefficients(terms: int) -> list[Fraction]:
    """t·coth t = 1 + t²/3 - t⁴/45 + …: 4^k·B(2k)/(2k)! for k = 0, 1, …"""
    return [Fraction(4**k, math.factorial(2 * k)) * bernoulli(2 * k) for k in range(terms)]


def bernoulli(n: int) -> Fraction:
    """The Bernoulli number B(n), by the rule that the sum of C(n + 1, k)·B(k) over k = 0 … n is 0."""
    known = [Fraction(1)]
    for m in range(1, n + 1):
        known.append(-sum((math.comb(m + 1, k) * b for k, b in enumerate(known)), Fraction()) / (m + 1))
    return known[n]


def expm1_coefficients(terms: int) -> list[Fraction]:
    """t / expm1(t) = t/2·coth(t/2) - t/2 = 1 - t/2 + t²/12 - t⁴/720 + …"""
    even = [c / 4**k for k, c in enumerate(coth_coefficients(terms))]
    series = [c for pair in zip(even, [Fraction()] * terms, strict=True) for c in pair][:-1]
    series[1] = Fraction(-1, 2)
    return series


def tanhshrink_coefficients(terms: int) -> list[Fraction]:
    """t³ / (t - tanh t) = t² + t² / (t·coth t - 1) = 3 + 6/5·t² - t⁴/175 + …, by division of the series."""
    divisor = coth_coefficients(terms + 1)[1:]
    quotient: list[Fraction] = []
    for k in range(terms):
        known = sum((quotient[i] * divisor[k - i] for i in range(k)), Fraction())
        quotient.append((Fraction(k == 0) - known) / divisor[0])
    return [c + (k == 1) for k, c in enumerate(quotient)]


def artanh_coefficients(terms: int) -> list[Fraction]:
    """2·artanh z = 2z + 2z³/3 + 2z⁵/5 + …"""
    return [Fraction(2, 2 * k + 1) for k in range(terms)]


def cut(series: list[Fraction], last: float = 1.0) -> tuple[float, ...]:
    """The series as numbers. Cut short, it does best with its last term scaled a little, to stand for the next ones."""
    return *map(float, series[:-1]), float(series[-1]) * last


# As many terms of each series as the type needs.
EXPM1 = {FLOAT: cut(expm1_coefficients(3), 0.997), DOUBLE: cut(expm1_coefficients(8))}
TANH = {FLOAT: cut(tanhshrink_coefficients(4)), DOUBLE: cut(tanhshrink_coefficients(10))}
TANHSHRINK = {FLOAT: cut(tanhshrink_coefficients(6), 0.95), DOUBLE: cut(tanhshrink_coefficients(15))}
LOG1P = {FLOAT: cut(artanh_coefficients(6), 1.09), DOUBLE: cut(artanh_coefficients(18))}
