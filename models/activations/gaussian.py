"""gelu, exact to the far tail. With a = |x|, the tail of the normal distribution is

    Φ(-a) = exp(-a²/2) / (2 + √2π·a - a·BEND(a)),

BEND and SLOPE being quotients of polynomials from `gaussian_tables`; exp(-a²/2) comes as exp(exponent)·(1 + rest).
"""

from __future__ import annotations

from models.activations import gaussian_tables
from models.activations.elementary import INF, above, below, clip, exp, polynomial, step, wide
from models.activations.exponentials import sigmoid
from models.activations.graph import FLOAT, Tensor, equal, when

TANH_FACTOR, TANH_CUBIC = 1.5957691216057307117597842397375, 0.044715  # 2·√(2/π), and the constant of the paper


def gelu(x: Tensor, approximate: Tensor) -> Tensor:
    """x·Φ(x); with approximate = tanh (1) its approximation"""
    return when(equal(approximate, 0), lambda: gelu_exact(x), lambda: gelu_tanh(x))


def gelu_slope(x: Tensor, approximate: Tensor) -> Tensor:
    return when(equal(approximate, 0), lambda: gelu_exact_slope(x), lambda: gelu_tanh_slope(x))


def gelu_exact(x: Tensor) -> Tensor:
    """x·Φ(x) = max(x, 0) - a·Φ(-a)"""
    a = tail(x)
    line, *_ = table(x, "CONSTANTS")
    exponent, rest = minus_half_square(a)
    straight, bent = a * line, 2 - a * quotient(a, "BEND")
    return above(x) - a / (straight + (bent - rest * (straight + bent))) * exp(exponent)


def gelu_exact_slope(x: Tensor) -> Tensor:
    """Φ(x) + x·φ(x), which is s = (root - a)·(1/√2π + SLOPE(a))·exp(-a²/2) for x <= 0 and 1 - s for x > 0.

    The three factors are put together in FP64: three roundings fewer.
    """
    a = tail(x)
    _, flat, root, root_rest = table(x, "CONSTANTS")
    exponent, rest = minus_half_square(a)
    bent = quotient(a, "SLOPE")
    factor = flat + (bent + rest * (flat + bent))
    low = -80 if x.dtype == FLOAT else -700  # beyond it in two steps: exp alone underflows before the product does
    power = wide(exp(clip(exponent, low, 0))) * wide(exp(below(exponent - low)))
    s = ((root - wide(a) + root_rest) * wide(factor) * power).cast(x.dtype)
    positive = step(x)
    return positive + (1 - 2 * positive) * s


def tail(x: Tensor) -> Tensor:
    """|x|, held where exp(-x²/2) is 0"""
    return clip(abs(x), 0, 15 if x.dtype == FLOAT else 39)


def quotient(a: Tensor, name: str) -> Tensor:
    return polynomial(a, *table(a, f"{name}_TOP")) / polynomial(a, *table(a, f"{name}_BOTTOM"))


def table(x: Tensor, name: str) -> tuple[float, ...]:
    return (gaussian_tables.SINGLE if x.dtype == FLOAT else gaussian_tables.DOUBLE)[name]


def minus_half_square(a: Tensor) -> tuple[Tensor, Tensor]:
    """-a²/2, whose rounding exp would magnify, and what the rounding lost (libm's erfc does the same).

    a = high + low, high with so few bits that its square is exact; -high²/2 and -(a - high)·(a + high)/2 are added.
    """
    cutter = 1.5 * 2.0**15 if a.dtype == FLOAT else 1.5 * 2.0**32
    high = a + cutter - cutter
    large, small = high * high * -0.5, (a - high) * (a + high) * -0.5
    total = large + small
    return total, large - total + small


def gelu_tanh(x: Tensor) -> Tensor:
    """x/2·(1 + tanh u) = x·σ(2u), 2u = 2√(2/π)·(x + 0.044715·x³); in FP64, since exp(-2u) needs 2u exactly"""
    z = clip(wide(x), -100, INF)
    return (z * sigmoid(tanh_argument(z))).cast(x.dtype)


def gelu_tanh_slope(x: Tensor) -> Tensor:
    """σ(2u) + x·σ(2u)·σ(-2u)·(2u)'"""
    z = clip(wide(x), -100, 100)
    u = tanh_argument(z)
    rise = TANH_FACTOR + z * z * (3 * TANH_CUBIC * TANH_FACTOR)
    return (sigmoid(u) * (1 + z * sigmoid(-u) * rise)).cast(x.dtype)


def tanh_argument(z: Tensor) -> Tensor:
    return z * (TANH_FACTOR + z * z * (TANH_CUBIC * TANH_FACTOR))
