"""Triton's own client, unmodified: what only its HTTP face has."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

CONCURRENT = 12


def tensor(name: str, array: np.ndarray, binary: bool = True) -> triton.InferInput:
    made = triton.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    return made.set_data_from_numpy(array, binary_data=binary)


@pytest.fixture(scope="module")
def client(protocol_server: Any) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(f"127.0.0.1:{protocol_server.port}", concurrency=CONCURRENT) as made:
        yield made


PAIR = {"number": np.array([[1.5, -2], [3, 1e-30]], np.float32), "text": np.array([b"a", b"\xc3\xa4 "], np.object_)}
MIXES = [(a, b, c, d) for a in (True, False) for b in (True, False) for c in (True, False) for d in (True, False)]


@pytest.mark.parametrize(("number_in", "text_in", "number_out", "text_out"), MIXES)
def test_binary_and_json_mix_freely(
    client: triton.InferenceServerClient, number_in: bool, text_in: bool, number_out: bool, text_out: bool
) -> None:
    inputs = [tensor("number", PAIR["number"], number_in), tensor("text", PAIR["text"], text_in)]
    outputs = [
        triton.InferRequestedOutput("same_text", binary_data=text_out),
        triton.InferRequestedOutput("same_number", binary_data=number_out),
    ]
    found = client.infer("pair", inputs, outputs=outputs)
    assert found.as_numpy("same_number").tobytes() == PAIR["number"].tobytes()
    texts = [text if isinstance(text, bytes) else text.encode() for text in found.as_numpy("same_text")]
    assert texts == PAIR["text"].tolist()
    for name, binary in (("same_number", number_out), ("same_text", text_out)):
        assert ("data" in found.get_output(name)) is not binary


JSON_SAMPLES = {
    "BOOL": np.array([[True, False]]),
    "INT64": np.array([[-(2**63), 2**63 - 1]], np.int64),
    "UINT64": np.array([[0, 2**64 - 1]], np.uint64),
    "INT8": np.array([[-128, 127]], np.int8),
    "FP16": np.array([[65504, -6e-8]], np.float16),
    "FP32": np.array([[3.4028235e38, -1e-45]], np.float32),
    "FP64": np.array([[1.7976931348623157e308, -5e-324]], np.float64),
    "BYTES": np.array([["", 'Grüße "\\ 世界']], np.object_),
}


@pytest.mark.parametrize("name", JSON_SAMPLES)
def test_datatypes_are_exact_as_json_both_ways(client: triton.InferenceServerClient, name: str) -> None:
    sent = JSON_SAMPLES[name]
    outputs = [triton.InferRequestedOutput("y", binary_data=False)]
    found = client.infer(f"same_{name}", [tensor("x", sent, binary=False)], outputs=outputs).as_numpy("y")
    assert (found.dtype, found.tolist()) == (sent.dtype, sent.tolist())


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_what_is_not_finite_is_carried_by_json(client: triton.InferenceServerClient, kind: Any) -> None:
    """The client writes it bare, which is no JSON, and reads it from strings."""
    sent = np.array([[np.nan, np.inf], [-np.inf, 0.5]], kind)
    outputs = [triton.InferRequestedOutput("y", binary_data=False)]
    found = client.infer(f"same_{np_to_triton_dtype(sent.dtype)}", [tensor("x", sent, binary=False)], outputs=outputs)
    np.testing.assert_array_equal(found.as_numpy("y"), sent)


def test_bfloat16_is_read_from_json(client: triton.InferenceServerClient) -> None:
    """The client sends it in binary only."""
    sent = np.array([[1 / 3, -1e-40]], ml_dtypes.bfloat16)
    outputs = [triton.InferRequestedOutput("y", binary_data=False)]
    found = client.infer("same_BF16", [tensor("x", sent)], outputs=outputs).as_numpy("y")
    assert (found.dtype, found.tobytes()) == (sent.dtype, sent.tobytes())


@pytest.mark.parametrize("binary", [True, False])
def test_classes_come_in_binary_and_json(client: triton.InferenceServerClient, binary: bool) -> None:
    outputs = [triton.InferRequestedOutput("y", binary_data=binary, class_count=1)]
    found = client.infer("scores", [tensor("x", np.array([[0, 2, 1]], np.float32))], outputs=outputs).as_numpy("y")
    assert [str(text, "utf-8") if isinstance(text, bytes) else text for text in found.ravel()] == ["2.0:1:b"]


def test_without_outputs_all_come_in_binary(client: triton.InferenceServerClient) -> None:
    found = client.infer("pair", [tensor(name, array) for name, array in PAIR.items()]).get_response()
    assert [output["parameters"].keys() for output in found["outputs"]] == [{"binary_data_size"}] * 2


def test_async_requests_answer_each_with_its_own(client: triton.InferenceServerClient) -> None:
    rows = [np.full((2, 784), number / CONCURRENT, np.float32) for number in range(CONCURRENT)]
    pending = [
        client.async_infer("fashion_mnist", [tensor("input", row)], request_id=str(n)) for n, row in enumerate(rows)
    ]
    for number, (request, row) in enumerate(zip(pending, rows, strict=True)):
        found = request.get_result(timeout=60)
        alone = client.infer("fashion_mnist", [tensor("input", row)])
        assert found.get_response()["id"] == str(number)
        assert found.as_numpy("logits").tobytes() == alone.as_numpy("logits").tobytes()


def test_bodies_made_and_read_without_the_client_fit(protocol_server: Any) -> None:
    body, length = triton.InferenceServerClient.generate_request_body([tensor(n, a) for n, a in PAIR.items()])
    headers = {"Inference_Header_Content_Length": str(length)}
    answer = protocol_server.post("/v2/models/pair/infer", body, "application/octet-stream", **headers)
    told = int(answer.headers["inference-header-content-length"])
    found = triton.InferenceServerClient.parse_response_body(answer.body, header_length=told)
    assert found.as_numpy("same_number").tobytes() == PAIR["number"].tobytes()
    assert found.as_numpy("same_text").tolist() == PAIR["text"].tolist()


@pytest.mark.parametrize("request_by", ["gzip", "deflate", None])
@pytest.mark.parametrize("response_by", ["gzip", "deflate", None])
def test_bodies_may_be_compressed_both_ways(
    client: triton.InferenceServerClient, request_by: str | None, response_by: str | None
) -> None:
    rows = np.arange(4000, dtype=np.float32).reshape(2000, 2)
    options = {"request_compression_algorithm": request_by, "response_compression_algorithm": response_by}
    for binary_in in (True, False):
        for binary_out in (True, False):
            outputs = [triton.InferRequestedOutput("y", binary_data=binary_out)]
            found = client.infer("same_FP32", [tensor("x", rows, binary_in)], outputs=outputs, **options)
            assert found.as_numpy("y").tobytes() == rows.tobytes()


def test_json_as_perf_analyzer_writes_it_is_taken(protocol_server: Any) -> None:
    """An empty id, random bits as numbers, a length that is all of the body."""
    body = (
        b'{"id":"","inputs":[{"name":"x","datatype":"FP32","shape":[1,4],"data":[1.8521564417127638e31,NaN,-Infinity,'
        b'2220325353816064.0]}],"outputs":[{"name":"grad_x","parameters":{"binary_data":false}},{"name":"y",'
        b'"parameters":{"binary_data":false}}]}'
    )
    length = {"Inference_Header_Content_Length": str(len(body))}
    answer = protocol_server.post("/v2/models/relu/infer", body, **length).json()
    assert answer["outputs"][1]["data"] == [1.8521564e31, "NaN", 0.0, 2220325400000000.0]


def test_headers_and_query_are_taken_with_every_call(client: triton.InferenceServerClient) -> None:
    extra = {"headers": {"X-Request-Id": "mine"}, "query_params": {"from": "a test", "many": [1, 2]}}
    assert client.is_server_ready(**extra)
    assert client.get_model_metadata("pair", **extra)["name"] == "pair"
    found = client.infer("twice", [tensor("x", np.ones(1, np.float32))], **extra)
    assert found.as_numpy("y").tolist() == [1]


def test_the_same_calls_go_over_asyncio(protocol_server: Any) -> None:
    async def ask() -> None:
        async with triton_aio.InferenceServerClient(f"127.0.0.1:{protocol_server.port}") as client:
            assert await client.is_server_live()
            assert await client.is_server_ready()
            assert await client.is_model_ready("pair")
            assert not await client.is_model_ready("zork")
            assert (await client.get_model_metadata("pair"))["name"] == "pair"
            rows = [np.full(2, number, np.float32) for number in range(CONCURRENT)]
            found = await asyncio.gather(*(client.infer("twice", [tensor("x", row)]) for row in rows))
            assert [answer.as_numpy("y").tolist() for answer in found] == [row.tolist() for row in rows]
            packed = {"request_compression_algorithm": "gzip", "response_compression_algorithm": "deflate"}
            zeros = np.zeros(5000, np.float32)
            assert not (await client.infer("twice", [tensor("x", zeros)], **packed)).as_numpy("y").any()
            with pytest.raises(InferenceServerException, match="`zork`"):
                await client.infer("zork", [tensor("x", rows[0])])

    asyncio.run(ask())


@pytest.mark.parametrize("algorithm", [None, "gzip", "deflate"])
def test_body_over_the_limit_is_refused_before_and_after_it_is_inflated(
    client: triton.InferenceServerClient, algorithm: str | None
) -> None:
    large = tensor("x", np.zeros((9_000_000, 2), np.float32))  # 68 MiB; the limit is 64
    with pytest.raises(InferenceServerException, match="--max-body-bytes") as caught:
        client.infer("same_FP32", [large], request_compression_algorithm=algorithm)
    assert caught.value.status() == "413"


def test_what_there_is_not_is_told_as_such(client: triton.InferenceServerClient) -> None:
    calls = [
        client.get_trace_settings,
        client.get_log_settings,
        client.get_system_shared_memory_status,
        client.get_cuda_shared_memory_status,
    ]
    for call in calls:
        with pytest.raises(InferenceServerException, match="There is nothing under this path") as caught:
            call()
        assert caught.value.status() == "404"


def test_shared_memory_is_refused_and_not_passed_over(client: triton.InferenceServerClient) -> None:
    wanted = triton.InferRequestedOutput("y")
    wanted.set_shared_memory("region", 12)
    with pytest.raises(InferenceServerException, match="shared memory") as caught:
        client.infer("twice", [tensor("x", np.zeros(3, np.float32))], outputs=[wanted])
    assert caught.value.status() == "501"
