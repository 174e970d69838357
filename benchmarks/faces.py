"""The bodies that servers take and the answers that they give, each a pair of plain functions."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.cases import Rows

CLASSES = 10
JSON = {"Content-Type": "application/json"}
RAW = {"Content-Type": "application/octet-stream"}


@dataclass(frozen=True, slots=True)
class Message:
    """A request's headers and body."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Face:
    """Where and how one server is asked: `write` makes the request, `read` takes the values out of an answer's body."""

    path: str
    write: Callable[[Rows], Message]
    read: Callable[[bytes], Rows]


def ours(path: str) -> Face:
    """`instances` in, classes with labels and scores out."""
    return Face(path, _instances, lambda body: _floats(_scores(json.loads(body))))


def instances(path: str) -> Face:
    """`instances` in, rows of scores as `predictions` out."""
    return Face(path, _instances, lambda body: _floats(json.loads(body)["predictions"]))


def bare(path: str) -> Face:
    """`instances` in, the rows of scores alone out."""
    return Face(path, _instances, lambda body: _floats(json.loads(body)))


def raw(path: str) -> Face:
    """float32 values both ways."""
    return Face(path, _values, _from_bytes)


def open_inference(path: str) -> Face:
    """The Open Inference Protocol with flat JSON data both ways."""
    return Face(path, _tensor, lambda body: _floats(json.loads(body)["outputs"][0]["data"]))


def open_inference_binary(path: str) -> Face:
    """The Open Inference Protocol with its binary tensor data extension both ways."""
    return Face(path, _binary_tensor, _from_binary_tensor)


def npy(path: str) -> Face:
    """NumPy's `.npy` files both ways."""
    return Face(path, _file, lambda body: np.load(io.BytesIO(body), allow_pickle=False))


def _instances(rows: Rows) -> Message:
    return Message(JSON, json.dumps({"instances": rows.tolist()}).encode())


def _values(rows: Rows) -> Message:
    return Message(RAW, rows.tobytes())


def _tensor(rows: Rows) -> Message:
    tensor = _named(rows) | {"data": rows.ravel().tolist()}
    return Message(JSON, json.dumps({"inputs": [tensor], "outputs": [{"name": "probabilities"}]}).encode())


def _binary_tensor(rows: Rows) -> Message:
    tensor = _named(rows) | {"parameters": {"binary_data_size": rows.nbytes}}
    output = {"name": "probabilities", "parameters": {"binary_data": True}}
    head = json.dumps({"inputs": [tensor], "outputs": [output]}).encode()
    return Message(RAW | {"Inference-Header-Content-Length": str(len(head))}, head + rows.tobytes())


def _file(rows: Rows) -> Message:
    buffer = io.BytesIO()
    np.save(buffer, rows, allow_pickle=False)
    return Message({"Content-Type": "application/x-npy"}, buffer.getvalue())


def _named(rows: Rows) -> dict[str, Any]:
    return {"name": "input", "shape": list(rows.shape), "datatype": "FP32"}


def _scores(answer: Any) -> list[list[float]]:
    return [prediction["scores"] for prediction in answer["predictions"]]


def _floats(values: Any) -> Rows:
    return np.array(values, np.float32).reshape(-1, CLASSES)


def _from_bytes(body: bytes) -> Rows:
    return np.frombuffer(body, np.float32).reshape(-1, CLASSES)


def _from_binary_tensor(body: bytes) -> Rows:
    """What stands behind the JSON, whose end the JSON itself tells (latin-1 has a character for every byte)."""
    document, end = json.JSONDecoder().raw_decode(body.decode("latin-1"))
    size = document["outputs"][0]["parameters"]["binary_data_size"]
    if len(body) - end != size:
        raise ValueError(f"{len(body) - end} bytes stand behind the JSON, which promises {size}")
    return _from_bytes(body[end:])
