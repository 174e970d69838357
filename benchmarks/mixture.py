"""What a soak sends: requests of every kind in many sizes, wrong ones among them. No two sets are alike."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from PIL import Image

COLUMNS = 784
MOST_ROWS = 300
MOST_ELEMENTS = 20_000
JSON, NPY, RAW, PNG = "application/json", "application/x-npy", "application/octet-stream", "image/png"
FLOATS = {"FP16": np.float16, "FP32": np.float32, "FP64": np.float64}  # the fourth, BF16, NumPy does not have
HEADER_LENGTH = "Inference-Header-Content-Length"

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, and the status that its answer must have."""

    method: str
    path: str
    body: bytes = b""
    media_type: str = JSON
    status: int = 200
    others: Mapping[str, str] | None = None

    @property
    def headers(self) -> dict[str, str]:
        length = {"Content-Type": self.media_type, "Content-Length": str(len(self.body))} if self.body else {}
        return length | dict(self.others or {})

    def raw(self) -> bytes:
        """As it is sent on a connection that stays open."""
        fields = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        return f"{self.method} {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}\r\n".encode() + self.body


def mixture(networks: Sequence[str], activations: Sequence[str], seed: int) -> list[Asked]:
    """Some four hundred requests in an order of their own; every activation is among them in every datatype."""
    random = np.random.default_rng(seed)
    found = [*_activations(activations, random), *_reads(activations, random), *_mistakes(random)]
    for name in random.choice(networks, 16):
        found += _predictions(f"/predict/{name}", random)
        found += _open_inference(f"/v2/models/{name}/infer", random)
    return [found[index] for index in random.permutation(len(found))]


def _predictions(path: str, random: Generator) -> Iterator[Asked]:
    """Many of few rows, as most callers send them, and of each other kind one."""
    for _ in range(4):
        yield Asked("POST", path, _instances(_rows(random, 4)))
        yield Asked("POST", path, _rows(random, 4).tobytes(), RAW)
    yield _one_of_json(path, _instances(_rows(random)), int(random.integers(4)))
    yield Asked("POST", path, _rows(random).tobytes(), RAW)
    yield Asked("POST", path, _npy(_rows(random)), NPY)
    yield Asked("POST", path, _picture(random), PNG)


def _one_of_json(path: str, body: bytes, which: int) -> Asked:
    if which == 0:
        return Asked("POST", f"{path}?top_k=3&scores=false", body)
    if which == 1:
        return Asked("POST", path, gzip.compress(body, 1), others={"Content-Encoding": "gzip"})
    return Asked("POST", path, body, others={"Accept-Encoding": "gzip"} if which == 2 else None)


def _open_inference(path: str, random: Generator) -> Iterator[Asked]:
    rows = _rows(random, 32)
    tensor: dict[str, Any] = {"name": "input", "shape": rows.shape, "datatype": "FP32"}
    yield Asked("POST", path, _json({"inputs": [tensor | {"data": rows.ravel().tolist()}]}))
    rows = _rows(random)
    tensor |= {"shape": rows.shape, "parameters": {"binary_data_size": rows.nbytes}}
    head = _json({"inputs": [tensor], "outputs": [{"name": "probabilities", "parameters": {"binary_data": True}}]})
    yield Asked("POST", path, head + rows.tobytes(), RAW, others={HEADER_LENGTH: str(len(head))})


def _activations(names: Sequence[str], random: Generator) -> Iterator[Asked]:
    for name in names:
        for kind in FLOATS.values():
            yield Asked("POST", f"/activate/{name}", _npy(_tensor(random).astype(kind)), NPY)
        tensor = _tensor(random).ravel()[:1000].tolist()
        yield Asked("POST", f"/activate/{name}?datatype=BF16", _json({"tensor": tensor}))
        yield Asked("POST", f"/activate/{name}/gradient", _npy(_tensor(random)), NPY)


def _reads(activations: Sequence[str], random: Generator) -> Iterator[Asked]:
    for path in ("/models", "/metrics", "/health/ready", "/v2/models/stats", "/openapi.json", "/"):
        yield Asked("GET", path)
    for name in random.choice(activations, 4):
        yield Asked("GET", f"/activations/{name}/curve?points={random.integers(2, 2000)}")


def _mistakes(random: Generator) -> Iterator[Asked]:
    number = random.integers(1 << 40)
    yield Asked("POST", "/predict", b"{", status=400)
    yield Asked("POST", "/predict", _instances(_rows(random))[:-2], status=400)
    yield Asked("POST", "/predict", _rows(random).tobytes()[:-1], RAW, status=400)
    yield Asked("POST", "/predict", _json({"instances": [[0.5] * random.integers(1, COLUMNS)]}), status=422)
    yield Asked("POST", "/predict", b"<x/>", "text/xml", status=415)
    yield Asked("POST", f"/predict/{number}", _instances(_rows(random, 4)), status=404)
    yield Asked("GET", f"/{number}", status=404)
    yield Asked("DELETE", "/models", status=405)
    yield Asked("GET", f"/models/{number}", others={"X-Request-Id": str(number)}, status=404)


def _rows(random: Generator, most: int = MOST_ROWS) -> Array:
    """At least one row of pixels, more often few than many."""
    pixels = random.integers(0, 256, (_size(random, 1, most), COLUMNS), np.uint8)
    return pixels.astype(np.float32) / np.float32(255)


def _tensor(random: Generator) -> Array:
    """Of rank 1 to 3, the last size even, as glu wants it."""
    size = _size(random, 2, MOST_ELEMENTS)
    shape = (*random.integers(1, 4, random.integers(0, 3)), 0)
    last = max(2, size // max(1, int(np.prod(shape[:-1]))) // 2 * 2)
    return random.standard_normal((*shape[:-1], last), np.float32)


def _size(random: Generator, least: int, most: int) -> int:
    return int(np.exp(random.uniform(np.log(least), np.log(most + 1))))


def _instances(rows: Array) -> bytes:
    return _json({"instances": rows.round(4).astype(float).tolist()})


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _npy(array: Array) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _picture(random: Generator) -> bytes:
    file = io.BytesIO()
    size = (28, 28) if random.random() < 0.5 else tuple(random.integers(8, 200, 2))
    Image.fromarray(random.integers(0, 256, size, np.uint8)).save(file, "PNG")
    return file.getvalue()
