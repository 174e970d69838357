"""The same functions once more, in 80-bit floats (64 bits of mantissa) and by other formulas, to measure against.

Nothing here is used by the product, and nothing of the product is used here. x is a NumPy array of `longdouble`;
softmax and its kin work along the last axis, with g the gradient of y.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = Any  # of np.longdouble
Function = Callable[..., Array]
where, exp = np.where, np.exp
ROOT_TAU = np.sqrt(2 * np.arccos(np.longdouble(-1)))
ROOT_8_OVER_PI = 4 / ROOT_TAU
SELU_ALPHA, SELU_SCALE = (
    np.longdouble("1.6732632423543772848170429916717"),
    np.longdouble("1.0507009873554804934193349852946"),
)


def logistic(x: Array) -> Array:
    return where(x < 0, exp(np.minimum(x, 0)), 1) / (1 + exp(-abs(x)))


def softplus(x: Array) -> Array:
    return np.maximum(x, 0) + np.log1p(exp(-abs(x)))


def density(x: Array) -> Array:
    return exp(-x * x / 2) / ROOT_TAU


def normal(x: Array) -> Array:
    """Φ(x): the power series of Φ - 1/2 for |x| < 3, Laplace's continued fraction for the tail beyond."""
    inner, outer = np.clip(x, -3, 3), np.maximum(abs(x), 3)
    term = total = inner
    for k in range(3, 120, 2):
        term = term * inner * inner / k
        total = total + term
    fraction = outer
    for k in range(150, 0, -1):
        fraction = outer + k / fraction
    beyond = density(x) / fraction
    return where(abs(x) < 3, 0.5 + density(inner) * total, where(x < 0, beyond, 1 - beyond))


def tanhshrink(x: Array) -> Array:
    """Below 1 as Σ 2k·x^(2k+1)/(2k+1)! over cosh x: no term is negative."""
    small = np.clip(x, -1, 1)
    term, total = small, 0 * small
    for k in range(1, 14):
        term = term * small * small / (2 * k * (2 * k + 1))
        total = total + 2 * k * term
    return where(abs(x) < 1, total / np.cosh(small), x - np.tanh(x))


def gelu(x: Array, approximate: int = 0) -> Array:
    return x * (logistic(gelu_argument(x)) if approximate else normal(x))


def gelu_slope(x: Array, approximate: int = 0) -> Array:
    if not approximate:
        return normal(x) + x * density(x)
    u = gelu_argument(x)
    return logistic(u) + x * logistic(u) * logistic(-u) * ROOT_8_OVER_PI * (1 + 3 * np.longdouble("0.044715") * x * x)


def gelu_argument(x: Array) -> Array:
    return ROOT_8_OVER_PI * (x + np.longdouble("0.044715") * x * x * x)


def mish_slope(x: Array) -> Array:
    t = np.tanh(softplus(x))
    return t + x * logistic(x) / np.cosh(np.minimum(softplus(x), 5000)) ** 2


def softmax(x: Array) -> Array:
    powers = exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def softmax_vjp(x: Array, g: Array) -> Array:
    """y_i·Σ_j y_j·(g_i - g_j), n² terms: in g - Σ g·y even 64 bits cancel away."""
    y = softmax(x)
    return y * sum(y[..., j, None] * (g - g[..., j, None]) for j in range(x.shape[-1]))


def log_softmax(x: Array) -> Array:
    z = x - x.max(-1, keepdims=True)
    winner = np.zeros(x.shape, bool)
    np.put_along_axis(winner, z.argmax(-1)[..., None], True, -1)
    return z - np.log1p(where(winner, 0, exp(z)).sum(-1, keepdims=True))


def log_softmax_vjp(x: Array, g: Array) -> Array:
    return g - softmax(x) * g.sum(-1, keepdims=True)


def glu(x: Array) -> Array:
    a, b = np.split(x, 2, -1)
    return a * logistic(b)


def glu_vjp(x: Array, g: Array) -> Array:
    a, b = np.split(x, 2, -1)
    return np.concatenate([logistic(b) * g, a * logistic(b) * logistic(-b) * g], -1)


def hardmax(x: Array) -> Array:
    return (np.arange(x.shape[-1]) == x.argmax(-1)[..., None]) + 0 * x


def leaky(x: Array, slope: Any) -> Array:
    return where(x > 0, x, slope * x)


def leaky_slope(x: Array, slope: Any) -> Array:
    return where(x > 0, 1, slope + 0 * x)


def rrelu_mean(lower: float = 1 / 8, upper: float = 1 / 3) -> Array:
    return (np.longdouble(lower) + np.longdouble(upper)) / 2


