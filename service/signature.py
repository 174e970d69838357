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

Bound = tuple[int, str]  # the size of a symbol, and the tensor that gave it


def check(arrays: Mapping[str, Array], specs: Sequence[TensorSpec]) -> None:
    """Raises Unfit with one detail per tensor that is missing, unknown, of another datatype or of another shape."""
    if len(arrays) == len(specs) == 1 and _fits_alone(arrays, specs[0]):
        return
    names = {spec.name for spec in specs}
    wrong = [Detail(name, f"one of {sorted(names)}", "an unknown name") for name in arrays if name not in names]
    symbols: dict[str, Bound] = {}
    for spec in specs:
        if spec.name not in arrays:
            wrong.append(Detail(spec.name, _wanted(spec), "nothing"))
            continue
        before = dict(symbols)  # bound by the tensors before this one
        if not _fits(arrays[spec.name], spec, symbols):
            wrong.append(Detail(spec.name, _wanted(spec, before), _given(arrays[spec.name])))
    if wrong:
        raise Unfit(_sentence(wrong), *wrong)


def fit_scalars(arrays: Mapping[str, Array], specs: Sequence[TensorSpec]) -> Mapping[str, Array]:
    """A scalar may come with the shape [1], which is all that some clients can send."""
    scalars = {spec.name for spec in specs if spec.shape == ()}
    if not scalars:
        return arrays
    return {
        name: array.reshape(()) if name in scalars and array.shape == (1,) else array for name, array in arrays.items()
    }


def _fits_alone(arrays: Mapping[str, Array], spec: TensorSpec) -> bool:
    """The case of most requests, at once: the one tensor, of rows of a fixed shape."""
    array = arrays.get(spec.name)
    return (
        array is not None
        and spec.row_shape is not None
        and array.dtype == spec.datatype.dtype
        and array.ndim > 0
        and array.shape[1:] == spec.row_shape
    )


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


def _fits(array: Array, spec: TensorSpec, symbols: dict[str, Bound]) -> bool:
    if array.dtype != spec.datatype.dtype:
        return False
    if spec.shape is None:
        return True
    return array.ndim == len(spec.shape) and all(
        _size_fits(size, wanted, symbols, spec.name) for size, wanted in zip(array.shape, spec.shape, strict=True)
    )


def _size_fits(size: int, wanted: Dimension, symbols: dict[str, Bound], name: str) -> bool:
    if isinstance(wanted, str):
        return symbols.setdefault(wanted, (size, name))[0] == size
    return wanted is None or wanted == size


def _wanted(spec: TensorSpec, symbols: Mapping[Any, Bound] | None = None) -> str:
    """In words, a symbol that another tensor has given a size with that size, and then with the tensor's name."""
    bound = [size for size in dict.fromkeys(spec.shape or ()) if symbols and size in symbols]
    shape = tuple(f"{size}={symbols[size][0]}" if symbols and size in bound else size for size in spec.shape or ())
    text = f"{spec.datatype.name} {describe(None if spec.shape is None else shape)}"
    return text + "".join(f" with `{size}` as in `{symbols[size][1]}`" for size in bound if symbols)


def _given(array: Array) -> str:
    return f"{datatype_name(array.dtype)} {describe(array.shape)}"


def _sentence(wrong: Sequence[Detail]) -> str:
    first = wrong[0]
    more = f" ({len(wrong) - 1} more in `details`)" if len(wrong) > 1 else ""
    return f"`{first.path}`: expected {first.expected}, got {first.got}{more}."
