"""Activations made of exponentials. Each value stands with its slope dy/dx.

Slopes that cross zero (silu, swish, mish) are computed in FP64: near the crossing the difference cancels.
"""

from __future__ import annotations

from models.activations import elementary
from models.activations.axis import all_within
from models.activations.elementary import (
    INF,
    above,
    below,
    clip,
    exp,
    exp_of_wide,
    expm1_below,
    log1p,
    log1p_of_wide,
    step,
    wide,
)
from models.activations.graph import FLOAT, Tensor, both, when

SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946
LARGEST = 1.7976931348623157e308


def elu(x: Tensor, alpha: Tensor) -> Tensor:
    """x for x > 0, else α·(exp(x) - 1); for α in [0, 1] simply the larger of the two"""
    bent = alpha * expm1_below(x)
    return when(all_within(alpha, 0, 1), lambda: x.op("Max", bent), lambda: above(x) + bent)


def elu_slope(x: Tensor, alpha: Tensor) -> Tensor:
    """1 for x > 0, else α·exp(x) = α·h·h, h = exp(x/2): exp(x) may underflow where α·exp(x) does not"""
    positive = step(x)
    h = exp(below(x) * 0.5)
    return positive + (1 - positive) * (alpha * h * h)


def selu(x: Tensor) -> Tensor:
    """scale·elu(x, alpha), the constants to double precision from Klambauer et al. 2017"""
    return above(x) * SELU_SCALE + expm1_below(x) * (SELU_SCALE * SELU_ALPHA)


def selu_slope(x: Tensor) -> Tensor:
    """scale for x > 0, else scale·alpha·exp(x)"""
    positive = step(x)
    return positive * SELU_SCALE + (1 - positive) * exp(below(x)) * (SELU_SCALE * SELU_ALPHA)


def celu(x: Tensor, alpha: Tensor) -> Tensor:
    """x for x > 0, else α·(exp(x/α) - 1), which is the larger of the two for α > 0.

    For α > 1 a tiny x/α may underflow; α·(exp(x/α) - 1) is below x·(1 + x/(2α)), and equal to it there.
    """
    z = x / alpha
    bent = alpha * expm1_below(z)

    def held() -> Tensor:
        return x.op("Max", bent.op("Min", x * (z * 0.5 + 1)))

    return when(all_within(alpha, 0, 1), lambda: x.op("Max", bent), held)


