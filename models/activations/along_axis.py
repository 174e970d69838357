"""Activations along an axis. Each value stands with its vector-Jacobian product; g is the gradient of y."""

from __future__ import annotations

from models.activations.axis import all_within, folded, halves, largest, raised, reshaped, shape, total
from models.activations.elementary import clip, exp, exp_of_wide, log1p_of_wide, wide, wide_exp
from models.activations.exponentials import gate, sigmoid
from models.activations.graph import DOUBLE, INT64, Tensor, equal, when


def softmax(x: Tensor, dim: Tensor) -> Tensor:
    """exp(x) / Σ exp(x).

    Taken as it stands where no sum is near an end of the range; else x - max(x) is put for x, in FP64, since the
    rounding of that difference alone would cost 40 ULP.
    """

    def shifted() -> Tensor:
        powers = exp_of_wide(wide(x) - wide(largest(x, dim)), x.dtype)
        return powers / total(powers, dim).cast(x.dtype)

    powers = exp(x)
    sums = total(powers, dim)
    return when(all_within(sums, 0.5, 1e38), lambda: powers / sums.cast(x.dtype), shifted)


def softmax_vjp(x: Tensor, g: Tensor, dim: Tensor) -> Tensor:
    """y·(g - Σ g·y), in FP64 because the difference cancels; and with g taken relative to its value at the largest x,
    which changes nothing but leaves the sum as small as it is when one y is all but 1"""
    z, g = wide(x), wide(g)
    top = equal(z, largest(z, dim)).cast(DOUBLE)
    g = g - total(g * top, dim) / total(top, dim)
    y = softmax(z, dim)
    return (y * (g - total(g * y, dim))).cast(x.dtype)


def softmin(x: Tensor, dim: Tensor) -> Tensor:
    """softmax(-x)"""
    return softmax(-x, dim)


def softmin_vjp(x: Tensor, g: Tensor, dim: Tensor) -> Tensor:
    return -softmax_vjp(-x, g, dim)


def log_softmax(x: Tensor, dim: Tensor) -> Tensor:
    """x - max - log(1 + rest), where 1 + rest = Σ exp(x - max).

    The ones among these powers are counted apart: beside them a rest of 1e-20, which is the whole result for the
    largest x, would be lost. Nor are powers lost that FP32 cannot hold, since many of them add up.
    """
    top = largest(x, dim)

    def without_top(powers: Tensor) -> Tensor:
        ones = powers.op("Floor")
        return total(powers - ones, dim) + (total(ones, dim) - 1)

    rest = when(
        all_within(x, -40, 40),
        lambda: without_top(exp(x) / exp(top)),
        lambda: without_top(wide_exp(wide(x) - wide(top), x.dtype)),
    )
    return x - top - log1p_of_wide(rest).cast(x.dtype)


def log_softmax_vjp(x: Tensor, g: Tensor, dim: Tensor) -> Tensor:
    """g - softmax(x)·Σ g, in FP64 because the difference cancels"""
    spread = wide(g) + nothing(wide(x))  # g may be a scalar: one for every element of x
    return (spread - softmax(wide(x), dim) * total(spread, dim)).cast(x.dtype)


def glu(x: Tensor, dim: Tensor) -> Tensor:
    """a·σ(b), a and b the halves of x along the axis"""
    a, b = halves(x, dim)
    return gate(a, b)


def glu_vjp(x: Tensor, g: Tensor, dim: Tensor) -> Tensor:
    """σ(b)·g for the first half, a·σ(b)·σ(-b)·g for the second; in FP64, where no part of the product underflows"""
    a, b = halves(wide(x), dim)
    first = sigmoid(b) * wide(g)
    second = first * sigmoid(-b) * a
    both = folded(first, dim).op("Concat", folded(second, dim), axis=1)
    return reshaped(both, shape(x)).cast(x.dtype)


def hardmax(x: Tensor, dim: Tensor) -> Tensor:
    """1 at the first of the largest along the axis, 0 elsewhere, and nowhere 1 where there is a NaN, which not every
    provider's maximum shows"""
    rows = raised(x)
    top = equal(rows, largest(rows, dim) + total(nothing(rows), dim).cast(x.dtype)).cast(INT64)
    first = equal(top.op("CumSum", dim) * top, 1)
    return reshaped(first.cast(x.dtype), shape(x)) + nothing(x)


def hardmax_vjp(x: Tensor, g: Tensor, dim: Tensor) -> Tensor:
    """0: the value is constant wherever it is differentiable"""
    return nothing(x)


def nothing(x: Tensor) -> Tensor:
    """0 in the shape of x, but NaN where x is NaN"""
    return clip(x, 0, 0)
