"""The answer of `POST /diagnose` as JSON Schema; docs/diagnosis.md says what each number means."""

from __future__ import annotations

from service.diagnosis.findings import SEVERITIES
from service.schemas import Schema, ref

COUNT: Schema = {"type": "integer", "minimum": 0}
COUNTS: Schema = {"type": "array", "items": COUNT}
SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
RANGE: Schema = {name: ref("FP64") for name in ("mean", "std", "min", "max")} | {"non_finite": COUNT}
EDGES: Schema = {"type": "array", "items": {"type": "number"}}


def _object(properties: Schema, **optional: Schema) -> Schema:
    return {"type": "object", "required": list(properties), "properties": properties | optional}


LAYER = _object(
    {
        "node": {"type": "string"},
        "activation": {"type": "string"},
        "operator": {"type": "string"},
        "is_output": {"type": "boolean"},
        "shape": COUNTS,
        "units": COUNT,
        "values": COUNT,
        "zero_share": SHARE,
        "dead_units": COUNTS,
        "dead_share": SHARE,
        "saturated_units": COUNTS,
        "saturated_share": SHARE,
        "slope_mean": ref("FP64"),
        **RANGE,
        "pre_activation": _object(RANGE),
        "histogram": _object({"edges": EDGES, "counts": COUNTS}),
    },
    parameters={"type": "object"},
    by_row={"type": "array", "items": {"type": "array", "items": ref("FP64")}},
)
FINDING = _object(
    {
        "node": {"type": ["string", "null"], "description": "null where it is about the whole model"},
        "severity": {"enum": list(SEVERITIES)},
        "text": {"type": "string"},
    }
)
DIAGNOSIS = _object(
    {
        "model": {"type": "string"},
        "version": {"type": "string"},
        "rows": {"type": "integer", "minimum": 1},
        "layers": {"type": "array", "items": LAYER},
        "findings": {"type": "array", "items": FINDING},
    }
)
