"""Request bodies of `/predict` to the arrays a model's graph asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from math import prod
from typing import Any

import numpy as np

from service.codecs import elements, json, media, npy, raw
from service.errors import Unfit, UnsupportedMedia
from service.model import Model
from service.signature import fit_rows
from service.tensors import Array, TensorSpec

Feeds = Mapping[str, Array]


MEMBERS = {"instances", "inputs", "parameters", "signature_name"}
SIGNATURE = "serving_default"


@dataclass(frozen=True, slots=True)
class Batch:
    """Arrays by input name; whether they came in columns (`{"inputs": …}`), so that the answer does as well; how many
    instances there were, where they were counted; and what the body says of the answer's form."""

    feeds: Feeds
    is_columnar: bool = False
    count: int | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


def taken(model: Model) -> tuple[str, ...]:
    """The media types that `decode` reads for this model."""
    several = len(model.inputs) != 1
    binary = () if several else (media.NPY, media.RAW)
    pictures = () if several or model.metadata.image is None else (media.PNG, media.JPEG)
    return (media.JSON, *binary, *pictures)


def decode(model: Model, media_type: str, body: bytes) -> Batch:
    """What does not fit the signature is left to the signature check."""
    if media_type == media.JSON:
        return json.understood(body, partial(_from_json, model))
    (spec,) = model.inputs
    if media_type == media.NPY:
        return Batch(fitted(model, npy.read(body)))
    if media_type == media.RAW:
        return Batch({spec.name: raw.read(body, spec)})
    if model.metadata.image is None:
        raise UnsupportedMedia(f"Model `{model.name}` takes no pictures.")
    image = import_module("service.codecs.image")  # with the first picture, since Pillow costs 2 MB
    return Batch({spec.name: image.read(body, media_type, model.metadata.image, spec)})


def fitted(model: Model, rows: Array) -> Feeds:
    """Rows for a model with one input, in the shape it wants them."""
    (spec,) = model.inputs
    return {spec.name: _fitted(rows, spec)}


def _from_json(model: Model, document: json.Document) -> Batch:
    spec = plain_input(model)
    if spec is not None:
        numbers = document.matrix("instances", prod(spec.row_shape or ()))
        if numbers is not None:
            return Batch(from_rows(spec, numbers))
    return from_document(model, document)


def from_document(model: Model, document: json.Document) -> Batch:
    """Any body in JSON."""
    fields = document.fields
    if len(fields) != 1:
        _check_members(fields)
    if ("instances" in fields) == ("inputs" in fields):
        raise Unfit.at("body", "exactly one of `instances` and `inputs`", _listed(fields))
    parameters = _parameters(fields["parameters"]) if "parameters" in fields else {}
    if "inputs" in fields:
        return Batch(_columns(model, document, fields["inputs"]), True, parameters=parameters)
    rows = fields["instances"]
    if not json.is_array(rows):
        raise Unfit.at("instances", "an array with one element for each instance", "something else")
    return Batch(_rows(model, document, rows), False, document.length(rows), parameters)


def plain_input(model: Model) -> TensorSpec | None:
    """The one input of floats in rows of a fixed shape, where a model has no other."""
    if len(model.inputs) != 1:
        return None
    (spec,) = model.inputs
    return spec if spec.row_shape is not None and spec.datatype.dtype.kind == "f" else None


def from_rows(spec: TensorSpec, numbers: Array) -> Feeds:
    """The flat rows of a plain body as such an input. Raises Unfit where a number is out of range."""
    assert spec.row_shape is not None
    return {spec.name: elements.narrow(numbers, spec.datatype, "instances").reshape(len(numbers), *spec.row_shape)}


def _check_members(fields: Mapping[str, Any]) -> None:
    for name in fields.keys() - MEMBERS:
        raise Unfit.at(name[:60], f"one of {_listed(sorted(MEMBERS))}", "an unknown name")
    signature = fields.get("signature_name", SIGNATURE)
    if signature not in (SIGNATURE, ""):
        raise Unfit.at(
            "signature_name", f"`{SIGNATURE}`, which is all a graph has", elements.kind(json.plain(signature))
        )


def _parameters(value: Any) -> Mapping[str, Any]:
    """The member `parameters` that Vertex AI passes on; null is none."""
    members = json.members({} if value is None else value)
    if members is None:
        raise Unfit.at("parameters", "an object", "something else")
    return {name: json.plain(member) for name, member in members.items()}


