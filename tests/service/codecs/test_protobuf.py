from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2

from service.codecs import protobuf
from service.codecs.open_inference import Wanted
from service.errors import BadBody, NotCarried, ServiceError, Unfit
from service.protos import grpc_service_pb2 as messages
from service.tensors import BY_NAME

NAN_WITH_A_PAYLOAD = 0x7FC00123
TYPED: dict[str, tuple[str, list[Any]]] = {
    "BOOL": ("bool_contents", [True, False, True]),
    "INT8": ("int_contents", [-128, 0, 127]),
    "INT16": ("int_contents", [-32768, 0, 32767]),
    "INT32": ("int_contents", [-(2**31), 0, 2**31 - 1]),
    "INT64": ("int64_contents", [-(2**63), 2**53 + 1, 2**63 - 1]),
    "UINT8": ("uint_contents", [0, 1, 255]),
    "UINT16": ("uint_contents", [0, 1, 65535]),
    "UINT32": ("uint_contents", [0, 1, 2**32 - 1]),
    "UINT64": ("uint64_contents", [0, 2**53 + 1, 2**64 - 1]),
    "FP32": ("fp32_contents", [0.1, float("inf"), -0.0]),
    "FP64": ("fp64_contents", [0.1, float("-inf"), 5e-324]),
    "BYTES": ("bytes_contents", [b"", "ä\0".encode(), b"x" * 300]),
}
RAW = {name: datatype for name, datatype in BY_NAME.items() if name != "BYTES"}


def request(datatype: str, shape: list[int], raw: bytes | None = None, **contents: Any) -> messages.ModelInferRequest:
    item = {"name": "x", "datatype": datatype, "shape": shape, "contents": contents}
    return messages.ModelInferRequest(model_name="m", inputs=[item], raw_input_contents=[] if raw is None else [raw])


def tensor(message: messages.ModelInferRequest) -> np.ndarray:
    return protobuf.decode(message.SerializeToString())[1].inputs["x"]


def refusal(message: messages.ModelInferRequest) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        protobuf.decode(message.SerializeToString())
    return caught.value


@pytest.mark.parametrize("name", TYPED)
def test_typed_contents_are_exact(name: str) -> None:
    field, values = TYPED[name]
    found = tensor(request(name, [3, 1], **{field: values}))
    assert (found.dtype, found.shape) == (BY_NAME[name].dtype, (3, 1))
    wanted = [value.decode() for value in values] if name == "BYTES" else values
    assert repr(found.ravel().tolist()) == repr(np.array(wanted, BY_NAME[name].dtype).tolist())  # -0.0 too


def test_typed_fp32_keeps_every_bit_and_is_aligned() -> None:
    values = np.arange(1000, dtype=np.float32)
    values[7] = np.array(NAN_WITH_A_PAYLOAD, np.uint32).view(np.float32)
    packed = messages.InferTensorContents.FromString(b"\x32\xa0\x1f" + values.tobytes())
    found = tensor(request("FP32", [1000], fp32_contents=packed.fp32_contents))
    assert found.tobytes() == values.tobytes()
    assert found.flags.aligned


def test_typed_contents_may_be_unpacked_and_beside_unknown_fields() -> None:
    contents = b"".join(b"\x35" + np.float32(value).tobytes() for value in (1, 2)) + b"\xfa\x3e\x04rest"
    item = b"\x0a\x01x\x12\x04FP32\x1a\x01\x02\x2a" + bytes([len(contents)]) + contents
    _, call = protobuf.decode(b"\x0a\x01m\x2a" + bytes([len(item)]) + item)
    assert call.inputs["x"].tolist() == [1, 2]


@pytest.mark.parametrize("name", RAW)
def test_raw_contents_are_the_bytes_of_the_tensor(name: str) -> None:
    values = np.array([[1, 0], [0, 1]]).astype(RAW[name].dtype)
    found = tensor(request(name, [2, 2], values.tobytes()))
    assert (found.dtype, found.shape, found.tobytes()) == (values.dtype, values.shape, values.tobytes())


@pytest.mark.parametrize("name", TYPED)
@pytest.mark.parametrize("raw", [None, b""])
def test_empty_tensor_is_taken_raw_and_typed(name: str, raw: bytes | None) -> None:
    assert tensor(request(name, [0, 3], raw)).shape == (0, 3)


def test_scalar_has_no_sizes() -> None:
    assert tensor(request("INT64", [], int64_contents=[7])).shape == ()


def test_request_is_told_with_id_outputs_and_parameters() -> None:
    message = request("FP32", [1], fp32_contents=[1])
    message.id, message.model_version = "7", "2"
    message.outputs.add(name="y").parameters["classification"].int64_param = 3
    message.parameters["timeout"].int64_param = 5
    message.parameters["priority"].uint64_param = 2**63
    message.parameters["unset"].SetInParent()
    found, call = protobuf.decode(message.SerializeToString())
    assert (found.model_name, found.model_version, call.id) == ("m", "2", "7")
    assert call.outputs == [Wanted("y", True, 3)]
    assert call.parameters == {"timeout": 5, "priority": 2**63}


def test_request_without_outputs_wants_all() -> None:
    _, call = protobuf.decode(request("FP32", [1], fp32_contents=[1]).SerializeToString())
    assert (call.id, call.outputs) == (None, None)


@pytest.mark.parametrize("body", [b"\xff", b"\x0a\x05m", b"\x0a\x02\xff\xfe", b"{}"])
def test_bytes_that_are_no_message_are_refused(body: bytes) -> None:
    with pytest.raises(BadBody, match="ModelInferRequest"):
        protobuf.decode(body)


