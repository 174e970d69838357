"""The derivative of each activation, element by element in FP64, at the point before it.

Where a function has a kink its slope there is PyTorch's, as in `POST /activate/{name}/gradient`. Of an activation along
an axis it is what one output gains by its own input, the diagonal of the Jacobian. NaN stays NaN; at the infinities it
is the limit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import pi, sqrt
from typing import Any

import numpy as np

from service.tensors import Array

LARGEST = 1e30  # stands for infinity: its cube is still a number
TANH_FACTOR, TANH_CUBIC = sqrt(2 / pi), 0.044715
# erfc by Chebyshev's fit, relative error below 1.2e-7 everywhere: Press et al., Numerical Recipes, 6.2.
ERFC = (-1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587)
ERFC_REST = (-0.82215223, 0.17087277)

Parameters = Mapping[str, Any]
Slope = Callable[[Array, Array, Parameters], Array]


@dataclass(frozen=True, slots=True)
class Kind:
    """`slope(x, y, parameters)`; `can_die` where outputs and slope are 0 for all that is far enough below, so that a
    unit can stop to matter; `is_share` where a small slope is no illness: shares of one, and their kin."""

    slope: Slope
    can_die: bool = False
    is_share: bool = False


def slope(kind: str, parameters: Parameters, x: Array, y: Array, beside: Array | None = None) -> Array:
    """f'(x) in the shape of `x`, which with `y` is FP64; `beside` is what a prelu has below zero, for each element."""
    given = parameters if beside is None else {**parameters, "slope": beside}
    with np.errstate(all="ignore"):
        return KINDS[kind].slope(np.clip(x, -LARGEST, LARGEST), y, given)


def _step(x: Array, above: Any, below: Any) -> Array:
    """`above` where x > 0, else `below`; NaN where x is NaN."""
    return np.where(np.isnan(x), np.nan, np.where(x > 0, above, below))


def _within(x: Array, low: float, high: float, inside: float = 1.0) -> Array:
    return np.where(np.isnan(x), np.nan, np.where((x > low) & (x < high), inside, 0.0))


