"""Working along an axis given at run time: any rank, empty tensors too. A scalar counts as rank 1."""

from __future__ import annotations

from models.activations.elementary import wide
from models.activations.graph import INT64, Tensor, at_most, both


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


def product(sizes: Tensor) -> Tensor:
    """The product of a list of sizes, as a list of one; 1 for an empty list."""
    return joined(sizes, sizes.like([1])).op("ReduceProd")


def raised(x: Tensor) -> Tensor:
    """x, but a scalar as a list of one"""
    sizes = shape(x)
    return reshaped(x, shortened(joined(sizes, sizes.like([1])), shape(sizes).op("Max", [1])))


def reduced(kind: str, x: Tensor, dim: Tensor) -> Tensor:
    """ReduceSum, ReduceMax, … over the axis `dim`, which stays as a size of 1."""
    result = raised(x).op(kind, as_list(dim))
    return reshaped(result, shortened(shape(result), shape(shape(x))))


def as_list(dim: Tensor) -> Tensor:
    return reshaped(dim, dim.like([1]))


def total(x: Tensor, dim: Tensor) -> Tensor:
    """The sum along an axis, in FP64: an FP32 sum of a thousand terms is off by 3 ULP."""
    return reduced("ReduceSum", wide(x), dim)


def largest(x: Tensor, dim: Tensor) -> Tensor:
    return reduced("ReduceMax", x, dim)


def all_within(x: Tensor, low: float, high: float) -> Tensor:
    """Whether every element lies in [low, high], as a scalar; false if there is a NaN, or nothing at all."""
    smallest, largest = x.op("ReduceMin", keepdims=0), x.op("ReduceMax", keepdims=0)
    return both(at_most(smallest.like(low), smallest), at_most(largest, high))


def folded(x: Tensor, dim: Tensor) -> Tensor:
    """x as [before, along, after], where `along` is the axis `dim`."""
    sizes = shape(x)
    rank = shape(sizes)
    axis = as_list(dim) % rank.op("Max", [1])
    next_axis = axis + 1
    parts = shortened(sizes, axis), sizes.op("Slice", axis, next_axis), sizes.op("Slice", next_axis, rank)
    return reshaped(x, joined(*map(product, parts)))


def halves(x: Tensor, dim: Tensor) -> tuple[Tensor, Tensor]:
    """The first and the second half of x along the axis `dim`."""
    axis = as_list(dim)
    size = shape(x).op("Gather", axis)
    middle = size / 2
    return x.op("Slice", size.like([0]), middle, axis), x.op("Slice", middle, size, axis)
