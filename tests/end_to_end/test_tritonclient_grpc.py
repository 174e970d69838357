"""Triton's own client, unmodified: what only its gRPC face has."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

PATIENCE_S = 60
REQUESTS = 40  # more than are read ahead of one stream

Results = queue.Queue[tuple[Any, InferenceServerException | None]]


def tensor(name: str, array: np.ndarray) -> triton.InferInput:
    made = triton.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    return made.set_data_from_numpy(array)


def numbers(value: float, size: int = 3) -> list[triton.InferInput]:
    return [tensor("x", np.full(size, value, np.float32))]


@pytest.fixture(scope="module")
def address(protocol_server: Any) -> str:
    return f"127.0.0.1:{protocol_server.grpc_port}"


@pytest.fixture
def client(address: str) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(address) as made:
        yield made


@pytest.fixture
def results() -> Results:
    return queue.Queue()


@pytest.fixture
def collect(results: Results) -> Callable[..., None]:
    """The callback that the client takes."""
    return lambda result, error: results.put((result, error))


def test_callbacks_get_each_its_own_answer(
    client: triton.InferenceServerClient, results: Results, collect: Any
) -> None:
    for number in range(REQUESTS):
        client.async_infer("twice", numbers(number), collect, request_id=str(number))
    found = dict(answer_of(results) for _ in range(REQUESTS))
    assert found == {str(number): [number] * 3 for number in range(REQUESTS)}


def answer_of(results: Results) -> tuple[str, list[float]]:
    result, error = results.get(timeout=PATIENCE_S)
    assert error is None
    return result.get_response().id, result.as_numpy("y").tolist()


def test_callbacks_get_the_refusal(client: triton.InferenceServerClient, results: Results, collect: Any) -> None:
    client.async_infer("zork", numbers(1), collect)
    result, error = results.get(timeout=PATIENCE_S)
    assert result is None
    assert error is not None
    assert (error.status(), "`zork`" in error.message()) == ("StatusCode.NOT_FOUND", True)


def test_stream_answers_in_order_and_goes_on_after_a_refusal(
    client: triton.InferenceServerClient, results: Results, collect: Any
) -> None:
    client.start_stream(collect)
    for number in range(REQUESTS):
        client.async_stream_infer("twice", numbers(number), request_id=str(number))
    client.async_stream_infer("twice", [tensor("x", np.zeros((2, 2), np.float32))], request_id="wrong")
    client.async_stream_infer("twice", numbers(7, size=0), request_id="empty")
    assert [answer_of(results)[0] for _ in range(REQUESTS)] == [str(number) for number in range(REQUESTS)]
    _, error = results.get(timeout=PATIENCE_S)
    assert error is not None
    assert "`x`: expected FP32 [n], got FP32 [2, 2]" in error.message()
    assert answer_of(results) == ("empty", [])
    client.stop_stream()


def test_stream_that_is_cancelled_leaves_the_server_answering(
    client: triton.InferenceServerClient, address: str, collect: Any
) -> None:
    client.start_stream(collect)
    for number in range(REQUESTS):
        client.async_stream_infer("fashion_mnist", [tensor("input", np.full((64, 784), number, np.float32))])
    client.stop_stream(cancel_requests=True)
    with triton.InferenceServerClient(address) as other:
        assert other.infer("twice", numbers(2)).as_numpy("y").tolist() == [2, 2, 2]


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_messages_may_be_compressed(client: triton.InferenceServerClient, algorithm: str) -> None:
    rows = np.arange(200_000, dtype=np.float32).reshape(-1, 2)
    found = client.infer("same_FP32", [tensor("x", rows)], compression_algorithm=algorithm)
    assert found.as_numpy("y").tobytes() == rows.tobytes()


def test_deadline_of_the_client_is_kept(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException) as caught:
        client.infer("fashion_mnist", [tensor("input", np.zeros((64, 784), np.float32))], client_timeout=1e-6)
    assert caught.value.status() == "StatusCode.DEADLINE_EXCEEDED"
    assert client.infer("twice", numbers(1), client_timeout=PATIENCE_S).as_numpy("y").tolist() == [1, 1, 1]


def test_messages_up_to_the_limit_are_taken_and_larger_ones_refused(client: triton.InferenceServerClient) -> None:
    large = np.zeros((8_000_000, 2), np.float32)  # 61 MiB; the limit is 64
    assert client.infer("same_FP32", [tensor("x", large)]).as_numpy("y").nbytes == large.nbytes
    with pytest.raises(InferenceServerException) as caught:
        client.infer("same_FP32", [tensor("x", np.zeros((9_000_000, 2), np.float32))])
    assert caught.value.status() == "StatusCode.RESOURCE_EXHAUSTED"


def test_what_there_is_not_is_unimplemented(client: triton.InferenceServerClient) -> None:
    calls = [
        client.get_trace_settings,
        client.get_log_settings,
        client.get_system_shared_memory_status,
        client.get_cuda_shared_memory_status,
        partial(client.register_system_shared_memory, "region", "/region", 24),
    ]
    for call in calls:
        with pytest.raises(InferenceServerException) as caught:
            call()
        assert caught.value.status() == "StatusCode.UNIMPLEMENTED"


def test_shared_memory_is_refused_and_not_passed_over(client: triton.InferenceServerClient) -> None:
    wanted = triton.InferRequestedOutput("y")
    wanted.set_shared_memory("region", 12)
    with pytest.raises(InferenceServerException, match="shared memory") as caught:
        client.infer("twice", numbers(1), outputs=[wanted])
    assert caught.value.status() == "StatusCode.UNIMPLEMENTED"


def test_the_same_calls_go_over_asyncio(address: str) -> None:
    async def ask() -> None:
        async with triton_aio.InferenceServerClient(address) as client:
            assert await client.is_server_live()
            assert await client.is_server_ready()
            assert await client.is_model_ready("pair")
            assert not await client.is_model_ready("zork")
            assert (await client.get_model_metadata("pair", as_json=True))["name"] == "pair"
            found = await asyncio.gather(*(client.infer("twice", numbers(number)) for number in range(REQUESTS)))
            assert [answer.as_numpy("y")[0] for answer in found] == [*range(REQUESTS)]
            with pytest.raises(InferenceServerException, match="`zork`"):
                await client.infer("zork", numbers(1))
            stream = client.stream_infer(requests())
            answers = [(result.as_numpy("y")[0], error) async for result, error in stream]
            assert answers == [(number, None) for number in range(REQUESTS)]

    async def requests() -> AsyncIterator[dict[str, Any]]:
        for number in range(REQUESTS):
            yield {"model_name": "twice", "inputs": numbers(number)}

    asyncio.run(ask())
