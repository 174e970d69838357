"""What one worker has seen, as it tells another: plain JSON, long arrays as their bytes."""

from __future__ import annotations

from base64 import b64decode, b64encode
from functools import partial
from typing import Any

import numpy as np

from service.diagnosis import slopes
from service.diagnosis.diagnosis import Record
from service.diagnosis.measurement import Measurement
from service.diagnosis.moments import Moments
from service.diagnosis.observer import Layer
from service.live.window import Seen
from service.tensors import Array

MOMENTS = ("count", "mean", "squares", "low", "high")

Told = dict[str, Any]


def told(seen: Seen) -> Told:
    return {"rows": seen.rows, "layers": [_record(record) for record in seen.records]}


def heard(content: Told) -> Seen:
    """The same again."""
    return Seen(content["rows"], [_heard(record) for record in content["layers"]])


def _record(record: Record) -> Told:
    layer, measured = record.layer, record.measurement
    return {
        "node": layer.node,
        "kind": layer.kind,
        "op": layer.op,
        "parameters": dict(layer.parameters),
        "axis": layer.axis,
        "is_output": layer.is_output,
        "shape": list(record.shape),
        "edges": None if measured.edges is None else _packed(measured.edges),
        "at_most": _packed(measured.at_most),
        "counts": {name: _packed(counts) for name, counts in measured.counts.items()},
        "slope_sum": _packed(measured.slope_sum),
        "before": _moments(measured.before),
        "after": _moments(measured.after),
        "histogram": [measured.histogram.shift, *(_packed(array) for array in measured.histogram.filled())],
    }


def _heard(told: Told) -> Record:
    kind, parameters = told["kind"], told["parameters"]
    slope = partial(slopes.slope, kind, parameters)
    layer = Layer(told["node"], kind, told["op"], slope, parameters, told["axis"], told["is_output"])
    shift, *filled = told["histogram"]
    measured = Measurement(kind, None if told["edges"] is None else _unpacked(told["edges"]), shift)
    measured.at_most = _unpacked(told["at_most"])
    measured.counts = {name: _unpacked(counts) for name, counts in told["counts"].items()}
    measured.slope_sum = _unpacked(told["slope_sum"])
    measured.before, measured.after = _heard_moments(told["before"]), _heard_moments(told["after"])
    measured.histogram.take(*map(_unpacked, filled))
    return Record(layer, measured, tuple(told["shape"]))


def _moments(moments: Moments) -> Told:
    return {name: _packed(getattr(moments, name)) for name in MOMENTS}


def _heard_moments(told: Told) -> Moments:
    found = Moments()
    for name in MOMENTS:
        setattr(found, name, _unpacked(told[name]))
    return found


def _packed(array: Array) -> list[Any]:
    return [array.dtype.str, array.shape, b64encode(array.tobytes()).decode()]


def _unpacked(packed: list[Any]) -> Array:
    kind, shape, text = packed
    found: Array = np.frombuffer(b64decode(text), np.dtype(kind)).reshape(shape).copy()
    return found
