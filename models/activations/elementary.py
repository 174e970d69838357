"""What the activations are made of: the operations onnxruntime does to the last bit, and what follows from them.

onnxruntime's `Exp`, `Erf`, the four arithmetic operations, `Clip`, `Relu` and the casts are within one unit in the
last place (ULP) and keep NaN. Its `Tanh` (5 ULP, 100 near 1e-38), `Log` (3 ULP), `Sigmoid`, `Elu`, `Softplus` and
`Gelu` are not good enough to build on, and `Where` costs thirty times a multiplication. So a formula with two cases
is written as a sum in which the case that does not apply is exactly 0.
"""

from __future__ import annotations

import math

from onnx import TensorProto

from models.activations.graph import Tensor

FLOAT, DOUBLE, INT64 = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64
INF = math.inf


def clip(x: Tensor, low: float, high: float) -> Tensor:
    """x held within [low, high]; NaN stays NaN."""
    return x.op("Clip", low, high)


def above(x: Tensor) -> Tensor:
    """max(x, 0)"""
    return x.op("Relu")


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
    """exp(min(x, 0)) - 1, without cancellation.

    Down to the joint the series t / (t/2·coth(t/2) - t/2); beyond it the series stands still at its last value and
    exp(x) - exp(joint) is added, which is positive before the joint and clipped to 0 there.
    """
    joint = -0.40625
    t = clip(x, joint, 0.0)
    return _expm1_series(t) - above(1 + _expm1_series(x.like(joint)) - exp(x))


def _expm1_series(t: Tensor) -> Tensor:
    """1 + t²/12 - t⁴/720 + …: the Bernoulli numbers B2k/(2k)!. In FP32 the t⁴ term is bent a little to carry the t⁶."""
    single = (1 / 12, 0, -1 / 720 + 0.133 / 30240)
    double = (1 / 12, 0, -1 / 720, 0, 1 / 30240, 0, -1 / 1209600, 0, 1 / 47900160, 0, -691 / 1307674368000)
    return t / polynomial(t, 1, -1 / 2, *(single if t.dtype == FLOAT else double))


def tanh(x: Tensor) -> Tensor:
    """Up to the joint the series t / (t·coth t), beyond it 1 - 2 / (exp(2|x|) + 1), put together as in `expm1_below`."""
    joint = 0.5625
    t = clip(x, -joint, joint)
    beyond = above(1 - _tanh_series(x.like(joint)) - 2 / (exp(abs(x) * 2) + 1))
    return _tanh_series(t) + beyond * (t * (1 / joint))


def _tanh_series(t: Tensor) -> Tensor:
    """1 + t²/3 - t⁴/45 + …: 4^k·B2k/(2k)!. In FP32 the t⁸ term is bent a little to carry the t¹⁰."""
    single = (1 / 3, -1 / 45, 2 / 945, -1 / 4725 + 6e-6)
    double = (1 / 3, -1 / 45, 2 / 945, -1 / 4725, 2 / 93555, -1382 / 638512875, 4 / 18243225, -3617 / 162820783125)
    tail = (87734 / 38979295480125, -349222 / 1531329465290625, 310732 / 13447856940643125)
    return t / polynomial(t * t, 1, *(single if t.dtype == FLOAT else double + tail))


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
