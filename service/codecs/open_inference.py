"""Inference requests and answers of the Open Inference Protocol: a JSON object, and behind it, where
`Inference-Header-Content-Length` says so, the binary data of tensors in the order in which the object names them
(https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

from service.codecs import binary, json, raw
from service.codecs.elements import kind
from service.errors import BadBody, NotCarried, Unfit, UnsupportedMedia
from service.tensors import BY_NAME, Array, TensorSpec, datatype_name, is_possible

HEADER_LENGTH = "inference-header-content-length"
MEMBERS = {"id", "model_name", "model_version", "parameters", "inputs", "outputs"}
INPUT_MEMBERS = {"name", "datatype", "shape", "parameters", "data"}
OUTPUT_MEMBERS = {"name", "parameters"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """An output asked for: in binary or JSON, as it is or as its `classes` best classes (0: as it is)."""

    name: str
    binary: bool
    classes: int


@dataclass(frozen=True, slots=True)
class Call:
    """A request. `outputs` is None where the caller names none and so wants all; `id` where there is none.

    `parameters` are those of the whole request, as plain values."""

    id: str | None
    inputs: Mapping[str, Array]
    outputs: Sequence[Wanted] | None
    binary: bool
    parameters: Mapping[str, Any] = field(default_factory=dict)


def header_length(headers: Mapping[str, str]) -> int | None:
    """The length of the JSON part, None where the whole body is JSON. Raises BadBody."""
    text = headers.get(HEADER_LENGTH)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 12):
        raise BadBody("`Inference-Header-Content-Length` is not a number.")
    return int(text)


def decode(body: bytes, length: int | None, named: Mapping[str, Container[str]]) -> Call:
    """Raises BadBody or Unfit with the path of what is wrong; bytes left over are wrong too.

    `named` is what the members `model_name` and `model_version` may say, where they are given: as the path does."""
    if length is not None and length > len(body):
        raise BadBody(f"`Inference-Header-Content-Length` is {length} and the body has {len(body)} bytes.")
    text = body if length is None else body[:length]
    values = memoryview(body)[len(text) :]
    # Clients in C++ and Python write NaN and the infinities bare, Triton's own tools among them.
    return json.understood(text, lambda document: _call(document, values, named), bare_constants=True)


def _call(document: json.Document, values: memoryview, named: Mapping[str, Container[str]]) -> Call:
    _check_known(document.fields, MEMBERS)
    _check_named(document.fields, named)
    tail = _Tail(values)
    inputs = _inputs(document, tail)
    tail.check_is_used_up()
    members = _members(document.fields.get("parameters", {}), "parameters")
    in_binary = _flag(members, "binary_data_output", False)
    outputs = [_wanted(item, f"outputs[{index}]", in_binary) for index, item in _items(document, "outputs")]
    parameters = {name: json.plain(value) for name, value in members.items()}
    return Call(_id(document), inputs, outputs or None, in_binary, parameters)


def decode_raw(body: bytes, spec: TensorSpec) -> Call:
    """A request without JSON (`Inference-Header-Content-Length: 0`), all of whose body is the model's one input: a
    string, or values as `raw.read` takes them; one row where the graph leaves the rank open."""
    if spec.datatype.name == "BYTES":
        return Call(None, {spec.name: _string(body, spec)}, None, binary=True)
    ranked = TensorSpec(spec.name, spec.datatype, (1, None)) if spec.shape is None else spec
    return Call(None, {spec.name: raw.read(body, ranked)}, None, binary=True)


def encode(
    head: Mapping[str, Any], results: Sequence[tuple[Wanted, Array]], numbers: Callable[[Array], Any] = json.fragment
) -> tuple[list[bytes | memoryview], int | None]:
    """The body of an answer in pieces, and the length of its JSON part where binary data follows it. What stands there
    for the values of an output in JSON is what `numbers` makes of them."""
    outputs: list[dict[str, Any]] = []
    tail: list[bytes | memoryview] = []
    for wanted, array in results:
        output = {"name": wanted.name, "datatype": datatype_name(array.dtype), "shape": list(array.shape)}
        if wanted.binary:
            tail.append(binary.write(array))
            outputs.append(output | {"parameters": {"binary_data_size": len(tail[-1])}})
        else:
            outputs.append(output | {"data": numbers(array.reshape(-1))})
    text = json.dumps({**head, "outputs": outputs})
    return [text, *tail], len(text) if any(wanted.binary for wanted, _ in results) else None


def _string(body: bytes, spec: TensorSpec) -> Array:
    shape = [size if isinstance(size, int) else 1 for size in spec.shape or (1,)]
    if prod(shape) != 1:
        raise UnsupportedMedia(f"`{spec.name}` takes {prod(shape)} strings, and a raw body is one.")
    return binary.read(struct.pack("<I", len(body)) + body, spec.datatype, tuple(shape), spec.name)


class _Tail:
    """The binary data behind the JSON, taken piece by piece."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int, name: str) -> memoryview:
        piece = self._data[self._at : self._at + size]
        if len(piece) != size:
            raise BadBody(f"`{name}` has a `binary_data_size` of {size}, and {len(piece)} bytes are left.")
        self._at += size
        return piece

    def check_is_used_up(self) -> None:
        if self._at != len(self._data):
            raise BadBody(f"{len(self._data) - self._at} bytes are left behind the last tensor.")


