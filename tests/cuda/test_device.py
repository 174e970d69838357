"""What is said of a device is so, and what is held of its memory stays as it is."""

from __future__ import annotations

import ctypes
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx.parser
import pytest
from starlette.testclient import TestClient

from service.app import create_app
from service.errors import Internal
from service.model import Model
from service.session import CPU, CUDA, Runtime, Session, cuda_problem
from service.settings import Settings

pytestmark = pytest.mark.cuda

SHIPPED = Path(__file__).parents[2] / "models" / "repository"
RUNTIME_LIBRARY = "libcudart.so.13"  # which onnxruntime has loaded
MEBIBYTE = 1 << 20
FAULT = Path(__file__).with_name("fault.py")
HEAD = '<ir_version: 9, opset_import: ["" : 20]>\n'
ROWS = np.random.default_rng(0).random((100, 784), np.float32)
RAW = {"content-type": "application/octet-stream"}
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
    answer = client.post("/predict", content=ROWS.tobytes(), headers=RAW)
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


def test_more_dimensions_than_the_device_takes_are_refused_where_they_matter(client: TestClient) -> None:
    tensor = np.zeros((1,) * 20).tolist()
    assert client.post("/activate/relu", json={"tensor": tensor}).json()["tensor"] == tensor
    refused = client.post("/activate/softmax", json={"tensor": tensor})
    assert refused.status_code == 422
    assert "does not take tensors of these shapes" in refused.json()["error"]


def test_nodes_without_a_kernel_are_on_the_cpu_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    text = "g (float[n, 4] x) => (float[m] u, float[n, 4] y) { y = Relu(x) u = Unique(y) }"
    onnx.save(onnx.parser.parse_model(HEAD + text), path)
    session = Session(path, Runtime("cuda", 1))
    assert (session.provider, session.nodes_on_cpu) == (CUDA, 1)
    unique, y = session.run({"x": np.array([[2, -1, 2, 3]], np.float32)}, ["u", "y"])
    assert unique.tolist() == [0, 2, 3]
    assert y.tolist() == [[2, 0, 2, 3]]


def test_graph_that_the_device_has_no_kernel_for_is_told_as_on_the_cpu(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(onnx.parser.parse_model(HEAD + "g (float[n] x) => (float[m] u) { u = Unique(x) }"), path)
    session = Session(path, Runtime("auto", 1))
    assert (session.provider, session.nodes_on_cpu) == (CPU, 0)


def test_diagnosis_is_that_of_the_cpu(client: TestClient) -> None:
    with TestClient(create_app(Settings(providers="cpu"))) as other:
        found, expected = (one.post("/diagnose", content=ROWS.tobytes(), headers=RAW).json() for one in (client, other))
    assert [layer["activation"] for layer in found["layers"]] == ["relu", "softmax"]
    for layer, known in zip(found["layers"], expected["layers"], strict=True):
        assert layer["dead_units"] == known["dead_units"]
        for name in ("zero_share", "saturated_share", "slope_mean", "mean", "std", "min", "max"):
            assert layer[name] == pytest.approx(known[name], rel=1e-4, abs=1e-4)


def test_served_rows_are_measured_on_the_way() -> None:
    with TestClient(create_app(Settings(providers="cuda", activation_sample_rate=1.0))) as sampling:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            assert sampling.post("/predict", content=ROWS.tobytes(), headers=RAW).status_code == 200
            if re.search(r"^actserve_activation_zero_share\{.*\} 0\.[1-9]", sampling.get("/metrics").text, re.M):
                return
            time.sleep(0.2)
    pytest.fail("no row has been measured")


def test_fault_that_the_process_never_gets_over_is_told_by_both_probes() -> None:
    """In a process of its own, which it leaves without the device."""
    command = [sys.executable, FAULT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=SHIPPED.parents[1])
    *lines, live = done.stdout.splitlines()
    assert lines == [
        "before: 200, ready 200, live 200",
        "cuda: 700",
        "after: 500, ready 503, live 503",
        "again: 500, ready 503, live 503",
    ], done.stderr[-2000:]
    message = json.loads(live)["error"]
    assert "CUDA failure 700: an illegal memory access was encountered" in message
    assert "cannot be loaded again" in message
    assert not re.search(r"hostname|GPU=|\.cc|/", message)
