"""What the activations are made of: the operations onnxruntime does to the last bit, and what follows from them.

onnxruntime's `Exp`, the four arithmetic operations, `Clip`, `Relu` and the casts are within one unit in the
last place (ULP) and keep NaN. Its `Tanh` (5 ULP, 100 near 1e-38), `Log` (3 ULP), `Sigmoid`, `Elu`, `Softplus` and
`Gelu` are not good enough to build on, and `Where` costs thirty times a multiplication. So a formula with two cases
is written as a sum in which the case that does not apply is exactly 0.
"""

from __future__ import annotations

import math

from models.activations.graph import DOUBLE, FLOAT, Operand, Tensor
from models.activations.series import EXPM1, LOG1P, TANH, TANHSHRINK

INF = math.inf


def clip(x: Tensor, low: Operand, high: Operand) -> Tensor:
    """x held within [low, high]; NaN stays NaN."""
    return x.op("Clip", low, high)


def above(x: Tensor) -> Tensor:
    """max(x, 0). Not `Relu` in FP64: where a Clip follows one, onnxruntime's FuseReluClip fails to load the model."""
    return x.op("Relu") if x.dtype == FLOAT else clip(x, 0, INF)


def below(x: Tensor) -> Tensor:
    """min(x, 0)"""
    return clip(x, -INF, 0.0)


def step(x: Tensor) -> Tensor:
    """1 where x > 0, 0 where x <= 0, NaN where x is NaN: even the smallest subnormal is scaled past 1, then clipped."""
    scale = 2.0**75 if x.dtype == FLOAT else 2.0**537
    return clip(x * scale * scale, 0.0, 1.0)


def exp(x: Tensor) -> Tensor:
    return x.op("Exp")


def polynomial(x: Tensor, *coefficients: float) -> Tensor:
    """c0 + c1·x + c2·x² + … by Horner's rule."""
    *rest, last = coefficients
    total = x * last
    for coefficient in reversed(rest[1:]):
        total = (total + coefficient if coefficient else total) * x
    return total + rest[0]


def expm1_below(x: Tensor) -> Tensor:
    """exp(min(x, 0)) - 1 without cancellation.

    Down to a joint the series t / (t/2·coth(t/2) - t/2). There the series stands still at its last value, and what is
    missing, exp(x) - exp(joint), is added; it is positive before the joint and so clipped away.
    """
    joint = -0.40625

    def series(t: Tensor) -> Tensor:
        return t / polynomial(t, *EXPM1[t.dtype])

    return series(clip(x, joint, 0)) - above(1 + series(x.like(joint)) - exp(x))


def log1p(e: Tensor) -> Tensor:
    """log(1 + e) = 2·artanh z, z = e/(2 + e), for e in [0, 1]"""
    z = e / (2 + e)
    return z * polynomial(z * z, *LOG1P[e.dtype])


def tanh(x: Tensor) -> Tensor:
    """t - (t - tanh t) by its series up to a joint; what is missing beyond is added, as in `expm1_below`."""
    joint = 0.5625

    def lost(t: Tensor) -> Tensor:
        return tanhshrink_series(t, TANH[t.dtype])

    t = clip(x, -joint, joint)
    gap = 1 - joint + lost(x.like(joint))
    return t - (lost(t) - tanh_beyond(x, gap) * (t * (1 / joint)))  # bracketed so, -0 stays -0


def tanhshrink(x: Tensor) -> Tensor:
    """x - tanh x, without cancellation: its series up to a joint, and what is missing beyond, as in `tanh`."""
    joint = 1.125
    t = clip(x, -joint, joint)
    missing = x - t - tanh_beyond(x, x.like(1 - math.tanh(joint))) * (t * (1 / joint))
    return tanhshrink_series(t, TANHSHRINK[t.dtype]) + missing


def tanh_beyond(x: Tensor, gap: Tensor) -> Tensor:
    """tanh |x| - (1 - gap) where that is positive, else 0; by tanh a = 1 - 2/(exp(2a) + 1)."""
    return above(gap - 2 / (exp(abs(x) * 2) + 1))


def tanhshrink_series(t: Tensor, coefficients: tuple[float, ...]) -> Tensor:
    """t - tanh t = t³ / (3 + 6/5·t² - t⁴/175 + …)"""
    square = t * t
    return t * square / polynomial(square, *coefficients)


def wide(x: Tensor) -> Tensor:
    """x in FP64"""
    return x.cast(DOUBLE)


def exp_of_wide(z: Tensor, dtype: int) -> Tensor:
    """exp(z) in the type `dtype` for z in FP64: exp(high)·(1 + low), since exp(z) in FP32 is as far off as z itself."""
    if dtype == DOUBLE:
        return exp(z)
    z = clip(z, -200.0, 200.0)
    high = z.cast(dtype)
    low = (z - wide(high)).cast(dtype)
    return exp(high) * (1 + low)


def wide_exp(z: Tensor, dtype: int) -> Tensor:
    """exp(z) in FP64 for z <= 0 in FP64, with the digits of `dtype`: as `exp_of_wide`, in two steps beyond -80"""
    z = clip(z, -800.0, 0.0)
    high = z.cast(dtype)
    low = z - wide(high)
    return wide(exp(clip(high, -80, 0))) * wide(exp(below(high + 80))) * (1 + low)


def log1p_of_wide(e: Tensor) -> Tensor:
    """log(1 + e) for any e >= 0 in FP64: the logarithm of the rounded sum, and what the rounding lost."""
    rounded_sum = 1 + e
    return rounded_sum.op("Log") + (e - (rounded_sum - 1)) / rounded_sum


def rounded(x: Tensor, dtype: int) -> Tensor:
    """x in the type `dtype`; FP64 to FP16 or BF16 is rounded once.

    onnxruntime rounds to FP32 on the way. So x is cut to 20 bits, and what was cut off leaves a trace in bit 23: too
    small to reach another 16-bit value, enough to keep a tie from looking like one (Boldo and Melquiond 2008).
    """
    if dtype == x.dtype:
        return x
    x = clip(x, -1e39, 1e39)
    scaled = x * float(2**33 + 1)  # Veltkamp's splitting
    cut = scaled - (scaled - x)
    trace = (cut - x).op("Sign") * abs(cut) * 2.0**-23
    return (cut - trace).cast(FLOAT).cast(dtype)
