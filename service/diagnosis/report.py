"""A diagnosis as the plain object that `POST /diagnose` answers with; its numbers may still be NaN or infinite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from service.codecs import json
from service.diagnosis import findings
from service.diagnosis.diagnosis import Diagnosis, Record
from service.diagnosis.moments import Moments

BINS = 20
MAX_BINS = 256

Told = dict[str, Any]


def report(name: str, version: str, diagnosis: Diagnosis, bins: int = BINS) -> Told:
    """Everything measured, and what it means."""
    layers = [layer(record, bins) for record in diagnosis.records]
    found = findings.found(layers, diagnosis)
    return {
        "model": name,
        "version": version,
        "rows": diagnosis.rows,
        "layers": layers,
        "findings": [{"node": one.node, "severity": one.severity, "text": one.text} for one in found],
    }


def layer(record: Record, bins: int = BINS) -> Told:
    """One layer. Mean and deviation are of all finite values, the deviation that of a population."""
    told, measured = record.layer, record.measurement
    sums = {name: int(counts.sum()) for name, counts in measured.counts.items()}
    dead, saturated = (np.flatnonzero(units).tolist() for units in (measured.dead(), measured.saturated()))
    after = _moments(measured.after)
    edges, counts = measured.histogram.binned(after["min"], after["max"], bins)
    return {
        "node": told.node,
        "activation": told.kind,
        **({"parameters": dict(told.parameters)} if told.parameters else {}),
        "operator": told.op,
        "is_output": told.is_output,
        "shape": list(record.shape),
        "units": measured.units,
        "values": sums["seen"],
        "zero_share": _share(sums["zeros"], sums["seen"]),
        "dead_units": dead,
        "dead_share": _share(len(dead), measured.units),
        "saturated_units": saturated,
        "saturated_share": _share(len(saturated), measured.units),
        "slope_mean": float(measured.slope_sum.sum()) / sums["sloped"] if sums["sloped"] else float("nan"),
        **after,
        "non_finite": sums["non_finite"],
        "pre_activation": _moments(measured.before) | {"non_finite": sums["non_finite_before"]},
        "histogram": {"edges": edges, "counts": counts},
        **({"by_row": json.fragment(np.concatenate(record.by_row))} if record.by_row else {}),
    }


def plain(value: Any) -> Any:
    """The same with the strings that JSON has for numbers that are not finite."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, float) and not np.isfinite(value):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    return value


def _moments(units: Moments) -> dict[str, float]:
    """NaN where no value was finite."""
    (count,), total = units.total().count.tolist(), units.total()
    if not count:
        return dict.fromkeys(("mean", "std", "min", "max"), float("nan"))
    values: Sequence[Any] = (total.mean, np.sqrt(total.squares / count), total.low, total.high)
    return dict(zip(("mean", "std", "min", "max"), (float(value[0]) for value in values), strict=True))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