def _sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), of which neither end is lost"""
    power = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, power) / (1.0 + power)


def _sigmoid_slope(x: Array) -> Array:
    power = np.exp(-np.abs(x))
    return power / np.square(1.0 + power)


def _normal(x: Array) -> Array:
    """Φ(x), the share of a normal distribution below x: erfc(-x/√2)/2"""
    z = np.abs(x) * sqrt(0.5)
    t = 1.0 / (1.0 + 0.5 * z)
    total = np.full_like(t, ERFC_REST[-1])
    for coefficient in (ERFC_REST[0], *reversed(ERFC)):
        total = total * t + coefficient
    tail = 0.5 * t * np.exp(total - z * z)
    return np.where(x > 0, 1.0 - tail, tail)


def _relu(x: Array, y: Array, given: Parameters) -> Array:
    return _step(x, 1.0, 0.0)


def _leaky_relu(x: Array, y: Array, given: Parameters) -> Array:
    return _step(x, 1.0, given["alpha"])


def _prelu(x: Array, y: Array, given: Parameters) -> Array:
    return _step(x, 1.0, given["slope"])


def _elu(x: Array, y: Array, given: Parameters) -> Array:
    return _step(x, 1.0, given["alpha"] * np.exp(np.minimum(x, 0.0)))


def _selu(x: Array, y: Array, given: Parameters) -> Array:
    found: Array = given["gamma"] * _elu(x, y, given)
    return found


def _celu(x: Array, y: Array, given: Parameters) -> Array:
    return _step(x, 1.0, np.exp(np.minimum(x / given["alpha"], 0.0)))


def _gelu(x: Array, y: Array, given: Parameters) -> Array:
    if given["approximate"] != "tanh":
        return _normal(x) + x * np.exp(-0.5 * x * x) / sqrt(2 * pi)
    u = TANH_FACTOR * (x + TANH_CUBIC * x * x * x)
    rise = TANH_FACTOR * (1.0 + 3 * TANH_CUBIC * x * x)
    return _sigmoid(2 * u) + 2 * x * _sigmoid_slope(2 * u) * rise


def _sigmoid_itself(x: Array, y: Array, given: Parameters) -> Array:
    return _sigmoid_slope(x)


def _swish(x: Array, y: Array, given: Parameters) -> Array:
    z = given.get("alpha", 1.0) * x
    found: Array = _sigmoid(z) + z * _sigmoid_slope(z)
    return found


def _logsigmoid(x: Array, y: Array, given: Parameters) -> Array:
    return _sigmoid(-x)


def _hardsigmoid(x: Array, y: Array, given: Parameters) -> Array:
    return _within(given["alpha"] * x + given["beta"], 0.0, 1.0, given["alpha"])


def _tanh(x: Array, y: Array, given: Parameters) -> Array:
    return 4.0 * _sigmoid_slope(2.0 * x)


def _tanhshrink(x: Array, y: Array, given: Parameters) -> Array:
    return np.square(np.tanh(x))


def _softplus(x: Array, y: Array, given: Parameters) -> Array:
    return _sigmoid(given.get("beta", 1.0) * x)


def _softsign(x: Array, y: Array, given: Parameters) -> Array:
    return 1.0 / np.square(1.0 + np.abs(x))


def _hardswish(x: Array, y: Array, given: Parameters) -> Array:
    return np.where(x >= 3, 1.0, np.where(x <= -3, 0.0, (2.0 * x + 3.0) / 6.0))


def _mish(x: Array, y: Array, given: Parameters) -> Array:
    height = np.tanh(np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x))))
    found: Array = height + x * _sigmoid(x) * (1.0 - height * height)
    return found


def _relu2(x: Array, y: Array, given: Parameters) -> Array:
    return 2.0 * np.maximum(x, 0.0)


def _relu6(x: Array, y: Array, given: Parameters) -> Array:
    return _within(x, 0.0, 6.0)


def _hardtanh(x: Array, y: Array, given: Parameters) -> Array:
    return _within(x, given["min_val"], given["max_val"])


def _thresholded_relu(x: Array, y: Array, given: Parameters) -> Array:
    return _step(x - given["alpha"], 1.0, 0.0)


def _threshold(x: Array, y: Array, given: Parameters) -> Array:
    return _step(x - given["threshold"], 1.0, 0.0)


def _shrink(x: Array, y: Array, given: Parameters) -> Array:
    return _step(np.abs(x) - given["lambd"], 1.0, 0.0)


def _softmax(x: Array, y: Array, given: Parameters) -> Array:
    return y * (1.0 - y)


def _log_softmax(x: Array, y: Array, given: Parameters) -> Array:
    return -np.expm1(y)


def _hardmax(x: Array, y: Array, given: Parameters) -> Array:
    return np.where(np.isnan(x), np.nan, 0.0)


KINDS: dict[str, Kind] = {
    "relu": Kind(_relu, can_die=True),
    "leaky_relu": Kind(_leaky_relu),
    "prelu": Kind(_prelu),
    "elu": Kind(_elu),
    "selu": Kind(_selu),
    "celu": Kind(_celu),
    "gelu": Kind(_gelu, can_die=True),
    "sigmoid": Kind(_sigmoid_itself),
    "silu": Kind(_swish, can_die=True),
    "swish": Kind(_swish, can_die=True),
    "logsigmoid": Kind(_logsigmoid),
    "hardsigmoid": Kind(_hardsigmoid),
    "tanh": Kind(_tanh),
    "tanhshrink": Kind(_tanhshrink),
    "softplus": Kind(_softplus),
    "softsign": Kind(_softsign),
    "hardswish": Kind(_hardswish, can_die=True),
    "mish": Kind(_mish, can_die=True),
    "relu2": Kind(_relu2, can_die=True),
    "relu6": Kind(_relu6, can_die=True),
    "hardtanh": Kind(_hardtanh),
    "thresholded_relu": Kind(_thresholded_relu, can_die=True),
    "threshold": Kind(_threshold),
    "hardshrink": Kind(_shrink, can_die=True),
    "softshrink": Kind(_shrink, can_die=True),
    "shrink": Kind(_shrink, can_die=True),
    "softmax": Kind(_softmax, is_share=True),
    "softmin": Kind(_softmax, is_share=True),
    "log_softmax": Kind(_log_softmax, is_share=True),
    "hardmax": Kind(_hardmax, is_share=True),
}
