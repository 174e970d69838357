"""`python -m models.activations.fit`: fit the tail of the normal distribution, write `gaussian_tables.py`.

With exp(-a²/2) divided out, what remains of a tail is smooth: MILLS(a) = Φ(-a)·exp(a²/2) for gelu, and for its slope
SLOPE(a) = (MILLS(a) - a/√2π) / (ROOT - a), where ROOT is the a at which the slope is 0. Each is fitted on [0, end] by
a quotient of polynomials with the least relative error (Lawson's iteration on the linearised problem).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import mpmath as mp
import numpy as np

Values = list[mp.mpf]
HEAD = '"""Written by `python -m models.activations.fit`: coefficients, lowest first, of quotients of polynomials."""'


def mills(a: mp.mpf) -> mp.mpf:
    return mp.exp(a * a / 2) * mp.erfc(a / mp.sqrt(2)) / 2


def slope(a: mp.mpf) -> mp.mpf:
    return (mills(a) - a / mp.sqrt(2 * mp.pi)) / (root() - a)


@cache
def root() -> mp.mpf:
    return mp.findroot(lambda a: mills(a) - a / mp.sqrt(2 * mp.pi), 0.75)


def fit(function: Callable[[mp.mpf], mp.mpf], end: float, above: int, below: int) -> list[Values]:
    """Coefficients of two polynomials, of degrees `above` and `below`, whose quotient is the function on [0, end]."""
    points = nodes(6 * (above + below), end)
    values = [function(point) for point in points]
    weights = bottoms = [mp.mpf(1)] * len(points)
    for _ in range(10):
        scales = [mp.sqrt(w) / (b * v) for w, b, v in zip(weights, bottoms, values, strict=True)]
        top, bottom = solve(points, values, scales, above, below)
        bottoms = [mp.polyval(bottom[::-1], point) for point in points]
        tops = [mp.polyval(top[::-1], point) for point in points]
        errors = [abs(t / (b * v) - 1) for t, b, v in zip(tops, bottoms, values, strict=True)]
        mean = mp.fdot(weights, errors) / len(points)
        weights = [w * e / mean for w, e in zip(weights, errors, strict=True)]
    print(f"{function.__name__} on [0, {end}]: relative error {mp.nstr(max(errors), 3)}")
    return [top, bottom]


def nodes(count: int, end: float) -> Values:
    """Points of [0, end], dense at both ends, and towards 0 where the function bends."""
    angles = [mp.pi * (2 * i + 1) / (2 * count) for i in range(count)]
    shares = [(1 - mp.cos(angle)) / 2 * end / (end + 1.5) for angle in angles]
    return [1.5 * share / (1 - share) for share in shares]


def solve(points: Values, values: Values, scales: Values, above: int, below: int) -> list[Values]:
    """Least squares of scale·(top(point) - value·bottom(point)), bottom(0) = 1."""
    rows = [
        [s * p**k for k in range(above + 1)] + [-s * v * p**k for k in range(1, below + 1)]
        for p, v, s in zip(points, values, scales, strict=True)
    ]
    matrix, right = mp.matrix(rows), mp.matrix([s * v for v, s in zip(values, scales, strict=True)])
    found = list(mp.lu_solve(matrix.T * matrix, matrix.T * right))
    return [found[: above + 1], [mp.mpf(1), *found[above + 1 :]]]


def text(name: str, *table: mp.mpf) -> str:
    return "\n".join([f"{name} = (", *(f"    {float(value)!r}," for value in table), ")"])


def quotient(name: str, function: Callable[[mp.mpf], mp.mpf], end: float, above: int, below: int) -> str:
    top, bottom = fit(function, end, above, below)
    return text(f"{name}_TOP", *top) + "\n" + text(f"{name}_BOTTOM", *bottom)


def halves(dtype: type[np.floating[Any]]) -> Values:
    """ROOT rounded to the type, and what the rounding lost."""
    high = mp.mpf(float(dtype(float(root()))))
    return [high, root() - high]


def main() -> None:
    mp.mp.dps = 60
    parts = [
        HEAD,
        text("ROOT_FP32", *halves(np.float32)),
        text("ROOT_FP64", *halves(np.float64)),
        quotient("MILLS_FP32", mills, 14.5, 4, 5),
        quotient("SLOPE_FP32", slope, 14.5, 4, 4),
        quotient("MILLS_FP64", mills, 39.0, 10, 11),
        quotient("SLOPE_FP64", slope, 39.0, 10, 10),
    ]
    Path(__file__).with_name("gaussian_tables.py").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
