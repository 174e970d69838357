"""The parameters of an activation: from JSON or a query to arrays that fit its graph, checked by its catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from service.codecs import elements, json
from service.errors import BadBody, Unfit
from service.model import Model
from service.session import Session
from service.tensors import BY_NAME, Array, Datatype

Shape = tuple[int, ...]


def parameters(model: Model) -> dict[str, Mapping[str, Any]]:
    """What the catalogue says of each parameter, by name."""
    return {parameter["name"]: parameter for parameter in model.metadata.catalogue.get("parameters", ())}


def from_query(query: Mapping[str, str]) -> dict[str, Any]:
    """Values as JSON would have them: a number, an array, or else the text itself."""
    return {name: _value(text) for name, text in query.items()}


def feeds(model: Model, session: Session, given: Mapping[str, Any], shape: Shape) -> dict[str, Array]:
    """The arrays that override the graph's defaults for a tensor of `shape`.

    Raises Unfit for a parameter that is unknown, of another type, or out of its bounds."""
    known = parameters(model)
    for name in given.keys() - known.keys():
        names = ", ".join(f"`{known_name}`" for known_name in known) or "none"
        raise Unfit.at(f"parameters.{name[:60]}", f"a parameter of {model.name} ({names})", "an unknown name")
    datatypes = {spec.name: spec.datatype for spec in session.parameters}
    arrays = {name: _array(known[name], value, datatypes[name], shape) for name, value in given.items()}
    for name, parameter in known.items():
        _check_order(name, parameter, known, arrays)
    return arrays


def output_shape(model: Model, shape: Shape, given: Mapping[str, Array]) -> Shape:
    """The shape of `y`: that of `x`, but half as long along an axis that must be even.

    Raises Unfit where that axis is odd."""
    for name, parameter in parameters(model).items():
        if parameter.get("even"):
            axis = int(given[name]) if name in given else int(parameter["default"])
            if not shape or not -len(shape) <= axis < len(shape):
                raise Unfit.at("tensor", f"an axis {axis} of even size", f"shape {list(shape)}")
            if shape[axis] % 2:
                raise Unfit.at("tensor", f"an even size along axis {axis}", str(shape[axis]))
            halved = list(shape)
            halved[axis] //= 2
            return tuple(halved)
    return shape


def datatype(name: Any) -> Datatype:
    """One of the four float datatypes. Raises Unfit for anything else."""
    found = BY_NAME.get(name) if isinstance(name, str) else None
    if found is None or not found.is_float:
        raise Unfit.at("datatype", "FP16, BF16, FP32 or FP64", str(name)[:40])
    return found


def _value(text: str) -> Any:
    try:
        fields = json.parse(b'{"value": %s}' % text.encode()).fields
    except BadBody:
        return text
    return json.plain(fields["value"]) if len(fields) == 1 else text


def _array(parameter: Mapping[str, Any], value: Any, datatype: Datatype, shape: Shape) -> Array:
    path = f"parameters.{parameter['name']}"
    value = json.plain(value)
    match parameter["type"]:
        case "choice":
            return np.array(_choice(parameter["choices"], value, path), datatype.dtype)
        case "axis":
            return np.array(_axis(value, len(shape), path), datatype.dtype)
        case "integer":
            return np.array(_bounded(_whole(value, path), parameter, path), datatype.dtype)
        case "tensor":
            return _tensor(parameter, value, datatype, shape, path)
    number = np.array(_bounded(_number(value, path), parameter, path), np.float64)
    narrowed = elements.narrow(number, datatype, path)
    _bounded(float(narrowed), parameter, path)  # 1e-50 is above 0 and becomes 0 in FP32
    return narrowed


def _tensor(parameter: Mapping[str, Any], value: Any, datatype: Datatype, shape: Shape, path: str) -> Array:
    array = json.Document({}).tensor(value, datatype, path)
    channels = shape[1] if len(shape) > 1 else 1
    if not np.isfinite(array).all():
        raise Unfit.at(path, "finite numbers", "NaN or an infinity")
    if array.ndim > 1 or (array.size != 1 and array.size != channels):
        raise Unfit.at(
            path, f"a number or an array of {channels} (the size of dimension 1)", f"shape {list(array.shape)}"
        )
    return array


def _choice(choices: Sequence[str], value: Any, path: str) -> int:
    if value not in choices:
        raise Unfit.at(path, "one of " + ", ".join(f'"{choice}"' for choice in choices), elements.kind(value))
    return choices.index(value)


def _axis(value: Any, rank: int, path: str) -> int:
    axis, span = _whole(value, path), max(rank, 1)
    if not -span <= axis < span:
        raise Unfit.at(path, f"an axis from {-span} to {span - 1}", str(axis)[:40])
    return axis


def _whole(value: Any, path: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 1 << 63:
        raise Unfit.at(path, "a whole number of 64 bits", elements.kind(value))
    return value


def _number(value: Any, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unfit.at(path, "a finite number", elements.kind(value))
    try:
        return float(value)
    except OverflowError as error:
        raise Unfit.at(path, "a finite number", elements.kind(value)) from error


def _bounded(value: float, parameter: Mapping[str, Any], path: str) -> float:
    minimum, maximum = parameter.get("minimum", -np.inf), parameter.get("maximum", np.inf)
    above = parameter.get("exclusive_minimum", -np.inf)
    if not np.isfinite(value):
        raise Unfit.at(path, "a finite number", str(value))
    if not (minimum <= value <= maximum and value > above):
        raise Unfit.at(path, _bounds(parameter), str(value))
    return value


def _bounds(parameter: Mapping[str, Any]) -> str:
    words = {"minimum": "at least", "exclusive_minimum": "above", "maximum": "at most"}
    return "a number " + " and ".join(f"{word} {parameter[key]}" for key, word in words.items() if key in parameter)


def _check_order(
    name: str, parameter: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]], arrays: Mapping[str, Array]
) -> None:
    """Two parameters of which one may not exceed the other, such as `lower` and `upper`."""
    other = parameter.get("at_most")
    if other is None or not arrays.keys() & {name, other}:
        return
    low, high = (float(arrays.get(key, known[key]["default"])) for key in (name, other))
    if low > high:
        raise Unfit.at(f"parameters.{name}", f"at most `{other}` ({high:g})", f"{low:g}")
