"""Inference requests and answers of the Open Inference Protocol as protobuf messages: each tensor raw, as in the binary
tensor data extension, or typed, in the field that the standard gives its datatype
(https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/open_inference_grpc.proto).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import Any, TypeVar

import numpy as np
from google.protobuf.message import DecodeError, Message

from service.codecs import binary, elements, json
from service.codecs.open_inference import Call, Wanted
from service.errors import BadBody, NotCarried, Unfit
from service.protos import grpc_service_pb2 as messages
from service.tensors import BY_NAME, Array, Datatype, aligned, datatype_name, is_possible

M = TypeVar("M", bound=Message)

# The field of `InferTensorContents` for each datatype; the 16-bit floats have none.
FIELDS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
WIDE = {"int_contents": np.int32, "uint_contents": np.uint32}  # the integers that a field holds, where not 64 bits

Input = messages.ModelInferRequest.InferInputTensor
Output = messages.ModelInferRequest.InferRequestedOutputTensor


def parse(kind: type[M], body: bytes) -> M:
    """`body` as a message. Raises BadBody."""
    try:
        return kind.FromString(body)
    except DecodeError as error:
        raise BadBody(f"The message is not a `{kind.__name__}`.") from error


def decode(body: bytes) -> tuple[messages.ModelInferRequest, Call]:
    """Raises BadBody or Unfit with the path of what is wrong."""
    message = parse(messages.ModelInferRequest, body)
    raw = message.raw_input_contents
    if raw and len(raw) != len(message.inputs):
        raise Unfit.at("raw_input_contents", f"one for each of the {len(message.inputs)} inputs", str(len(raw)))
    inputs: dict[str, Array] = {}
    for index, item in enumerate(message.inputs):
        path = f"inputs[{index}]"
        if item.name in inputs:
            raise Unfit.at(f"{path}.name", "a name of its own", f"`{item.name[:60]}` again")
        inputs[item.name] = _tensor(item, raw[index] if raw else None, path)
    outputs = [_wanted(item, f"outputs[{index}]") for index, item in enumerate(message.outputs)]
    return message, Call(message.id or None, inputs, outputs or None, binary=True, parameters=plain(message.parameters))


def encode(
    message: messages.ModelInferResponse,
    model: str,
    version: str,
    caller_id: str | None,
    results: Sequence[tuple[Wanted, Array]],
    parameters: Mapping[str, Any],
) -> None:
    """Fills in the answer, every tensor raw."""
    message.model_name, message.model_version, message.id = model, version, caller_id or ""
    for name, value in parameters.items():
        field, told = _parameter(value)
        setattr(message.parameters[name], field, told)
    for wanted, array in results:
        message.outputs.add(name=wanted.name, datatype=datatype_name(array.dtype), shape=array.shape)
        message.raw_output_contents.append(bytes(binary.write(array)))


def plain(parameters: Mapping[str, messages.InferParameter | messages.ModelRepositoryParameter]) -> dict[str, Any]:
    """Parameters as Python values; one that is not set is left out."""
    chosen = {name: value.WhichOneof("parameter_choice") for name, value in parameters.items()}
    return {name: getattr(parameters[name], choice) for name, choice in chosen.items() if choice}


def _parameter(value: Any) -> tuple[str, Any]:
    """The field of a parameter that holds `value`; what has none is told as JSON."""
    for kind, field in ((bool, "bool_param"), (int, "int64_param"), (float, "double_param"), (str, "string_param")):
        if isinstance(value, kind):
            return field, value
    return "string_param", json.dumps(value).decode()


def _tensor(item: Input, raw: bytes | None, path: str) -> Array:
    datatype = BY_NAME.get(item.datatype)
    if datatype is None:
        raise Unfit.at(f"{path}.datatype", f"one of {', '.join(BY_NAME)}", item.datatype[:40] or "nothing")
    if "shared_memory_region" in item.parameters:
        raise NotCarried(f"`{path}` is in shared memory, which is not served here; send the tensor in the message.")
    shape = _shape(item.shape, f"{path}.shape")
    filled = [field.name for field, _ in item.contents.ListFields()]
    if raw is None:
        return _typed(item.contents, filled, datatype, f"{path}.contents", shape)
    if filled:
        raise Unfit.at(f"{path}.contents", "nothing, as `raw_input_contents` is there", f"`{filled[0]}`")
    return binary.read(raw, datatype, shape, item.name)


def _shape(sizes: Iterable[int], path: str) -> tuple[int, ...]:
    shape = tuple(sizes)
    for size in shape:
        if size < 0:
            raise Unfit.at(path, "a whole number from 0 up", str(size))
    if not is_possible(shape):
        raise Unfit.at(path, "a shape that an array can have", f"{len(shape)} sizes that are too many or too large")
    return shape


def _typed(
    contents: messages.InferTensorContents, filled: Sequence[str], datatype: Datatype, path: str, shape: tuple[int, ...]
) -> Array:
    field = FIELDS.get(datatype.name)
    if field is None:
        raise Unfit.at(path, f"`raw_input_contents`, the only way to send {datatype.name}", "none")
    for other in filled:
        if other != field:
            raise Unfit.at(path, f"`{field}` for {datatype.name}", f"`{other}`")
    values = getattr(contents, field)
    if len(values) != prod(shape):
        raise Unfit.at(f"{path}.{field}", f"{prod(shape)} elements, as its shape says", str(len(values)))
    return _array(contents, values, datatype, f"{path}.{field}").reshape(shape)


def _array(contents: messages.InferTensorContents, values: Any, datatype: Datatype, path: str) -> Array:
    if datatype.name == "BYTES":
        return _strings(values, path)
    if datatype.is_integer:
        wide = WIDE.get(path.rpartition(".")[2], datatype.dtype)
        return elements.narrow(np.array(values[:], wide), datatype, path)
    # Packed, these fields are on the wire as NumPy wants them; a Python object for each number takes 80 times as long.
    contents.DiscardUnknownFields()
    packed = contents.SerializeToString()
    size = len(values) * datatype.dtype.itemsize
    return aligned(np.frombuffer(packed[len(packed) - size :], datatype.dtype))


def _strings(values: Sequence[bytes], path: str) -> Array:
    array = np.empty(len(values), np.object_)
    for index, value in enumerate(values):
        try:
            array[index] = value.decode()
        except UnicodeDecodeError as error:
            raise Unfit.at(f"{path}[{index}]", "UTF-8", "other bytes") from error
    return array


def _wanted(item: Output, path: str) -> Wanted:
    parameters = plain(item.parameters)
    if "shared_memory_region" in parameters:
        raise NotCarried(f"`{path}` is wanted in shared memory, which is not served here.")
    classes = parameters.get("classification", 0)
    if isinstance(classes, bool) or not isinstance(classes, int) or classes < 0:
        raise Unfit.at(f"{path}.parameters.classification", "a whole number from 0 up", str(classes)[:40])
    return Wanted(item.name, True, classes)
