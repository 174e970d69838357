"""Tensors as JSON Schema (2020-12, which OpenAPI 3.1 is made of), and what all described paths share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from service.model import Model
from service.tensors import DATATYPES, Datatype, Dimension, TensorSpec

Schema = dict[str, Any]

BINARY: Schema = {"type": "string", "format": "binary"}
ERROR = {"$ref": "#/components/responses/Error"}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def described(schema: Schema, text: str = "What was asked for.") -> Schema:
    """The answer 200 of an operation."""
    return {"200": {"description": text, "content": {"application/json": {"schema": schema}}}}


def nested(shape: Sequence[Dimension] | None, datatype: Datatype) -> Schema:
    """Nested arrays of this shape, of any where it is not known."""
    if shape is None:
        return ref("Tensor")
    found = ref(datatype.name)
    for size in reversed(shape):
        found = {"type": "array", "items": found} | _length(size)
    return found


def row(spec: TensorSpec) -> Schema:
    """One element of `instances`: shaped as the graph wants it, or flat."""
    assert spec.shape is not None
    shaped = nested(spec.shape[1:], spec.datatype)
    if spec.row_shape is None or len(spec.row_shape) < 2:
        return shaped
    return {"anyOf": [shaped, nested((prod(spec.row_shape),), spec.datatype)]}


def on_the_wire(spec: TensorSpec) -> Schema:
    """A tensor of the Open Inference Protocol; without `data` where its values follow in binary."""
    shape: Schema = {"type": "array"}
    if spec.shape is not None:
        sizes = [{"const": size} if isinstance(size, int) else {"type": "integer", "minimum": 0} for size in spec.shape]
        shape |= _length(len(spec.shape)) | ({"prefixItems": sizes} if sizes else {})
    return {
        "type": "object",
        "required": ["name", "datatype", "shape"],
        "properties": {
            "name": {"const": spec.name},
            "datatype": {"const": spec.datatype.name},
            "shape": shape,
            "data": {"type": "array"},
            "parameters": {"type": "object"},
        },
    }


def parameter(described: Mapping[str, Any]) -> Schema:
    """A parameter of an activation, from its entry in the catalogue."""
    bounds = {"minimum": "minimum", "maximum": "maximum", "exclusive_minimum": "exclusiveMinimum"}
    found = {"default": described["default"], "description": described.get("description", "")}
    found |= {keyword: described[name] for name, keyword in bounds.items() if name in described}
    match described["type"]:
        case "choice":
            return found | {"type": "string", "enum": described["choices"]}
        case "axis" | "integer":
            return found | {"type": "integer"}
        case "tensor":
            return found | {"anyOf": [{"type": "number"}, {"type": "array", "items": {"type": "number"}}]}
    return found | {"type": "number"}


def prediction(model: Model, scores: TensorSpec) -> Schema:
    """What a classifier says of one instance."""
    metadata = model.metadata
    classes = scores.shape[1] if scores.shape is not None and len(scores.shape) == 2 else None
    index: Schema = {"type": "integer", "minimum": 0} | ({"maximum": classes - 1} if isinstance(classes, int) else {})
    label = {"label": {"enum": list(dict.fromkeys(metadata.labels))}} if metadata.labels else {}
    return {
        "type": "object",
        "required": ["index", "score"],
        "properties": {
            "index": index,
            **label,
            "score": ref(scores.datatype.name),
            "scores": nested((classes,), scores.datatype),
            "top": {"type": "array", "items": ref("Class")},
        },
    }


def _length(size: Dimension) -> Schema:
    return {"minItems": size, "maxItems": size} if isinstance(size, int) else {}


def _element(datatype: Datatype) -> Schema:
    if datatype.is_float:
        return {"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]}
    if datatype.is_integer:
        limits = np.iinfo(datatype.dtype)
        return {"type": "integer", "minimum": int(limits.min), "maximum": int(limits.max)}
    return {"type": "boolean"} if datatype.name == "BOOL" else {"type": "string"}


COMPONENTS: Schema = {
    "schemas": {
        **{datatype.name: _element(datatype) for datatype in DATATYPES},
        "Tensor": {"description": "A number, a string or a boolean, or nested arrays of them."},
        "Class": {
            "type": "object",
            "required": ["index", "score"],
            "properties": {"index": {"type": "integer"}, "label": {"type": "string"}, "score": ref("FP64")},
        },
        "Classes": {
            "type": "object",
            "description": "An output asked for by `classification`: `value:index:label`, best first.",
            "required": ["name", "datatype", "shape", "data"],
            "properties": {"datatype": {"const": "BYTES"}, "data": {"type": "array", "items": {"type": "string"}}},
        },
        "Form": {
            "type": "object",
            "description": "The same as in the query, where a platform cannot send one.",
            "properties": {"scores": {"type": "boolean"}, "top_k": {"type": "integer", "minimum": 0}},
            "additionalProperties": False,
        },
        "Signature": {"const": "serving_default", "description": "What clients of TensorFlow Serving may send."},
        "Batch": {
            "type": "object",
            "description": "`instances` has one element for each row, flat or shaped; `inputs` is the columnar form.",
            "properties": {
                "instances": {"type": "array", "items": {}},
                "inputs": {"description": "One tensor, or an object of tensors by input name."},
                "parameters": ref("Form"),
                "signature_name": ref("Signature"),
            },
            "oneOf": [{"required": ["instances"]}, {"required": ["inputs"]}],
            "additionalProperties": False,
        },
        "Predictions": {
            "type": "object",
            "description": "`predictions` has one element for each instance; `outputs` answers the columnar form.",
            "required": ["model", "version"],
            "properties": {
                "model": {"type": "string"},
                "version": {"type": "string"},
                "predictions": {"type": "array"},
                "outputs": {},
            },
        },
    },
    "parameters": {
        "scores": {
            "name": "scores",
            "in": "query",
            "schema": {"type": "boolean", "default": True},
            "description": "false leaves the scores of all classes out",
        },
        "top_k": {
            "name": "top_k",
            "in": "query",
            "schema": {"type": "integer", "minimum": 0, "default": 0},
            "description": "lists the best k classes of each instance",
        },
        "version": {
            "name": "version",
            "in": "query",
            "schema": {"type": "string"},
            "description": "a version other than the highest",
        },
    },
    "responses": {
        "Error": {
            "description": "An error, which always has this shape.",
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["error", "details"],
                        "properties": {
                            "error": {"type": "string"},
                            "details": {
                                "type": "array",
                                "items": {
                                    "type": "object",
                                    "properties": {name: {"type": "string"} for name in ("path", "expected", "got")},
                                },
                            },
                        },
                    }
                }
            },
        }
    },
}