# The value of each and its slope dy/dx, or its vector-Jacobian product.
ELEMENTWISE: dict[str, tuple[Function, Function]] = {
    "relu": (lambda x: np.maximum(x, 0), lambda x: (x > 0) + 0 * x),
    "relu2": (lambda x: np.maximum(x, 0) ** 2, lambda x: 2 * np.maximum(x, 0)),
    "relu6": (lambda x: np.clip(x, 0, 6), lambda x: ((x > 0) & (x < 6)) + 0 * x),
    "leaky_relu": (
        lambda x, negative_slope=0.01: leaky(x, np.longdouble(negative_slope)),
        lambda x, negative_slope=0.01: leaky_slope(x, np.longdouble(negative_slope)),
    ),
    "prelu": (lambda x, weight=0.25: leaky(x, weight), lambda x, weight=0.25: leaky_slope(x, weight)),
    "rrelu": (lambda x, **p: leaky(x, rrelu_mean(**p)), lambda x, **p: leaky_slope(x, rrelu_mean(**p))),
    "hardtanh": (
        lambda x, min_val=-1, max_val=1: np.clip(x, min_val, max_val),
        lambda x, min_val=-1, max_val=1: ((x > min_val) & (x < max_val)) + 0 * x,
    ),
    "hardsigmoid": (lambda x: np.clip(x + 3, 0, 6) / 6, lambda x: where((x > -3) & (x < 3), 1, 0) / np.longdouble(6)),
    "hardswish": (
        lambda x: x * np.clip(x + 3, 0, 6) / 6,
        lambda x: where(x <= -3, 0, where(x >= 3, 1, (2 * x + 3) / 6)),
    ),
    "threshold": (
        lambda x, threshold=0, value=0: where(x > threshold, x, value),
        lambda x, threshold=0, value=0: (x > threshold) + 0 * x,
    ),
    "thresholded_relu": (lambda x, alpha=1: where(x > alpha, x, 0), lambda x, alpha=1: (x > alpha) + 0 * x),
    "hardshrink": (lambda x, lambd=0.5: where(abs(x) > lambd, x, 0), lambda x, lambd=0.5: (abs(x) > lambd) + 0 * x),
    "softshrink": (lambda x, lambd=0.5: x - np.clip(x, -lambd, lambd), lambda x, lambd=0.5: (abs(x) > lambd) + 0 * x),
    "elu": (
        lambda x, alpha=1: where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))),
        lambda x, alpha=1: where(x > 0, 1, alpha * exp(np.minimum(x, 0))),
    ),
    "selu": (
        lambda x: SELU_SCALE * where(x > 0, x, SELU_ALPHA * np.expm1(np.minimum(x, 0))),
        lambda x: SELU_SCALE * where(x > 0, 1, SELU_ALPHA * exp(np.minimum(x, 0))),
    ),
    "celu": (
        lambda x, alpha=1: where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha)),
        lambda x, alpha=1: where(x > 0, 1, exp(np.minimum(x, 0) / alpha)),
    ),
    "sigmoid": (logistic, lambda x: logistic(x) * logistic(-x)),
    "logsigmoid": (lambda x: -softplus(-x), lambda x: logistic(-x)),
    "softplus": (
        lambda x, beta=1, threshold=20: where(x * beta > threshold, x, softplus(x * beta) / beta),
        lambda x, beta=1, threshold=20: where(x * beta > threshold, 1, logistic(x * beta)),
    ),
    "tanh": (np.tanh, lambda x: 1 / np.cosh(np.clip(x, -5000, 5000)) ** 2),
    "tanhshrink": (tanhshrink, lambda x: np.tanh(x) ** 2),
    "softsign": (lambda x: x / (1 + abs(x)), lambda x: 1 / (1 + abs(x)) ** 2),
    "silu": (lambda x: x * logistic(x), lambda x: logistic(x) * (1 + x * logistic(-x))),
    "swish": (
        lambda x, alpha=1: x * logistic(alpha * x),
        lambda x, alpha=1: logistic(alpha * x) * (1 + alpha * x * logistic(-alpha * x)),
    ),
    "mish": (lambda x: x * np.tanh(softplus(x)), mish_slope),
    "gelu": (gelu, gelu_slope),
}
ALONG_AXIS: dict[str, tuple[Function, Function]] = {
    "softmax": (softmax, softmax_vjp),
    "softmin": (lambda x: softmax(-x), lambda x, g: -softmax_vjp(-x, g)),
    "log_softmax": (log_softmax, log_softmax_vjp),
    "glu": (glu, glu_vjp),
    "hardmax": (hardmax, lambda x, g: 0 * x),
}


def ulps(got: Array, exact: Array) -> Array:
    """|got - exact| in units of the last place of `got`'s type, wherever `exact` is a normal number of it, else 0."""
    kind = np.finfo(got.dtype)
    normal = (abs(exact) >= kind.tiny) & (abs(exact) <= kind.max)
    safe = where(normal, exact, 1)
    unit = np.ldexp(np.longdouble(1), np.frexp(safe)[1] - 1 - kind.nmant)
    error = where(normal, abs(where(normal, got, 1) - safe) / unit, 0)
    return where(np.isnan(error), np.inf, error).astype(np.float64)