def celu_slope(x: Tensor, alpha: Tensor) -> Tensor:
    """1 for x > 0, else exp(x/α), whose argument FP32 would round too far"""
    positive = step(x)
    return positive + (1 - positive) * exp_of_wide(wide(below(x)) / wide(alpha), x.dtype)


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x))"""
    return 1 / (1 + exp(-x))


def sigmoid_slope(x: Tensor) -> Tensor:
    """σ(x)·σ(-x) = 1 / (e + 2 + 1/e), e = exp(|x|)"""
    e = exp(abs(x))
    return 1 / (e + 1 / e + 2)


def logsigmoid(x: Tensor) -> Tensor:
    """log σ(x) = min(x, 0) - log(1 + exp(-|x|))"""
    return below(x) - log1p(exp(-abs(x)))


def logsigmoid_slope(x: Tensor) -> Tensor:
    """σ(-x)"""
    return 1 / (1 + exp(x))


def softplus(x: Tensor, beta: Tensor, threshold: Tensor) -> Tensor:
    """log(1 + exp(β·x)) / β = max(x, 0) + log(1 + exp(-β·|x|)) / β, and x where β·x > threshold.

    In FP64, where the product is exact; but with the defaults in FP32, where at the threshold the logarithm is already
    too small to be seen.
    """

    def scaled() -> Tensor:
        z = wide(x) * wide(beta)
        curved = 1 - step(z - wide(threshold))
        return above(x) + (curved * log1p_of_wide(exp(-abs(z))) / wide(beta)).cast(x.dtype)

    if x.dtype != FLOAT:
        return scaled()
    usual = both(all_within(beta, 1, 1), all_within(threshold, 20, 20))
    return when(usual, lambda: above(x) + log1p(exp(-abs(x))), scaled)


def softplus_slope(x: Tensor, beta: Tensor, threshold: Tensor) -> Tensor:
    """σ(β·x), and 1 where β·x > threshold; in FP64 as `softplus`"""

    def scaled() -> Tensor:
        z = wide(x) * wide(beta)
        straight = step(z - wide(threshold))
        return (straight + (1 - straight) * sigmoid(z)).cast(x.dtype)

    if x.dtype != FLOAT:
        return scaled()
    return when(both(all_within(beta, 1, 1), all_within(threshold, 20, 20)), lambda: sigmoid(x), scaled)


def tanh(x: Tensor) -> Tensor:
    """(exp(2x) - 1) / (exp(2x) + 1)"""
    return elementary.tanh(x)


def tanh_slope(x: Tensor) -> Tensor:
    """1 - tanh² x = 4 / (e + 2 + 1/e), e = exp(2|x|)"""
    e = exp(abs(x) * 2)
    return 4 / (e + 1 / e + 2)


def tanhshrink(x: Tensor) -> Tensor:
    """x - tanh x"""
    return elementary.tanhshrink(x)


def tanhshrink_slope(x: Tensor) -> Tensor:
    """tanh² x"""
    return elementary.tanh(x) * elementary.tanh(x)


def softsign(x: Tensor) -> Tensor:
    """x / (1 + |x|); beyond 1e30 the limit ±1 is long reached, and ±∞ would give NaN"""
    x = clip(x, -1e30, 1e30)
    return x / (1 + abs(x))


def softsign_slope(x: Tensor) -> Tensor:
    """1 / (1 + |x|)²"""
    root = 1 + abs(x)
    return 1 / (root * root)


def silu(x: Tensor) -> Tensor:
    """x·σ(x); x is held above -1000 so that -∞ gives 0, its limit"""
    return gate(clip(x, -1000, INF), x)


def gate(a: Tensor, b: Tensor) -> Tensor:
    """a·σ(b) = a / (1 + exp(-b)); exp(-b) as a product where it overflows, as a·σ(b) may still be a normal number"""
    limit = 88 if b.dtype == FLOAT else 709

    def in_two_parts() -> Tensor:
        power, excess = exp(clip(-b, -INF, limit)), exp(above(-b - limit))
        return a / excess / (1 / excess + power)

    return when(all_within(b, -limit, INF), lambda: a / (1 + exp(-b)), in_two_parts)


def silu_slope(x: Tensor) -> Tensor:
    """σ(x)·(1 + x·σ(-x))"""
    z = clip(wide(x), -1000, 1000)
    return (sigmoid(z) * (1 + z * sigmoid(-z))).cast(x.dtype)


def swish(x: Tensor, alpha: Tensor) -> Tensor:
    """x·σ(α·x), in FP64 unless α = 1; x is held where the limit 0 is reached, for a negative α on the other side"""

    def scaled() -> Tensor:
        factor = wide(alpha)
        held = clip(wide(x), -1000 / abs(above(factor)), 1000 / abs(above(-factor)))
        return (held * sigmoid(finite(held) * factor)).cast(x.dtype)

    return when(all_within(alpha, 1, 1), lambda: silu(x), scaled)


def swish_slope(x: Tensor, alpha: Tensor) -> Tensor:
    """σ(z)·(1 + z·σ(-z)), z = α·x"""
    z = clip(finite(wide(x)) * wide(alpha), -1000, 1000)
    return (sigmoid(z) * (1 + z * sigmoid(-z))).cast(x.dtype)


def finite(x: Tensor) -> Tensor:
    """x in FP64, the largest number in place of ∞, which times 0 would be NaN"""
    return clip(x, -LARGEST, LARGEST)


def mish(x: Tensor) -> Tensor:
    """x·tanh(log(1 + e)) = x·n / (n + 2), n = e·(e + 2), e = exp(x); in FP64, whose error is not seen in the end"""
    z = clip(wide(x), -1000, INF)
    e = exp(clip(z, -1000, 40))
    n = e * (e + 2)
    return (z * (n / (n + 2))).cast(x.dtype)


def mish_slope(x: Tensor) -> Tensor:
    """t + x·σ(x)·(1 - t²), t = tanh(log(1 + e)) = n/(n + 2), n = e·(e + 2), e = exp(x)"""
    z = clip(wide(x), -1000, 40)
    e = exp(z)
    n = e * (e + 2)
    return (n / (n + 2) + z * (e / (1 + e)) * (4 * (n + 1) / (n + 2) / (n + 2))).cast(x.dtype)
