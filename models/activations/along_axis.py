"""Activations along an axis. Each value stands with its vector-Jacobian product: g is the gradient with respect to y."""

from __future__ import annotations

from models.activations.axis import all_within, largest, total
from models.activations.elementary import exp, exp_of_wide, wide
from models.activations.graph import Tensor, when


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
    """y·(g - Σ g·y), in FP64 because the difference cancels"""
    y, g = softmax(wide(x), dim), wide(g)
    return (y * (g - total(g * y, dim))).cast(x.dtype)
