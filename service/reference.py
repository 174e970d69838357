"""Reference statistics of a model's activations: what its layers gave for data that it is meant for.

Written by whoever exports the model into the file's metadata, `activation_reference`, or by `actserve reference` into
`reference.json` beside the versions, which wins:

    {"rows": 10000, "source": "…", "layers": [{"node": "relu", "edges": [0.0, 0.5], "counts": [600, 200, 200],
                                               "units": [[[0.0], [900, 100]], …], …}]}

`counts[i]` is how many values of the layer lay above edge i - 1 and at or below edge i; `units` has edges and counts of
each unit. They may be missing. Where they are there, drift is judged by them: other units that fire for other inputs
can leave the layer as a whole with the values that it always had.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from service.tensors import Array

PROPERTY = "activation_reference"
MOST_EDGES = 256
LARGEST = float(np.finfo(np.float32).max)
LEAST_SHARE = 1e-4  # of a bin; an empty one would make the index infinite


@dataclass(frozen=True, slots=True, eq=False)
class Bins:
    """How the values of a layer lay: `edges` [edge, unit] ascend along each unit and end in infinities where it has
    fewer, `counts` [bin, unit] are one more. One unit stands for all where `is_by_unit` is false."""

    edges: Array
    counts: Array
    is_by_unit: bool

    def drift(self, at_most: Array, seen: Array) -> float | None:
        """The population stability index of other values, of which so many are `at_most` each edge and so many of each
        unit were `seen`: the mean over units of the sum of (p - q)·ln(p/q). None where there is nothing to compare."""
        total = seen if self.is_by_unit else seen.sum(keepdims=True)
        if total.size != at_most.shape[1]:
            return None
        is_known = (total > 0) & (self.counts.sum(axis=0) > 0)
        if not is_known.any():
            return None
        others = np.diff(at_most, axis=0, prepend=0, append=total[None])[:, is_known]
        is_bin = np.arange(len(others))[:, None] <= np.isfinite(self.edges).sum(axis=0)[is_known]
        p, q = _floored(others, is_bin), _floored(self.counts[:, is_known], is_bin)
        return float(np.mean(np.sum((p - q) * np.log(p / q), axis=0, where=is_bin)))


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """`layers` by the name of their node, as `POST /diagnose` has it."""

    rows: int
    source: str
    layers: Mapping[str, Bins]


@dataclass(frozen=True, slots=True)
class Found:
    """The reference of a model, if it has one, or what is wrong with it; `place` is where it stands."""

    place: str = ""
    reference: Reference | None = None
    problem: str | None = None

    def told(self) -> dict[str, Any]:
        """As `GET /models/{model}` has it; empty where there is none."""
        if self.problem is not None:
            return {"from": self.place, "problem": self.problem}
        if self.reference is None:
            return {}
        known = self.reference
        return {"from": self.place, "rows": known.rows, "source": known.source, "layers": list(known.layers)}


def beside(toml: Path) -> Path:
    """`reference.json` beside a `model.toml`, `<name>.reference.json` beside a plain `<name>.toml`."""
    return toml.with_name("reference.json") if toml.name == "model.toml" else toml.with_suffix(".reference.json")


def find(file: Path, metadata: Any) -> Found:
    """What the file says, or where there is none the metadata. Raises nothing: a model serves without it."""
    try:
        text = file.read_bytes()
    except FileNotFoundError:
        return Found() if metadata is None else _read(f"metadata `{PROPERTY}`", metadata)
    except OSError as error:
        return Found(f"`{file.name}`", problem=f"it cannot be read ({error.strerror}).")
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        return Found(f"`{file.name}`", problem="it is not JSON.")
    return _read(f"`{file.name}`", given)


def _read(place: str, given: Any) -> Found:
    try:
        return Found(place, read(given))
    except ValueError as error:
        return Found(place, problem=str(error))


def read(given: Any) -> Reference:
    """The object above; members that are not known are passed over. Raises ValueError saying what is wrong."""
    if not isinstance(given, dict) or not isinstance(given.get("layers"), list):
        raise ValueError("expected an object with a list `layers`.")
    rows = given.get("rows")
    if type(rows) is not int or rows < 1:
        raise ValueError("`rows`: expected a whole number above 0.")
    layers: dict[str, Bins] = {}
    for index, layer in enumerate(given["layers"]):
        if not isinstance(layer, dict) or not isinstance(layer.get("node"), str):
            raise ValueError(f"`layers[{index}].node`: expected the name of a node.")
        layers[layer["node"]] = _bins(layer, f"layers[{index}]")
    return Reference(rows, str(given.get("source", "")), layers)


def _bins(layer: Mapping[str, Any], path: str) -> Bins:
    """Of each unit where the layer has them, else of all as one."""
    units = layer.get("units")
    if units is None:
        return _stacked([_one(layer.get("edges"), layer.get("counts"), path)], is_by_unit=False)
    if not isinstance(units, list) or not units or not all(isinstance(one, list) and len(one) == 2 for one in units):
        raise ValueError(f"`{path}.units`: expected a list of [edges, counts].")
    return _stacked(
        [_one(edges, counts, f"{path}.units[{unit}]") for unit, (edges, counts) in enumerate(units)], is_by_unit=True
    )


def _one(edges: Any, counts: Any, path: str) -> tuple[Array, Array]:
    edges, counts = _numbers(edges), _numbers(counts)
    if not 0 < edges.size <= MOST_EDGES:
        raise ValueError(f"`{path}`: expected 1 to {MOST_EDGES} finite numbers for edges.")
    if not (np.diff(edges) > 0).all():
        raise ValueError(f"`{path}`: expected each edge to be greater than the one before.")
    if counts.size != edges.size + 1 or not (counts >= 0).all():
        raise ValueError(f"`{path}`: expected {edges.size + 1} counts from 0 on, one more than edges.")
    return edges, counts


def _stacked(units: Sequence[tuple[Array, Array]], *, is_by_unit: bool) -> Bins:
    most = max(edges.size for edges, _ in units)
    every, counts = np.full((most, len(units)), np.inf), np.zeros((most + 1, len(units)))
    for unit, (edges, found) in enumerate(units):
        every[: edges.size, unit], counts[: found.size, unit] = edges, found
    return Bins(every, counts, is_by_unit)


def _numbers(given: Any) -> Array:
    """None at all where something else is among them, or what FP32 cannot hold."""
    is_list = isinstance(given, list) and all(type(one) in (int, float) and abs(one) <= LARGEST for one in given)
    return np.array(given if is_list else (), np.float64)


def _floored(counts: Array, is_bin: Array) -> Array:
    """Shares of each unit, none of a bin too small for a logarithm; 1 where there is no bin."""
    raised = np.where(is_bin, np.maximum(counts / counts.sum(axis=0), LEAST_SHARE), 0)
    found: Array = np.where(is_bin, raised / raised.sum(axis=0), 1)
    return found
