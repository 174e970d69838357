"""ReLU and its kin: linear on each side of zero. Each value stands with its slope dy/dx; at a kink it is torch's."""

from __future__ import annotations

from models.activations.axis import all_within, joined, reshaped, shape, shortened
from models.activations.elementary import above, below, step, wide
from models.activations.graph import FLOAT, INT64, Tensor, when


def relu(x: Tensor) -> Tensor:
    """max(x, 0)"""
    return above(x)


def relu_slope(x: Tensor) -> Tensor:
    """1 for x > 0, else 0"""
    return step(x)


def relu2(x: Tensor) -> Tensor:
    """max(x, 0)²"""
    return above(x) * above(x)


def relu2_slope(x: Tensor) -> Tensor:
    """2·max(x, 0)"""
    return above(x) * 2


def leaky(x: Tensor, slope: Tensor, usual: float) -> Tensor:
    """x for x > 0, else slope·x: the larger of the two for slopes in (0, 1]; for a slope of 0 it is ReLU, at -∞ too.

    onnxruntime does it in one pass if the slope is known beforehand: so for the usual one.
    """

    def any_slope() -> Tensor:
        return when(all_within(slope, 0, 0), lambda: above(x), lambda: above(x) + slope * below(x))

    def composed() -> Tensor:
        return when(all_within(slope, 1e-30, 1), lambda: x.op("Max", slope * x), any_slope)

    if x.dtype != FLOAT:
        return composed()
    return when(all_within(slope, usual, usual), lambda: x.op("LeakyRelu", alpha=usual), composed)


def leaky_slope(x: Tensor, slope: Tensor) -> Tensor:
    """1 for x > 0, else slope"""
    positive = step(x)
    return positive + slope * (1 - positive)


def leaky_relu(x: Tensor, negative_slope: Tensor) -> Tensor:
    """x for x > 0, else negative_slope·x"""
    return leaky(x, negative_slope, usual=0.01)


def leaky_relu_slope(x: Tensor, negative_slope: Tensor) -> Tensor:
    return leaky_slope(x, negative_slope)


def rrelu(x: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    """x for x > 0, else x·(lower + upper)/2: the mean of the slopes drawn in training"""
    return leaky(x, mean(lower, upper), usual=(1 / 8 + 1 / 3) / 2)


def rrelu_slope(x: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    return leaky_slope(x, mean(lower, upper))


def mean(lower: Tensor, upper: Tensor) -> Tensor:
    """(lower + upper)/2, halved first: the sum may overflow"""
    return lower / 2 + upper / 2


def prelu(x: Tensor, weight: Tensor) -> Tensor:
    """x for x > 0, else weight·x, with one weight or one per channel (axis 1)"""
    return leaky(x, per_channel(weight, x), usual=0.25)


def prelu_slope(x: Tensor, weight: Tensor) -> Tensor:
    return leaky_slope(x, per_channel(weight, x))


def prelu_weight_gradient(x: Tensor, grad_output: Tensor, weight: Tensor) -> Tensor:
    """The sum of min(x, 0)·grad_output over all that shares a weight, in FP64, in the shape of `weight`"""
    terms = by_channel(wide(below(x)) * wide(grad_output), weight)
    sums = terms.op("ReduceSum", terms.graph.constant([0, 2], INT64))
    return reshaped(sums, shape(weight)).cast(weight.dtype)


def per_channel(weight: Tensor, x: Tensor) -> Tensor:
    """weight as [C, 1, 1, …], one axis fewer than x has, so that it is spread along axis 1"""
    rank = shape(shape(x))
    ones = rank.graph.constant(1, INT64).op("Expand", rank)
    return reshaped(weight, shortened(joined(count(weight), ones), rank - 1))


def by_channel(x: Tensor, weight: Tensor) -> Tensor:
    """x as [before, C, after], C the number of weights"""
    after = shape(x).op("Slice", [2], [2**31]).op("ReduceProd")
    channels = count(weight)
    before = count(x) / (channels * after).op("Max", [1])
    return reshaped(x, joined(before, channels, after))


def count(x: Tensor) -> Tensor:
    """How many elements x has, as a list of one"""
    return reshaped(x.op("Size", dtype=INT64), x.graph.constant([1], INT64))
