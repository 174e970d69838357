"""gelu, exact to the far tail: x·Φ(x), Φ the normal distribution, for x < 0 from Φ(-a) = exp(-a²/2)·MILLS(a)."""

from __future__ import annotations

from models.activations import gaussian_tables as tables
from models.activations.elementary import FLOAT, INF, above, clip, exp, polynomial, step, wide
from models.activations.exponentials import sigmoid
from models.activations.graph import Tensor, equal, when

TANH_FACTOR, TANH_CUBIC = 1.5957691216057307117597842397375, 0.044715  # 2·√(2/π), and the constant of the paper


def gelu(x: Tensor, approximate: Tensor) -> Tensor:
    """x·Φ(x); with approximate = tanh (1) its approximation"""
    return when(equal(approximate, 0), lambda: gelu_exact(x), lambda: gelu_tanh(x))


def gelu_slope(x: Tensor, approximate: Tensor) -> Tensor:
    return when(equal(approximate, 0), lambda: gelu_exact_slope(x), lambda: gelu_tanh_slope(x))


def gelu_exact(x: Tensor) -> Tensor:
    """x·Φ(x) = max(x, 0) - a·Φ(-a), a = |x|"""
    a = tail(x)
    return above(x) - a * from_table(a, "MILLS") * exp_of_square(a)


def gelu_exact_slope(x: Tensor) -> Tensor:
    """Φ(x) + x·φ(x): s = Φ(-a) - a·φ(a) for x <= 0, 1 - s for x > 0, s as (root - a)·SLOPE(a)·exp(-a²/2)"""
    a = tail(x)
    high, low = tables.ROOT_FP32 if x.dtype == FLOAT else tables.ROOT_FP64
    s = (high - a + low) * from_table(a, "SLOPE") * exp_of_square(a)
    positive = step(x)
    return positive + (1 - 2 * positive) * s


def tail(x: Tensor) -> Tensor:
    """|x|, held where exp(-x²/2) is 0"""
    return clip(abs(x), 0, 14.5 if x.dtype == FLOAT else 39)


def from_table(a: Tensor, name: str) -> Tensor:
    """The quotient of polynomials called `name` in the tables, for the type of a"""
    full_name = f"{name}_FP32" if a.dtype == FLOAT else f"{name}_FP64"
    top, bottom = getattr(tables, f"{full_name}_TOP"), getattr(tables, f"{full_name}_BOTTOM")
    return polynomial(a, *top) / polynomial(a, *bottom)


def exp_of_square(a: Tensor) -> Tensor:
    """exp(-a²/2). The square would be rounded too far, so a = high + low, high with so few bits that its square is
    exact: exp(-high²/2)·exp(-(a - high)·(a + high)/2), as libm's erfc does."""
    cutter = 1.5 * 2.0**15 if a.dtype == FLOAT else 1.5 * 2.0**32
    high = a + cutter - cutter
    return exp(high * high * -0.5) * exp((a - high) * (a + high) * -0.5)


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
