"""The bodies that servers take and the answers that they give, each a pair of plain functions."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.cases import COLUMNS, Rows

CLASSES = 10


@dataclass(frozen=True, slots=True)
class Face:
    """Where and how one server is asked: `write` makes the body, `read` takes the scores out of the answer."""

    path: str
    media_type: str
    write: Callable[[Rows], bytes]
    read: Callable[[bytes], Rows]


def ours(path: str) -> Face:
    """`instances` in, classes with labels and scores out."""
    return Face(path, "application/json", _instances, lambda body: _floats(_scores(json.loads(body))))


def instances(path: str) -> Face:
    """`instances` in, rows of scores as `predictions` out."""
    return Face(path, "application/json", _instances, lambda body: _floats(json.loads(body)["predictions"]))


def open_inference(path: str) -> Face:
    """The Open Inference Protocol with flat JSON data both ways."""
    return Face(path, "application/json", _tensor, lambda body: _floats(json.loads(body)["outputs"][0]["data"]))


def raw(path: str) -> Face:
    """float32 values both ways."""
    return Face(path, "application/octet-stream", _bytes, _from_bytes)


def _instances(rows: Rows) -> bytes:
    return json.dumps({"instances": rows.tolist()}).encode()


def _tensor(rows: Rows) -> bytes:
    data = rows.ravel().tolist()
    tensor = {"name": "input", "shape": [len(rows), COLUMNS], "datatype": "FP32", "data": data}
    return json.dumps({"inputs": [tensor]}).encode()


def _bytes(rows: Rows) -> bytes:
    return rows.tobytes()


def _scores(answer: Any) -> list[list[float]]:
    return [prediction["scores"] for prediction in answer["predictions"]]


def _floats(values: Any) -> Rows:
    return np.array(values, np.float32).reshape(-1, CLASSES)


def _from_bytes(body: bytes) -> Rows:
    return np.frombuffer(body, np.float32).reshape(-1, CLASSES)
