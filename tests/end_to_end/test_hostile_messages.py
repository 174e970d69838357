"""Malformed messages over gRPC: each is refused in one clear sentence, and the server goes on answering."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from tritonclient.grpc.service_pb2 import ModelInferRequest, ModelInferResponse

SEED = 2026
MUTANTS = 600
PATIENCE_S = 60
ROWS = np.arange(6, dtype=np.float32).reshape(3, 2)
OURS = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND)

Infer = Callable[[bytes], ModelInferResponse]


@pytest.fixture(scope="module")
def infer(protocol_server: Any) -> Iterator[Infer]:
    """ModelInfer of any bytes."""
    with grpc.insecure_channel(f"127.0.0.1:{protocol_server.grpc_port}") as channel:
        call = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer", response_deserializer=ModelInferResponse.FromString
        )
        yield lambda body: call(body, timeout=PATIENCE_S)


def request(**changed: Any) -> ModelInferRequest:
    message = ModelInferRequest(model_name="same_FP32")
    message.inputs.add(**{"name": "x", "datatype": "FP32", "shape": [3, 2]} | changed)
    message.raw_input_contents.append(ROWS.tobytes())
    return message


def refusal(infer: Infer, body: bytes) -> Any:
    """The error, None where there was none."""
    try:
        infer(body)
    except grpc.RpcError as error:
        return error
    return None


def refused(infer: Infer, body: bytes) -> str:
    """The sentence of a refusal, after which a good message is answered."""
    error = refusal(infer, body)
    assert error is not None
    assert error.code() in OURS
    assert infer(request().SerializeToString()).raw_output_contents[0] == ROWS.tobytes()
    return str(error.details())


SHAPES = [[], [6], [2, 3], [-3, -2], [2**62, 4], [2**63 - 1, 2**63 - 1], [0, 2**63 - 1], [1] * 65, [1] * 10_000]


@pytest.mark.parametrize("shape", SHAPES, ids=range(len(SHAPES)))
def test_shape_that_does_not_fit_is_refused(infer: Infer, shape: list[int]) -> None:
    sentence = refused(infer, request(shape=shape).SerializeToString())
    assert "`x`" in sentence or "`inputs[0].shape`" in sentence


@pytest.mark.parametrize("datatype", ["", "FP8", "fp32", "FP64", "BYTES", "BOOL"])
def test_datatype_that_does_not_fit_is_refused(infer: Infer, datatype: str) -> None:
    refused(infer, request(datatype=datatype).SerializeToString())


@pytest.mark.parametrize("raw", [[], [b""], [ROWS.tobytes()[:-1]], [ROWS.tobytes() + b"\0"], [ROWS.tobytes()] * 2])
def test_raw_contents_that_do_not_fit_are_refused(infer: Infer, raw: list[bytes]) -> None:
    message = request()
    del message.raw_input_contents[:]
    message.raw_input_contents.extend(raw)
    refused(infer, message.SerializeToString())


def test_raw_and_typed_contents_at_once_are_refused(infer: Infer) -> None:
    message = request()
    message.inputs[0].contents.fp32_contents.extend(ROWS.ravel())
    assert "contents" in refused(infer, message.SerializeToString())


def test_typed_contents_in_the_wrong_field_are_refused(infer: Infer) -> None:
    message = request()
    del message.raw_input_contents[:]
    message.inputs[0].contents.fp64_contents.extend(ROWS.ravel())
    assert "`fp32_contents`" in refused(infer, message.SerializeToString())


@pytest.mark.parametrize("count", [1, 10_000])
def test_inputs_that_the_model_has_not_are_refused(infer: Infer, count: int) -> None:
    message = request()
    for number in range(count):
        message.inputs.add(name=f"x{number}", datatype="FP32", shape=[1])
        message.raw_input_contents.append(bytes(4))
    assert len(refused(infer, message.SerializeToString())) < 8000


@pytest.mark.parametrize("name", ["", "zork", "../same_FP32", "same_FP32/versions/1", "x" * 100_000, "\0"])
def test_model_that_is_not_there_is_refused(infer: Infer, name: str) -> None:
    message = request()
    message.model_name = name
    refused(infer, message.SerializeToString())


def test_mutated_messages_are_never_the_servers_fault(infer: Infer) -> None:
    generator = random.Random(SEED)
    text = ModelInferRequest(model_name="same_BYTES", raw_input_contents=[b"\1\0\0\0a\0\0\0\0"])
    text.inputs.add(name="x", datatype="BYTES", shape=[1, 2])
    typed = ModelInferRequest(model_name="same_FP32", id="an id")
    typed.inputs.add(name="x", datatype="FP32", shape=[3, 2]).contents.fp32_contents.extend(ROWS.ravel())
    typed.outputs.add(name="y").parameters["classification"].int64_param = 2
    seeds = [message.SerializeToString() for message in (request(), text, typed)]
    for _ in range(MUTANTS):
        changed = bytearray(generator.choice(seeds))
        for _ in range(generator.choice((1, 1, 3))):
            at = generator.randrange(len(changed))
            changed[at : at + generator.choice((0, 1, 1, 4))] = generator.randbytes(generator.choice((0, 1, 1, 4)))
        error = refusal(infer, bytes(changed))
        assert error is None or error.code() in OURS, (bytes(changed), error.details())
