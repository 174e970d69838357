"""Metadata, configuration and statistics of models of every kind, over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from service.app import assemble
from service.settings import Settings


def stats(client: TestClient, name: str) -> dict[str, Any]:
    (found,) = client.get(f"/v2/models/{name}/stats").json()["model_stats"]
    return dict(found)


def counts(told: dict[str, Any]) -> dict[str, int]:
    return {field: duration["count"] for field, duration in told["inference_stats"].items()}


@pytest.mark.parametrize(
    ("name", "max_batch_size", "dims", "shape"),
    [
        ("fashion_mnist", 64, [784], [-1, 784]),
        ("adder", 64, [2], [-1, 2]),
        ("cube", 64, [2, 2], [-1, 2, 2]),
        ("free", 64, [-1], [-1, -1]),
        ("row", 0, [-1], [-1]),  # without the batch nothing would be left
        ("total", 0, [-1, 2], [-1, 2]),  # its output has no rows
        ("fixed", 0, [2, 3], [2, 3]),
        ("scalar", 0, [1], [1]),  # reshaped
        ("unranked", 0, [-1], [-1]),
        ("relu", 64, [-1], [-1, -1]),
    ],
)
def test_configuration_and_metadata_agree_on_the_shape_to_send(
    client: TestClient, name: str, max_batch_size: int, dims: list[int], shape: list[int]
) -> None:
    found = client.get(f"/v2/models/{name}/config").json()
    assert (found["max_batch_size"], found["input"][0]["dims"]) == (max_batch_size, dims)
    assert client.get(f"/v2/models/{name}").json()["inputs"][0]["shape"] == shape


@pytest.mark.parametrize(
    ("name", "datatype"), [("same_bytes", "TYPE_STRING"), ("same_bf16", "TYPE_BF16"), ("same_bool", "TYPE_BOOL")]
)
def test_configuration_has_tritons_names_of_datatypes(client: TestClient, name: str, datatype: str) -> None:
    found = client.get(f"/v2/models/{name}/config").json()
    assert [tensor["data_type"] for tensor in (*found["input"], *found["output"])] == [datatype, datatype]


def test_configuration_says_where_rows_are_joined_and_what_runs_the_model(client: TestClient) -> None:
    joined, single = (client.get(f"/v2/models/{name}/config").json() for name in ("fashion_mnist", "adder"))
    assert joined["dynamic_batching"]["max_queue_delay_microseconds"] == 0
    assert "dynamic_batching" not in single
    assert (joined["platform"], joined["backend"]) == ("onnxruntime_onnx", "onnxruntime")
    assert joined["instance_group"] == [{"name": "fashion_mnist", "kind": "KIND_CPU", "count": 1}]


def test_model_on_a_device_is_told_as_such_everywhere() -> None:
    parts = assemble(Settings(providers="cpu", max_batch_size=8, cuda_max_batch_size=512))
    session = parts.repository.model("fashion_mnist").session
    session.provider, session.nodes_on_cpu = "CUDAExecutionProvider", 2
    with TestClient(parts.app) as client:
        told, other = (client.get(f"/models/{name}").json() for name in ("fashion_mnist", "digits"))
        assert (told["provider"], told["nodes_on_cpu"]) == ("CUDAExecutionProvider", 2)
        assert other["provider"] == "CPUExecutionProvider"
        assert "nodes_on_cpu" not in other
        told, other = (client.get(f"/v2/models/{name}/config").json() for name in ("fashion_mnist", "digits"))
        assert [one["instance_group"][0]["kind"] for one in (told, other)] == ["KIND_GPU", "KIND_CPU"]
        assert [one["max_batch_size"] for one in (told, other)] == [512, 8]
        assert 'model="fashion_mnist",provider="CUDAExecutionProvider"' in client.get("/metrics").text


def test_scalar_may_be_sent_as_it_is_and_as_configuration_and_metadata_say(client: TestClient) -> None:
    assert client.get("/v2/models/scalar/config").json()["input"][0]["reshape"] == {"shape": []}
    for shape in ([], [1]):
        body = {"inputs": [{"name": "x", "shape": shape, "datatype": "FP32", "data": [3]}]}
        answer = client.post("/v2/models/scalar/infer", json=body).json()
        assert (answer["outputs"][0]["shape"], answer["outputs"][0]["data"]) == ([], [3.0])


def test_configuration_can_be_asked_of_a_version(client: TestClient) -> None:
    assert client.get("/v2/models/versions/versions/2/config").json()["name"] == "versions"
    assert client.get("/v2/models/versions/versions/3/config").status_code == 404


def test_every_face_counts_and_rows_are_inferences(folder: Path, start: Callable[..., TestClient]) -> None:
    client = start(models=folder)
    tensor = {"name": "x", "shape": [3, 2], "datatype": "FP32", "data": [1] * 6}
    assert client.post("/v2/models/same_fp32/infer", json={"inputs": [tensor]}).status_code == 200
    assert client.post("/predict/same_fp32", json={"instances": [[1, 2]]}).status_code == 200
    found = stats(client, "same_fp32")
    assert (found["inference_count"], found["execution_count"]) == (4, 2)
    assert [runs["batch_size"] for runs in found["batch_stats"]] == [1, 3]
    assert counts(found) == dict.fromkeys(counts(found), 2) | {"fail": 0, "cache_hit": 0, "cache_miss": 0}
    spent = found["inference_stats"]
    parts = ("queue", "compute_input", "compute_infer", "compute_output")
    assert all(spent[part]["ns"] > 0 for part in parts)
    assert spent["success"]["ns"] >= sum(spent[part]["ns"] for part in parts)
    assert found["last_inference"] > 1_700_000_000_000


def test_activation_counts_along_the_first_dimension_of_several(start: Callable[..., TestClient]) -> None:
    client = start()
    for tensor in (1, [1, 2, 3], [[1, 2]] * 8):
        assert client.post("/activate/relu", json={"tensor": tensor}).status_code == 200
    assert client.post("/activate/relu/gradient", json={"tensor": 1, "datatype": "FP16"}).status_code == 200
    found = stats(client, "relu")
    assert (found["inference_count"], found["execution_count"]) == (11, 4)
    assert [runs["batch_size"] for runs in found["batch_stats"]] == [1, 8]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v2/models/lookup/infer", b"{", 400),
        ("/v2/models/lookup/infer", b'{"inputs": []}', 422),
        ("/predict/lookup", b'{"instances": [99]}', 422),  # refused by the runtime
        ("/predict/lookup?top_k=x", b'{"instances": [1]}', 422),
        ("/activate/relu", b'{"tensor": "x"}', 422),
    ],
)
def test_failed_request_counts_as_failed_and_nothing_else(
    folder: Path, start: Callable[..., TestClient], path: str, body: bytes, status: int
) -> None:
    client = start(models=folder)
    answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    found = stats(client, "relu" if "relu" in path else "lookup")
    assert counts(found) == dict.fromkeys(counts(found), 0) | {"fail": 1}
    assert (found["inference_count"], found["execution_count"]) == (0, 0)


def test_statistics_of_all_of_one_and_of_a_version(folder: Path, start: Callable[..., TestClient]) -> None:
    client = start(models=folder)
    assert client.post("/predict/versions?version=2", json={"instances": [[1, 2]]}).status_code == 200
    everything = client.get("/v2/models/stats").json()["model_stats"]
    names = {told["name"] for told in everything}
    assert {"relu", "fashion_mnist", "versions"} <= names
    assert len(everything) == len({(told["name"], told["version"]) for told in everything})
    found = client.get("/v2/models/versions/stats").json()["model_stats"]
    assert {told["version"]: told["inference_count"] for told in found} == {"10": 0, "2": 1, "1": 0}
    (second,) = client.get("/v2/models/versions/versions/2/stats").json()["model_stats"]
    assert second["inference_count"] == 1
    assert client.get("/v2/models/LeakyRelu/stats").json()["model_stats"][0]["name"] == "leaky_relu"


@pytest.mark.parametrize("path", ["/v2/models/zork/stats", "/v2/models/relu/versions/7/stats"])
def test_statistics_of_what_is_not_there_are_404(client: TestClient, path: str, is_error: Any) -> None:
    is_error(client.get(path), 404)


def test_runs_are_a_histogram_of_rows_in_the_metrics(start: Callable[..., TestClient]) -> None:
    client = start()
    assert client.post("/predict/digits", json={"instances": [[0] * 784] * 3}).status_code == 200
    found = client.get("/metrics").text
    assert 'actserve_run_rows_bucket{le="2.0",model="digits",version="1"} 0.0' in found
    assert 'actserve_run_rows_bucket{le="4.0",model="digits",version="1"} 1.0' in found
    assert 'actserve_run_rows_sum{model="digits",version="1"} 3.0' in found
