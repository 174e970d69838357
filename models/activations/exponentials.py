"""Activations made of exponentials. Each value stands with its slope, dy/dx."""

from __future__ import annotations

from models.activations import elementary
from models.activations.elementary import above, below, exp, expm1_below, step
from models.activations.graph import Tensor


def elu(x: Tensor, alpha: Tensor) -> Tensor:
    """x for x > 0, else α·(exp(x) - 1)"""
    return above(x) + alpha * expm1_below(x)


def elu_slope(x: Tensor, alpha: Tensor) -> Tensor:
    """1 for x > 0, else α·exp(x)"""
    positive = step(x)
    return positive + (1 - positive) * alpha * exp(below(x))


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x))"""
    return 1 / (1 + exp(-x))


def sigmoid_slope(x: Tensor) -> Tensor:
    """σ(x)·σ(-x) = e / (1 + e)², e = exp(-|x|)"""
    e = exp(-abs(x))
    return e / (1 + e) / (1 + e)


def tanh(x: Tensor) -> Tensor:
    """(exp(2x) - 1) / (exp(2x) + 1)"""
    return elementary.tanh(x)


def tanh_slope(x: Tensor) -> Tensor:
    """1 - tanh² x = 4e / (1 + e)², e = exp(-2|x|)"""
    e = exp(abs(x) * -2)
    return 4 * e / (1 + e) / (1 + e)
