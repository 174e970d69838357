"""What is said of a device is so, and what is held of its memory stays as it is."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from service.errors import Internal
from service.model import Model
from service.session import CUDA, Runtime, Session, cuda_problem

pytestmark = pytest.mark.cuda

SHIPPED = Path(__file__).parents[2] / "models" / "repository"
RUNTIME_LIBRARY = "libcudart.so.13"  # which onnxruntime has loaded
MEBIBYTE = 1 << 20
Load = Callable[[str], Model]


def free_bytes() -> int:
    """Of the device's memory."""
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    assert ctypes.CDLL(RUNTIME_LIBRARY).cudaMemGetInfo(ctypes.byref(free), ctypes.byref(total)) == 0
    return free.value


def test_device_works() -> None:
    assert cuda_problem() is None


def test_provider_is_told_alike_everywhere(client: TestClient) -> None:
    told = client.get("/models/fashion_mnist").json()
    assert told["provider"] == CUDA
    assert told["nodes_on_cpu"] == 0
    configuration = client.get("/v2/models/fashion_mnist/config").json()
    assert configuration["instance_group"][0]["kind"] == "KIND_GPU"
    assert configuration["parameters"]["execution_provider"]["string_value"] == CUDA
    metrics = client.get("/metrics").text
    assert re.search(r'^actserve_model_info\{.*model="fashion_mnist".*provider="CUDAExecutionProvider"', metrics, re.M)
    assert client.get("/health/ready").status_code == 200


def test_activation_is_computed_on_the_device(on_cuda: Load) -> None:
    assert on_cuda("gelu").session.provider == CUDA


def test_answers_come_over_http(client: TestClient) -> None:
    rows = np.random.default_rng(0).random((100, 784), np.float32)
    answer = client.post("/predict", content=rows.tobytes(), headers={"content-type": "application/octet-stream"})
    assert answer.status_code == 200
    scores = np.frombuffer(answer.content, np.float32).reshape(100, 10)
    assert np.allclose(scores.sum(axis=1), 1, atol=1e-5)


def test_memory_stays_as_it_is(on_cuda: Load) -> None:
    session = on_cuda("fashion_mnist").session
    dice = np.random.default_rng(0)

    def pass_over_sizes() -> None:
        for rows in dice.permutation(np.arange(1, 2048, 16)):
            session.run({"input": np.zeros((rows, 784), np.float32)}, ["probabilities"])

    pass_over_sizes()
    before = free_bytes()
    for _ in range(10):
        pass_over_sizes()
    assert before - free_bytes() <= 8 * MEBIBYTE


def test_run_beyond_the_limit_of_memory_fails_alone() -> None:
    path = SHIPPED / "gelu" / "1" / "model.onnx"
    session = Session(path, Runtime("cuda", 1, device_bytes=32 * MEBIBYTE))
    small = {"x": np.ones(1000, np.float32)}
    (before,) = session.run(small, ["y"])
    with pytest.raises(Internal):
        session.run({"x": np.ones(64 * MEBIBYTE, np.float32)}, ["y"])
    assert session.fault is None
    assert np.array_equal(session.run(small, ["y"])[0], before)
