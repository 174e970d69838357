"""Working along an axis given at run time: any rank, empty tensors too. A scalar counts as rank 1."""

from __future__ import annotations

from onnx import TensorProto

from models.activations.elementary import INT64, wide
from models.activations.graph import Tensor, at_most


def shape(x: Tensor) -> Tensor:
    return x.op("Shape", dtype=INT64)


def reshaped(x: Tensor, sizes: Tensor) -> Tensor:
    return x.op("Reshape", sizes, allowzero=1)


def joined(*lists: Tensor) -> Tensor:
    first, *rest = lists
    return first.op("Concat", *rest, axis=0)


def shortened(sizes: Tensor, length: Tensor) -> Tensor:
    """The first `length` of a list of sizes; a negative length counts from the end."""
    return sizes.op("Slice", sizes.like([0]), length)


def reduced(kind: str, x: Tensor, dim: Tensor) -> Tensor:
    """ReduceSum, ReduceMax, … over the axis `dim`, which stays as a size of 1."""
    sizes = shape(x)
    rank = shape(sizes)
    raised = reshaped(x, shortened(joined(sizes, sizes.like([1])), rank.op("Max", [1])))
    result = raised.op(kind, reshaped(dim, dim.like([1])))
    return reshaped(result, shortened(shape(result), rank))


def total(x: Tensor, dim: Tensor) -> Tensor:
    """The sum along an axis, in FP64: an FP32 sum of a thousand terms is off by 3 ULP."""
    return reduced("ReduceSum", wide(x), dim)


def largest(x: Tensor, dim: Tensor) -> Tensor:
    return reduced("ReduceMax", x, dim)


def all_within(x: Tensor, low: float, high: float) -> Tensor:
    """Whether every element lies in [low, high], as a scalar; false if there is a NaN, or nothing at all."""
    smallest, largest = x.op("ReduceMin", keepdims=0), x.op("ReduceMax", keepdims=0)
    return at_most(smallest.like(low), smallest).op("And", at_most(largest, high), dtype=TensorProto.BOOL)
