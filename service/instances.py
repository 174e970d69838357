"""Request bodies of `/predict` to the arrays a model's graph asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from service.codecs import image, json, media, npy, raw
from service.errors import Unfit, UnsupportedMedia
from service.model import Model
from service.signature import fit_rows
from service.tensors import Array, TensorSpec

Feeds = Mapping[str, Array]


def taken(model: Model) -> tuple[str, ...]:
    """The media types that `decode` reads for this model."""
    several = len(model.inputs) != 1
    binary = () if several else (media.NPY, media.RAW)
    pictures = () if several or model.metadata.image is None else (media.PNG, media.JPEG)
    return (media.JSON, *binary, *pictures)


def decode(model: Model, media_type: str, body: bytes) -> tuple[Feeds, bool]:
    """Arrays by input name, and whether they came in columns (`{"inputs": …}`), so that the answer does as well.

    What does not fit the signature is left to the signature check."""
    if media_type == media.JSON:
        return _from_json(model, body)
    (spec,) = model.inputs
    if media_type == media.NPY:
        return fitted(model, npy.read(body)), False
    if media_type == media.RAW:
        return {spec.name: raw.read(body, spec)}, False
    if model.metadata.image is None:
        raise UnsupportedMedia(f"Model `{model.name}` takes no pictures.")
    return {spec.name: image.read(body, media_type, model.metadata.image, spec)}, False


def fitted(model: Model, rows: Array) -> Feeds:
    """Rows for a model with one input, in the shape it wants them."""
    (spec,) = model.inputs
    return {spec.name: _fitted(rows, spec)}


def _from_json(model: Model, body: bytes) -> tuple[Feeds, bool]:
    document = json.parse(body)
    if len(document.fields) != 1 or not document.fields.keys() <= {"instances", "inputs"}:
        raise Unfit.at("body", "exactly one of `instances` and `inputs`", _listed(document.fields))
    if "inputs" in document.fields:
        return _columns(model, document, document.fields["inputs"]), True
    return _rows(model, document, document.fields["instances"]), False


def _rows(model: Model, document: json.Document, value: Any) -> Feeds:
    if not json.is_array(value):
        raise Unfit.at("instances", "an array with one element for each instance", "something else")
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
        spec = specs[name]
        rows = [_member(document, found, spec, index) for index, found in enumerate(objects)]
        if len({row.shape for row in rows}) > 1:
            raise Unfit.at(f"instances[].{name}", "the same shape in each instance", "several shapes")
        empty = np.zeros((0, *(spec.row_shape or ())), spec.datatype.dtype)
        feeds[name] = _fitted(np.stack(rows) if rows else empty, spec)
    return feeds


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
