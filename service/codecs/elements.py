"""Numbers, strings and booleans that came as Python objects, one by one: slow, but it knows where each stands."""

from __future__ import annotations

import math
from contextvars import Context, copy_context
from functools import partial
from typing import Any

import numpy as np

from service.errors import Unfit
from service.tensors import Array, Datatype

SPECIAL = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
MAX_RANK = 32

Shape = tuple[int, ...]


def read(value: Any, datatype: Datatype, path: str) -> Array:
    """Nested lists of plain objects as an array of `datatype`; a scalar as an array of rank 0.

    Raises Unfit with the path of the first element that is ragged, of another kind or out of range."""
    if (flat := _flat(value, datatype)) is not None:
        return narrow(flat, datatype, path)
    shape = _shape(value)
    leaves: list[Any] = []
    _collect(value, shape, datatype, path, leaves)
    if datatype.name == "BYTES":
        array = np.empty(len(leaves), np.object_)
        array[:] = leaves
        return array.reshape(shape)
    if datatype.is_integer or datatype.name == "BOOL":
        return np.array(leaves, datatype.dtype).reshape(shape)
    return narrow(np.array(leaves, np.float64), datatype, path).reshape(shape)


def _strict() -> Context:
    """NumPy's errstate belongs to the context, and a context made once is entered in a tenth of the time."""
    context = copy_context()
    context.run(partial(np.seterr, over="raise"))
    return context


STRICT = _strict()


def narrow(numbers: Array, datatype: Datatype, path: str) -> Array:
    """Finite float64, int64 or uint64 numbers as `datatype`. Raises Unfit where one is out of its range."""
    kind = datatype.dtype.kind
    if kind in "iu":
        limits = np.iinfo(datatype.dtype)
        wrong = (numbers < limits.min) | (numbers > limits.max) if numbers.dtype != datatype.dtype else None
        if wrong is not None and wrong.any():
            raise _out_of_range(numbers, wrong, datatype, path)
        return numbers.astype(datatype.dtype, copy=False)
    try:
        narrowed: Array = STRICT.copy().run(numbers.astype, datatype.dtype, copy=False)
        if kind == "f":  # the processor notices an overflow; that of bfloat16 is nobody's
            return narrowed
    except FloatingPointError:
        with np.errstate(over="ignore"):
            narrowed = numbers.astype(datatype.dtype, copy=False)
    wrong = ~np.isfinite(narrowed) & np.isfinite(numbers)
    if wrong.any():
        raise _out_of_range(numbers, wrong, datatype, path)
    return narrowed


def _flat(value: Any, datatype: Datatype) -> Array | None:
    """The case that is common, at once: a flat list of floats with NaN or an infinity among them, as random bits give.
    None where it is not all in order; then each element is looked at."""
    if not datatype.is_float or not isinstance(value, list) or math.inf in value or -math.inf in value:
        return None  # an infinity that is not a word was a number too large
    numbers = [SPECIAL.get(item, item) if type(item) is str else item for item in value]
    if not set(map(type, numbers)) <= {int, float}:
        return None
    try:
        return np.array(numbers, np.float64)
    except OverflowError:
        return None


def _shape(value: Any) -> Shape:
    shape: list[int] = []
    while isinstance(value, list) and len(shape) < MAX_RANK:
        shape.append(len(value))
        value = value[0] if value else None
    return tuple(shape)


def _collect(value: Any, shape: Shape, datatype: Datatype, path: str, leaves: list[Any]) -> None:
    if not shape:
        leaves.append(_leaf(value, datatype, path))
        return
    if not isinstance(value, list) or len(value) != shape[0]:
        raise Unfit.at(path, f"an array of {shape[0]} elements, as its neighbours are", kind(value))
    for index, inner in enumerate(value):
        _collect(inner, shape[1:], datatype, f"{path}[{index}]", leaves)


def _leaf(value: Any, datatype: Datatype, path: str) -> Any:
    if datatype.name == "BYTES" and isinstance(value, str):
        return value
    if datatype.name == "BOOL" and isinstance(value, bool):
        return value
    if datatype.is_integer and isinstance(value, int) and not isinstance(value, bool):
        limits = np.iinfo(datatype.dtype)
        if not limits.min <= value <= limits.max:
            raise Unfit.at(path, f"a number in the range of {datatype.name}", str(value)[:40])
        return value
    if datatype.is_float and (number := _float(value)) is not None:
        if value not in SPECIAL and number in (SPECIAL["Infinity"], SPECIAL["-Infinity"]):
            raise Unfit.at(path, f"a number in the range of {datatype.name}", str(value)[:40])
        return number
    raise Unfit.at(path, f"a {_noun(datatype)} ({datatype.name})", kind(value))


def _noun(datatype: Datatype) -> str:
    if datatype.is_integer:
        return "whole number"
    return {"BYTES": "string", "BOOL": "boolean"}.get(datatype.name, "number")


def _float(value: Any) -> float | None:
    if isinstance(value, str):
        return SPECIAL.get(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return SPECIAL["Infinity"]


def kind(value: Any) -> str:
    """What came, in a word or two."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"an array of {len(value)}"
    if isinstance(value, dict):
        return "an object"
    return f'"{value[:40]}"' if isinstance(value, str) else str(value)[:40]


def _out_of_range(numbers: Array, wrong: Array, datatype: Datatype, path: str) -> Unfit:
    position = np.argwhere(wrong)[0].tolist()
    where = path + "".join(f"[{index}]" for index in position)
    return Unfit.at(where, f"a number in the range of {datatype.name}", str(numbers[tuple(position)]))
