"""The window of a model as `GET /models/{model}/activations` tells it; its numbers may still be NaN or infinite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.diagnosis.diagnosis import Record
from service.diagnosis.report import layer
from service.diagnosis.schema import COUNT, LAYER, SHARE
from service.live.window import Seen
from service.model import Model
from service.schemas import Schema
from service.tensors import Array

Told = dict[str, Any]

DRIFT: Schema = {
    "type": ["object", "null"],
    "required": ["psi", "by", "reference_rows"],
    "properties": {
        "psi": {"type": "number", "minimum": 0},
        "by": {"enum": ["unit", "layer"]},
        "reference_rows": {"type": "integer", "minimum": 1},
    },
    "description": "null where the model has no reference statistics of this layer",
}
SCHEMA: Schema = {
    "type": "object",
    "required": ["model", "version", "window_s", "rows", "sample_rate", "layers"],
    "properties": {
        "model": {"type": "string"},
        "version": {"type": "string"},
        "window_s": {"type": "number"},
        "rows": COUNT,
        "sample_rate": SHARE,
        "layers": {
            "type": "array",
            "items": LAYER
            | {"required": [*LAYER["required"], "drift"], "properties": LAYER["properties"] | {"drift": DRIFT}},
        },
        "reason": {"type": "string", "description": "why there are no layers"},
    },
}


def told(model: Model, seen: Seen, window_s: float, rate: float) -> Told:
    """Each layer as a diagnosis has it, and its drift."""
    return {
        "model": model.name,
        "version": model.version,
        "window_s": window_s,
        "rows": seen.rows,
        "sample_rate": rate,
        "layers": [layer(record) | {"drift": _drift(model, record)} for record in seen.records],
    }


def edges(model: Model) -> Mapping[str, Array]:
    """By which the values of its layers are counted, to be compared with its reference."""
    reference = model.reference.reference
    return {} if reference is None else {node: bins.edges for node, bins in reference.layers.items()}


def _drift(model: Model, record: Record) -> Told | None:
    reference = model.reference.reference
    bins = None if reference is None else reference.layers.get(record.layer.node)
    if reference is None or bins is None:
        return None
    psi = bins.drift(record.measurement.at_most, record.measurement.after.count)
    if psi is None:
        return None
    return {"psi": psi, "by": "unit" if bins.is_by_unit else "layer", "reference_rows": reference.rows}