def _check_known(fields: Mapping[str, Any], known: set[str], path: str = "") -> None:
    for name in fields:
        if name not in known:
            raise Unfit.at(
                f"{path}{name[:60]}",
                f"one of {', '.join(f'`{member}`' for member in sorted(known))}",
                "an unknown name",
            )


def _check_named(fields: Mapping[str, Any], named: Mapping[str, Container[str]]) -> None:
    for member, allowed in named.items():
        value = fields.get(member, "")  # an empty one says nothing, as in gRPC
        if value and (not isinstance(value, str) or value not in allowed):
            raise Unfit.at(member, "the model of the path", str(json.plain(value))[:60])


def _items(document: json.Document, name: str) -> list[tuple[int, Any]]:
    found: Any = document.fields.get(name, [] if name == "outputs" else None)
    if not json.is_array(found):
        raise Unfit.at(name, "an array of tensors", "nothing" if found is None else "something else")
    return list(enumerate(found))


def _inputs(document: json.Document, tail: _Tail) -> Mapping[str, Array]:
    found: dict[str, Array] = {}
    items = [_members(item, f"inputs[{index}]") for index, item in _items(document, "inputs")]
    arrays = [json.arrays_in(fields.get("data")) for fields in items]
    # `inputs`, `outputs`, and each input's shape and data; where there are more, nothing is lost but time.
    total = 1 + ("outputs" in document.fields) + len(items) + sum(arrays)
    for index, fields in enumerate(items):
        name, array = _input(document, fields, f"inputs[{index}]", tail, total - arrays[index])
        if name in found:
            raise Unfit.at(f"inputs[{index}].name", "a name that comes once", name[:60])
        found[name] = array
    return found


def _input(
    document: json.Document, fields: Mapping[str, Any], path: str, tail: _Tail, beside: int
) -> tuple[str, Array]:
    _check_known(fields, INPUT_MEMBERS, f"{path}.")
    name, datatype = _text(fields, "name", path), BY_NAME.get(_text(fields, "datatype", path))
    if datatype is None:
        raise Unfit.at(f"{path}.datatype", f"one of {', '.join(BY_NAME)}", str(fields["datatype"])[:40])
    shape = _shape(fields.get("shape"), f"{path}.shape")
    size = _parameters(fields, path).get("binary_data_size")
    if (size is None) == ("data" not in fields):
        raise Unfit.at(path, "either `data` or the parameter `binary_data_size`", "none of them or both")
    if size is not None:
        return name, binary.read(
            tail.take(_count(size, f"{path}.parameters.binary_data_size"), name), datatype, shape, name
        )
    array = document.tensor(fields["data"], datatype, f"{path}.data", beside)
    if array.size != prod(shape):
        raise Unfit.at(f"{path}.data", f"{prod(shape)} elements, as its shape says", str(array.size))
    return name, array.reshape(shape)


def _wanted(item: Any, path: str, in_binary: bool) -> Wanted:
    fields = _members(item, path)
    _check_known(fields, OUTPUT_MEMBERS, f"{path}.")
    parameters = _parameters(fields, path)
    classes = _count(parameters.get("classification", 0), f"{path}.parameters.classification")
    return Wanted(_text(fields, "name", path), _flag(parameters, "binary_data", in_binary), classes)


def _parameters(fields: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Of a tensor. Raises NotCarried for shared memory: passed over, it would leave the caller with what lay there."""
    found = _members(fields.get("parameters", {}), f"{path}.parameters")
    if "shared_memory_region" in found:
        raise NotCarried(f"`{path}` is in shared memory, which is not served here; send and take tensors in the body.")
    return found


def _members(value: Any, path: str) -> dict[str, Any]:
    found = json.members(value)
    if found is None:
        raise Unfit.at(path, "an object", "something else")
    return found


def _text(fields: Mapping[str, Any], name: str, path: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise Unfit.at(f"{path}.{name}", "a string", "nothing" if value is None else "something else")
    return value


def _shape(value: Any, path: str) -> tuple[int, ...]:
    if not json.is_array(value):
        raise Unfit.at(path, "an array of sizes", "nothing" if value is None else "something else")
    shape = tuple(_count(size, path) for size in value)
    if not is_possible(shape):
        raise Unfit.at(path, "a shape that an array can have", f"{len(shape)} sizes that are too many or too large")
    return shape


def _count(value: Any, path: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise Unfit.at(path, "a whole number from 0 up", kind(json.plain(value)))
    return value


def _flag(parameters: Mapping[str, Any], name: str, default: bool) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise Unfit.at(f"parameters.{name}", "true or false", kind(json.plain(value)))
    return value


def _id(document: json.Document) -> str | None:
    value = document.fields.get("id")
    if value is not None and not isinstance(value, str):
        raise Unfit.at("id", "a string", kind(json.plain(value)))
    return value