@pytest.mark.parametrize(
    ("message", "path"),
    [
        (request("FP8", [1]), "inputs[0].datatype"),
        (request("", [1]), "inputs[0].datatype"),
        (request("FP32", [-1]), "inputs[0].shape"),
        (request("FP32", [2**62, 2**62]), "inputs[0].shape"),
        (request("FP32", [0] + [2**40] * 3), "inputs[0].shape"),
        (request("FP32", [1] * 65), "inputs[0].shape"),
        (request("FP32", [2], fp32_contents=[1]), "inputs[0].contents.fp32_contents"),
        (request("FP32", [2], fp32_contents=[1, 2, 3]), "inputs[0].contents.fp32_contents"),
        (request("FP32", [2]), "inputs[0].contents.fp32_contents"),
        (request("FP32", [1], fp64_contents=[1]), "inputs[0].contents"),
        (request("FP32", [1], fp32_contents=[1], int_contents=[1]), "inputs[0].contents"),
        (request("FP32", [1], b"\0\0\0\0", fp32_contents=[1]), "inputs[0].contents"),
        (request("FP16", [1], fp32_contents=[1]), "inputs[0].contents"),
        (request("BF16", [1]), "inputs[0].contents"),
        (request("INT8", [2], int_contents=[1, 128]), "inputs[0].contents.int_contents[1]"),
        (request("INT16", [1], int_contents=[-32769]), "inputs[0].contents.int_contents[0]"),
        (request("UINT8", [1], uint_contents=[256]), "inputs[0].contents.uint_contents[0]"),
        (request("UINT16", [1], uint_contents=[65536]), "inputs[0].contents.uint_contents[0]"),
        (request("BYTES", [1], bytes_contents=[b"\xff"]), "inputs[0].contents.bytes_contents[0]"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_path(message: messages.ModelInferRequest, path: str) -> None:
    error = refusal(message)
    assert isinstance(error, Unfit)
    assert [detail.path for detail in error.details] == [path]


@pytest.mark.parametrize("count", [0, 2])
def test_raw_contents_are_one_for_each_input(count: int) -> None:
    message = request("FP32", [1])
    message.inputs.add(name="y", datatype="FP32", shape=[1])
    message.raw_input_contents.extend([b"\0\0\0\0"] * (count + 1))
    assert refusal(message).details[0].path == "raw_input_contents"


def test_name_that_comes_twice_is_refused() -> None:
    message = request("FP32", [1], fp32_contents=[1])
    message.inputs.append(message.inputs[0])
    assert refusal(message).details[0].path == "inputs[1].name"


@pytest.mark.parametrize("change", [-1, 1])
@pytest.mark.parametrize("name", RAW)
def test_raw_contents_of_another_size_are_refused(name: str, change: int) -> None:
    size = 2 * RAW[name].dtype.itemsize
    assert isinstance(refusal(request(name, [2], bytes(size + change))), BadBody)


@pytest.mark.parametrize("raw", [b"\1\0\0\0", b"\1\0\0\0xy", b"\1\0\0\0\xff", b"\xff\xff\xff\xffx", b"\1\0\0\0x" * 2])
def test_raw_strings_that_are_cut_off_or_too_many_are_refused(raw: bytes) -> None:
    assert isinstance(refusal(request("BYTES", [1], raw)), BadBody)


@pytest.mark.parametrize("classes", [{"int64_param": -1}, {"bool_param": True}, {"string_param": "1"}])
def test_classification_that_is_no_count_is_refused(classes: dict[str, Any]) -> None:
    message = request("FP32", [1], fp32_contents=[1])
    message.outputs.add(name="y", parameters={"classification": messages.InferParameter(**classes)})
    assert refusal(message).details[0].path == "outputs[0].parameters.classification"


def test_shared_memory_is_not_carried() -> None:
    for message in (request("FP32", [1]), request("FP32", [1], fp32_contents=[1])):
        place = message.outputs.add(name="y") if message.inputs[0].contents.fp32_contents else message.inputs[0]
        place.parameters["shared_memory_region"].string_param = "region"
        assert isinstance(refusal(message), NotCarried)


def test_answer_has_every_datatype_raw() -> None:
    arrays = [np.array([[1, 0]]).astype(datatype.dtype) for datatype in RAW.values()]
    strings = np.array(["ä", ""], np.object_)
    answer = messages.ModelInferResponse()
    results = [(Wanted(str(index), True, 0), array) for index, array in enumerate([*arrays, strings])]
    protobuf.encode(answer, "m", "3", "7", results, {})
    assert (answer.model_name, answer.model_version, answer.id) == ("m", "3", "7")
    assert [output.datatype for output in answer.outputs] == [*RAW, "BYTES"]
    assert [list(output.shape) for output in answer.outputs] == [[1, 2]] * len(arrays) + [[2]]
    wanted = [array.tobytes() for array in arrays]
    assert list(answer.raw_output_contents) == [*wanted, b"\2\0\0\0\xc3\xa4\0\0\0\0"]


WHOLE = request("FP32", [2], fp32_contents=[1, 2]).SerializeToString() + request("BYTES", [1], b"x").SerializeToString()


@given(st.integers(0, len(WHOLE)), st.integers(0, len(WHOLE)), st.binary(max_size=8))
def test_any_bytes_are_decoded_or_refused(start: int, end: int, between: bytes) -> None:
    with contextlib.suppress(BadBody, Unfit):
        protobuf.decode(WHOLE[:start] + between + WHOLE[end:])


def test_messages_are_those_of_tritons_client() -> None:
    """Where this fails, or cannot be imported, another version of the client is installed: `make protos`."""
    assert messages.ModelInferRequest is service_pb2.ModelInferRequest
