"""Checks arrays against the tensors a graph declares, before anything is queued.

onnxruntime does not check that a symbolic dimension is equal on two inputs, and its messages print paths of the
machine, so nothing reaches it that does not fit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from service.errors import Detail, Unfit
from service.tensors import Array, Dimension, TensorSpec, datatype_name, describe


def check(arrays: Mapping[str, Array], specs: Sequence[TensorSpec]) -> None:
    """Raises Unfit with one detail per tensor that is missing, unknown, of another datatype or of another shape."""
    names = {spec.name for spec in specs}
    wrong = [Detail(name, f"one of {sorted(names)}", "an unknown name") for name in arrays if name not in names]
    symbols: dict[str, int] = {}
    for spec in specs:
        if spec.name not in arrays:
            wrong.append(Detail(spec.name, _wanted(spec), "nothing"))
            continue
        bound = dict(symbols)  # by the tensors before this one
        if not _fits(arrays[spec.name], spec, symbols):
            wrong.append(Detail(spec.name, _wanted(spec, bound), _given(arrays[spec.name])))
    if wrong:
        raise Unfit(_sentence(wrong), *wrong)


def fit_rows(array: Array, spec: TensorSpec) -> Array:
    """`array` with each row in the shape the graph asks for, when the element counts agree: [N, 28, 28] for
    [batch, 784] and the other way round. Any other array comes back as it is, to be refused by `check`."""
    row_shape = spec.row_shape
    if row_shape is None or array.ndim == 0 or array.shape[1:] == row_shape:
        return array
    if array.size == 0 and array.shape[0] == 0:
        return array.reshape((0, *row_shape))
    fits = array.size == array.shape[0] * prod(row_shape)
    return array.reshape((array.shape[0], *row_shape)) if fits else array


def _fits(array: Array, spec: TensorSpec, symbols: dict[str, int]) -> bool:
    if array.dtype != spec.datatype.dtype:
        return False
    if spec.shape is None:
        return True
    return array.ndim == len(spec.shape) and all(
        _size_fits(size, wanted, symbols) for size, wanted in zip(array.shape, spec.shape, strict=True)
    )


def _size_fits(size: int, wanted: Dimension, symbols: dict[str, int]) -> bool:
    if isinstance(wanted, str):
        return symbols.setdefault(wanted, size) == size
    return wanted is None or wanted == size


def _wanted(spec: TensorSpec, symbols: Mapping[Any, int] | None = None) -> str:
    shape = spec.shape
    if shape is not None and symbols:
        shape = tuple(f"{size}={symbols[size]}" if size in symbols else size for size in shape)
    return f"{spec.datatype.name} {describe(shape)}"


def _given(array: Array) -> str:
    return f"{datatype_name(array.dtype)} {describe(array.shape)}"


def _sentence(wrong: Sequence[Detail]) -> str:
    first = wrong[0]
    more = f" ({len(wrong) - 1} more in `details`)" if len(wrong) > 1 else ""
    return f"`{first.path}`: expected {first.expected}, got {first.got}{more}."
