"""A path of its own in the OpenAPI document for each model that is served: made from its signature, with an example
that is accepted as it stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from service import activation, instances, predictions
from service.codecs import json, media
from service.example import Feeds
from service.model import Model
from service.schemas import BINARY, ERROR, Schema, described, nested, on_the_wire, parameter, prediction, ref, row

MAX_EXAMPLE = 4096  # elements; `GET /models/{model}` has an example of any size
FORM = [{"$ref": f"#/components/parameters/{name}"} for name in ("scores", "top_k", "version")]
NETWORKS, ACTIVATIONS = "each model", "each activation"
TAGS = [
    {"name": "predict", "description": "Batches, in every format a body can have."},
    {"name": "activate", "description": "Activations, their gradients and their curves."},
    {"name": "diagnose", "description": "What the activations inside a model do with a batch."},
    {"name": "models", "description": "What is served, told from the graphs themselves."},
    {"name": NETWORKS, "description": "What is served now, each model with its own signature."},
    {"name": ACTIVATIONS, "description": "The same for each activation, with its own parameters."},
    {"name": "open inference protocol", "description": "What `tritonclient` and KServe's second protocol speak."},
    {"name": "model repository", "description": "What there is to load, loading and unloading."},
    {"name": "kserve v1", "description": "What KServe's first protocol and TensorFlow Serving speak."},
    {"name": "platforms", "description": "Paths that SageMaker and Vertex AI call."},
    {"name": "operations", "description": "Probes and metrics."},
]


def paths(networks: Sequence[Model], activations: Sequence[Model]) -> Schema:
    """The typed paths of all of them."""
    found: Schema = {}
    for model in networks:
        found[f"/predict/{model.name}"] = {"post": _predict(model)}
        found[f"/v2/models/{model.name}/infer"] = {"post": _infer(model)}
    for model in activations:
        found[f"/activate/{model.name}"] = {"post": _activate(model)}
    return found


def identity(model: Model) -> tuple[object, ...]:
    """Equal for two models whose paths are the same, and no hold on either."""
    return model.name, model.version, model.inputs, model.outputs, model.session.parameters, model.metadata


def _predict(model: Model) -> Schema:
    binary: Schema = {media_type: {"schema": BINARY} for media_type in instances.taken(model)[1:]}
    body = {media.JSON: {"schema": _batch(model)} | _example(model, _batch_example)} | binary
    operation = _operation(f"predict.{model.name}", f"Predict with {model.name}", model, NETWORKS, body)
    answers = {media_type: {"schema": BINARY} for media_type in predictions.offered(model, media.JSON)[1:]}
    responses = described(_predictions(model), "The predictions.")
    responses["200"]["content"] |= answers
    return operation | {"parameters": FORM, "responses": responses | {"default": ERROR}}


def _batch(model: Model) -> Schema:
    columns = {spec.name: nested(spec.shape, spec.datatype) for spec in (*model.inputs, *model.session.parameters)}
    names = [spec.name for spec in model.inputs]
    by_name: Schema = {"type": "object", "required": names, "properties": columns, "additionalProperties": False}
    forms: Schema = {"inputs": columns[names[0]] if names and len(columns) == 1 else by_name}
    if _has_rows(model):
        rows = {spec.name: row(spec) for spec in model.inputs}
        item = {"type": "object", "required": names, "properties": rows} if len(rows) > 1 else rows[names[0]]
        forms = {"instances": {"type": "array", "items": item}} | forms
    return {
        "type": "object",
        "properties": forms | {"parameters": ref("Form"), "signature_name": ref("Signature")},
        "oneOf": [{"required": [name]} for name in forms],
        "additionalProperties": False,
    }


def _predictions(model: Model) -> Schema:
    outputs = [spec for spec in model.outputs if spec.name in predictions.fetches(model)]
    by_row: Schema = ref("Tensor")
    if model.metadata.is_classifier and outputs[0].shape is not None and len(outputs[0].shape) == 2:
        by_row = prediction(model, outputs[0])
    elif all(spec.has_rows for spec in outputs):
        rows = {spec.name: nested((spec.shape or ())[1:], spec.datatype) for spec in outputs}
        by_row = {"type": "object", "properties": rows} if len(rows) > 1 else rows[outputs[0].name]
    columns = {spec.name: nested(spec.shape, spec.datatype) for spec in outputs}
    return {
        "type": "object",
        "required": ["model", "version"],
        "properties": {
            "model": {"const": model.name},
            "version": {"type": "string"},
            "predictions": {"type": "array", "items": by_row},
            "outputs": {"type": "object", "properties": columns} if len(columns) > 1 else columns[outputs[0].name],
        },
    }


def _infer(model: Model) -> Schema:
    given = [on_the_wire(spec) for spec in (*model.inputs, *model.session.parameters)]
    inputs = {"anyOf": given} if given else {}
    wanted = {"name": {"enum": list(model.output_names)}, "parameters": {"type": "object"}}
    outputs: Schema = {"type": "array", "items": {"type": "object", "required": ["name"], "properties": wanted}}
    members = {"id": {"type": "string"}, "parameters": {"type": "object"}, "outputs": outputs}
    schema = {
        "type": "object",
        "required": ["inputs"],
        "properties": {"inputs": {"type": "array", "items": inputs}} | members,
    }
    body = {media.JSON: {"schema": schema} | _example(model, _infer_example), media.RAW: {"schema": BINARY}}
    operation = _operation(f"infer.{model.name}", f"Infer with {model.name}", model, NETWORKS, body)
    tensors = [*(on_the_wire(spec) for spec in model.outputs), ref("Classes")]
    answer = {
        "type": "object",
        "required": ["model_name", "model_version", "outputs"],
        "properties": {
            "id": {"type": "string"},
            "model_name": {"const": model.name},
            "model_version": {"type": "string"},
            "outputs": {"type": "array", "items": {"anyOf": tensors}},
        },
    }
    return operation | {"responses": described(answer, "The outputs asked for.") | {"default": ERROR}}


def _activate(model: Model) -> Schema:
    datatype = {"type": "string", "enum": model.datatypes, "default": "FP32"}
    known = {name: parameter(told) for name, told in activation.parameters(model).items()}
    schema = {
        "type": "object",
        "required": ["tensor"],
        "properties": {
            "tensor": ref("Tensor"),
            "datatype": datatype,
            "parameters": {"type": "object", "properties": known, "additionalProperties": False},
        },
        "additionalProperties": False,
    }
    defaults = {name: told["default"] for name, told in known.items()}
    example = {"tensor": [[-1, 2]]} | ({"parameters": defaults} if defaults else {})
    body = {media.JSON: {"schema": schema, "example": example}, media.NPY: {"schema": BINARY}}
    answer = {
        "type": "object",
        "required": ["activation", "datatype", "shape", "tensor"],
        "properties": {
            "activation": {"const": model.name},
            "datatype": {"enum": model.datatypes},
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
            "tensor": ref("Tensor"),
        },
    }
    # Without their defaults, which the page would send along: a parameter may stand in the query or in the body.
    in_query = [
        {"name": name, "in": "query", "schema": {keyword: told[keyword] for keyword in told if keyword != "default"}}
        for name, told in (known | {"datatype": datatype}).items()
    ]
    operation = _operation(f"activate.{model.name}", f"Apply {model.name}", model, ACTIVATIONS, body)
    return operation | {
        "parameters": in_query,
        "responses": described(answer, "The activation of each element.") | {"default": ERROR},
    }


def _operation(identifier: str, summary: str, model: Model, tag: str, content: Schema) -> Schema:
    return {
        "tags": [tag],
        "operationId": identifier,
        "summary": summary,
        "description": model.metadata.description,
        "requestBody": {"required": True, "content": content},
    }


def _has_rows(model: Model) -> bool:
    return bool(model.inputs) and all(spec.has_rows for spec in model.inputs)


def _example(model: Model, write: Any) -> Schema:
    """Nothing where no values were found that the graph takes."""
    found = model.example()
    is_short = sum(array.size for array in found.feeds.values()) <= MAX_EXAMPLE
    return {"example": write(model, found.feeds)} if is_short and found.refusal is None else {}


def _batch_example(model: Model, arrays: Feeds) -> Schema:
    if not _has_rows(model):
        columns = {name: json.fragment(array) for name, array in arrays.items()}
        return {"inputs": columns if len(columns) != 1 else next(iter(columns.values()))}
    if len(arrays) == 1:
        return {"instances": json.fragment(next(iter(arrays.values())))}
    return {"instances": [{name: json.fragment(array[0, ...]) for name, array in arrays.items()}]}


def _infer_example(model: Model, arrays: Feeds) -> Schema:
    named = {spec.name: spec.datatype.name for spec in model.inputs}
    return {
        "inputs": [
            {
                "name": name,
                "datatype": named[name],
                "shape": list(array.shape),
                "data": json.fragment(array.reshape(-1)),
            }
            for name, array in arrays.items()
        ]
    }
