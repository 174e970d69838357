"""Request bodies: out of files, or the same tensors in each of the forms that the service reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.bench.target import BenchError
from service.codecs import binary, json, media, npy, raw
from service.errors import ServiceError
from service.tensors import Array, TensorSpec

HEADER_LENGTH = "inference-header-content-length"

Feeds = Mapping[str, Array]
Specs = Sequence[TensorSpec]


@dataclass(frozen=True, slots=True)
class Body:
    """What is posted; `rows` where it is known how many instances it has."""

    content: bytes
    media_type: str
    rows: int | None = None
    headers: tuple[tuple[str, str], ...] = ()


Writer = Callable[[Specs, Feeds], Body]


def from_file(path: Path, media_type: str) -> Body:
    """A file as it is. Raises OSError."""
    content = path.read_bytes()
    try:
        return Body(content, media_type, READERS[media_type](content) if media_type in READERS else None)
    except ServiceError:  # whether that is what was meant is for the server to say
        return Body(content, media_type)


def _npy_rows(content: bytes) -> int | None:
    shape = npy.header(content).shape
    return shape[0] if shape else None


def _json_rows(content: bytes) -> int | None:
    instances: Any = json.parse(content).fields.get("instances")
    return len(instances) if json.is_array(instances) else None


def _predict_json(specs: Specs, feeds: Feeds) -> Body:
    values = {name: json.fragment(array) for name, array in feeds.items()}
    if len(specs) != 1:
        return Body(json.dumps({"inputs": values}), media.JSON)
    (spec,) = specs
    return Body(json.dumps({"instances" if spec.has_rows else "inputs": values[spec.name]}), media.JSON)


def _npy(specs: Specs, feeds: Feeds) -> Body:
    return Body(b"".join(npy.write(_only(feeds))), media.NPY)


def _raw(specs: Specs, feeds: Feeds) -> Body:
    return Body(bytes(raw.write(_only(feeds))), media.RAW)


def _activate_json(specs: Specs, feeds: Feeds) -> Body:
    return Body(json.dumps({"tensor": json.fragment(_only(feeds))}), media.JSON)


def _infer_json(specs: Specs, feeds: Feeds) -> Body:
    data = {name: {"data": json.fragment(array.reshape(-1))} for name, array in feeds.items()}
    return Body(json.dumps({"inputs": _described(specs, feeds, data)}), media.JSON)


def _infer_binary(specs: Specs, feeds: Feeds) -> Body:
    tails = {name: binary.write(array) for name, array in feeds.items()}
    sizes = {name: {"parameters": {"binary_data_size": len(tail)}} for name, tail in tails.items()}
    parameters = {"binary_data_output": True}
    head = json.dumps({"inputs": _described(specs, feeds, sizes), "parameters": parameters})
    content = b"".join([head, *tails.values()])
    return Body(content, media.RAW, headers=((HEADER_LENGTH, str(len(head))),))


def _described(specs: Specs, feeds: Feeds, more: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    datatypes = {spec.name: spec.datatype.name for spec in specs}
    return [
        {"name": name, "datatype": datatypes[name], "shape": list(array.shape), **more[name]}
        for name, array in feeds.items()
    ]


def _only(feeds: Feeds) -> Array:
    if len(feeds) != 1:
        raise BenchError(f"The model has {len(feeds)} inputs, which only JSON has room for; use --format json.")
    return next(iter(feeds.values()))


READERS: Mapping[str, Callable[[bytes], int | None]] = {media.NPY: _npy_rows, media.JSON: _json_rows}
PREDICT: Mapping[str, Writer] = {"json": _predict_json, "npy": _npy, "raw": _raw}
ACTIVATE: Mapping[str, Writer] = {"json": _activate_json, "npy": _npy}
INFER: Mapping[str, Writer] = {"json": _infer_json, "raw": _infer_binary}
