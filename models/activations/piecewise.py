"""Activations cut from straight lines, with cuts elsewhere than at zero. Each value stands with its slope dy/dx; at a
cut it is torch's. Differences such as x + 3 are exact near the cut, so nothing is lost there."""

from __future__ import annotations

from models.activations.elementary import INF, clip, step
from models.activations.graph import Operand, Tensor


def inside(x: Tensor, low: Operand, high: Operand) -> Tensor:
    """1 where low < x < high, else 0"""
    return step(x - low) * step(x.like(high) - x)


def relu6(x: Tensor) -> Tensor:
    """min(max(x, 0), 6)"""
    return clip(x, 0, 6)


def relu6_slope(x: Tensor) -> Tensor:
    """1 for 0 < x < 6, else 0"""
    return inside(x, 0, 6)


def hardtanh(x: Tensor, min_val: Tensor, max_val: Tensor) -> Tensor:
    """min(max(x, min_val), max_val)"""
    return clip(x, min_val, max_val)


def hardtanh_slope(x: Tensor, min_val: Tensor, max_val: Tensor) -> Tensor:
    """1 for min_val < x < max_val, else 0"""
    return inside(x, min_val, max_val)


def hardsigmoid(x: Tensor) -> Tensor:
    """min(max(x + 3, 0), 6) / 6"""
    return clip(x + 3, 0, 6) * (1 / 6)


def hardsigmoid_slope(x: Tensor) -> Tensor:
    """1/6 for -3 < x < 3, else 0"""
    return inside(x, -3, 3) * (1 / 6)


def hardswish(x: Tensor) -> Tensor:
    """x·hardsigmoid(x); x is held above -3 so that -∞ gives 0, its limit"""
    return clip(x, -3, INF) * hardsigmoid(x)


def hardswish_slope(x: Tensor) -> Tensor:
    """0 for x <= -3, (2x + 3)/6 between, 1 for x >= 3"""
    rising = step(3 - x)
    between = (clip(x, -3, 3) * 2 + 3) * (1 / 6)
    return step(x + 3) * (rising * between + (1 - rising))


def threshold(x: Tensor, threshold: Tensor, value: Tensor) -> Tensor:
    """x for x > threshold, else value"""
    passed = step(x - threshold)
    return passed * x.op("Max", threshold) + (1 - passed) * value


def threshold_slope(x: Tensor, threshold: Tensor, value: Tensor) -> Tensor:
    """1 for x > threshold, else 0"""
    return step(x - threshold)


def thresholded_relu(x: Tensor, alpha: Tensor) -> Tensor:
    """x for x > alpha, else 0"""
    return step(x - alpha) * x.op("Max", alpha)


def thresholded_relu_slope(x: Tensor, alpha: Tensor) -> Tensor:
    """1 for x > alpha, else 0"""
    return step(x - alpha)


def hardshrink(x: Tensor, lambd: Tensor) -> Tensor:
    """x for |x| > lambd, else 0"""
    return step(abs(x) - lambd) * x


def hardshrink_slope(x: Tensor, lambd: Tensor) -> Tensor:
    """1 for |x| > lambd, else 0"""
    return step(abs(x) - lambd)


def softshrink(x: Tensor, lambd: Tensor) -> Tensor:
    """x - lambd for x > lambd, x + lambd for x < -lambd, else 0"""
    return x - clip(x, -lambd, lambd)


def softshrink_slope(x: Tensor, lambd: Tensor) -> Tensor:
    """1 for |x| > lambd, else 0"""
    return step(abs(x) - lambd)
