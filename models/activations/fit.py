"""`python -m models.activations.fit`: fit the tail of the normal distribution, write `gaussian_tables.py`.

With exp(-a²/2) divided out, what remains of a tail is smooth: mills(a) = Φ(-a)·exp(a²/2). gelu needs it as
1/mills(a) = 2 + LINE·a - a·BEND(a), LINE = √2π. Its slope needs mills(a) - a/√2π, which is 0 at a = ROOT, as
(ROOT - a)·(FLAT + SLOPE(a)), FLAT = 1/√2π. BEND and SLOPE are small where it matters, so their rounding errors are
too; they also make up for the rounding of LINE and FLAT. Each is a quotient of polynomials with the least relative
error on [0, end] (Lawson's iteration on the linearised problem).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import mpmath as mp
import numpy as np

Values = list[mp.mpf]
Function = Callable[[mp.mpf], mp.mpf]
HEAD = '"""Written by `python -m models.activations.fit`. Polynomials have their lowest coefficient first."""'


def mills(a: mp.mpf) -> mp.mpf:
    return mp.exp(a * a / 2) * mp.erfc(a / mp.sqrt(2)) / 2


@cache
def root() -> mp.mpf:
    return mp.findroot(lambda a: mills(a) - a / mp.sqrt(2 * mp.pi), 0.75)


def fit(function: Function, end: float, above: int, below: int) -> list[Values]:
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
    print(f"degrees {above} and {below} on [0, {end}]: relative error {mp.nstr(max(errors), 3)}")
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


def tables(
    dtype: type[np.floating[Any]], end: float, bend: tuple[int, int], slope: tuple[int, int]
) -> dict[str, Values]:
    """All that gelu needs in one type; `bend` and `slope` are the degrees of those quotients."""
    tau = mp.sqrt(2 * mp.pi)
    line, flat, zero = (mp.mpf(float(dtype(float(value)))) for value in (tau, 1 / tau, root()))
    bend_top, bend_bottom = fit(lambda a: (2 + line * a - 1 / mills(a)) / a, end, *bend)
    slope_top, slope_bottom = fit(lambda a: (mills(a) - a / tau) / (root() - a) - flat, end, *slope)
    return {
        "CONSTANTS": [line, flat, zero, root() - zero],
        "BEND_TOP": bend_top,
        "BEND_BOTTOM": bend_bottom,
        "SLOPE_TOP": slope_top,
        "SLOPE_BOTTOM": slope_bottom,
    }


def text(name: str, table: dict[str, Values]) -> str:
    """The tables of one type as a Python dictionary, a number a line."""
    lines = []
    for key, values in table.items():
        lines += [f'    "{key}": (', *(f"        {float(value)!r}," for value in values), "    ),"]
    return "\n".join([f"{name} = {{", *lines, "}"])


def both_types() -> tuple[dict[str, Values], dict[str, Values]]:
    with mp.workdps(60):
        return tables(np.float32, 14.5, (4, 5), (4, 5)), tables(np.float64, 39.0, (10, 11), (10, 11))


def main() -> None:
    single, double = both_types()
    parts = [HEAD, text("SINGLE", single), text("DOUBLE", double)]
    Path(__file__).with_name("gaussian_tables.py").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