def _rows(model: Model, document: json.Document, value: Any) -> Feeds:
    if len(model.inputs) == 1 and not json.begins_with_object(value):
        (spec,) = model.inputs
        return {spec.name: _fitted(document.tensor(value, spec.datatype, "instances"), spec)}
    objects = [json.members(instance) for instance in value]
    for index, found in enumerate(objects):
        if found is None:
            raise Unfit.at(f"instances[{index}]", f"an object with {_listed(_names(model))}", "something else")
    return _stacked(model, document, [found for found in objects if found is not None])


def _stacked(model: Model, document: json.Document, objects: Sequence[Mapping[str, Any]]) -> Feeds:
    names = {name for found in objects for name in found} | set(_names(model))
    specs = {spec.name: spec for spec in (*model.inputs, *model.session.parameters)}
    feeds: dict[str, Array] = {}
    for name in sorted(names):
        if name not in specs:
            raise Unfit.at(f"instances[].{name}", f"one of {_listed(_names(model))}", "an unknown name")
        rows = [_member(document, found, specs[name], index) for index, found in enumerate(objects)]
        if len({row.shape for row in rows}) > 1:
            raise Unfit.at(f"instances[].{name}", "the same shape in each instance", "several shapes")
        is_parameter = name not in _names(model)
        feeds[name] = _shared(rows, name) if is_parameter and rows else _together(model, rows, specs[name])
    return feeds


def _together(model: Model, rows: Sequence[Array], spec: TensorSpec) -> Array:
    """The instances' tensors as one: stacked, or, where the input has no axis for rows, the one that all of them name.

    An input with a first size that is fixed takes as many instances as that."""
    empty = np.zeros((0, *(spec.row_shape or ())), spec.datatype.dtype)
    stacked = _fitted(np.stack(rows) if rows else empty, spec)
    if spec.shape is None or spec.has_rows or stacked.ndim == len(spec.shape):
        return stacked
    if len(rows) > 1 and not any(other.has_rows for other in model.inputs):
        raise Unfit.at("instances", f"one instance, as no input of `{model.name}` has rows", str(len(rows)))
    return _fitted(_shared(rows, spec.name), spec) if rows else stacked


def _shared(rows: Sequence[Array], name: str) -> Array:
    """What holds for a whole run and so for each of its rows."""
    for index, row in enumerate(rows):
        if row.tolist() != rows[0].tolist() and row.tobytes() != rows[0].tobytes():
            raise Unfit.at(
                f"instances[{index}].{name}", "the same as in the others, since it has no rows", "another value"
            )
    return rows[0]


def _member(document: json.Document, found: Mapping[str, Any], spec: TensorSpec, index: int) -> Array:
    path = f"instances[{index}].{spec.name}"
    if spec.name not in found:
        raise Unfit.at(path, spec.datatype.name, "nothing")
    return document.tensor(found[spec.name], spec.datatype, path)


def _columns(model: Model, document: json.Document, value: Any) -> Feeds:
    columns = json.members(value)
    if columns is None and len(model.inputs) == 1:
        columns = {model.inputs[0].name: value}
    if columns is None:
        raise Unfit.at("inputs", f"an object with {_listed(_names(model))}", "something else")
    specs = {spec.name: spec for spec in (*model.inputs, *model.session.parameters)}
    feeds: dict[str, Array] = {}
    for name, column in columns.items():
        if name not in specs:
            raise Unfit.at(f"inputs.{name}", f"one of {_listed(_names(model))}", "an unknown name")
        feeds[name] = _fitted(document.tensor(column, specs[name].datatype, f"inputs.{name}"), specs[name])
    return feeds


def _fitted(array: Array, spec: TensorSpec) -> Array:
    """Rows flat or shaped as the graph wants them; the whole tensor likewise where all of its sizes are fixed."""
    if spec.shape is None or spec.has_rows:
        return fit_rows(array, spec)
    sizes = spec.fixed_shape
    return array.reshape(sizes) if sizes is not None and array.size == prod(sizes) else array


def _names(model: Model) -> list[str]:
    return [spec.name for spec in model.inputs]


def _listed(names: Mapping[str, Any] | Sequence[str]) -> str:
    return ", ".join(f"`{name[:60]}`" for name in names) or "nothing"
