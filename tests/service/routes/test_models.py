"""`GET /models` and `GET /models/{model}`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient


def test_list_tells_networks_and_activations_apart(client: TestClient) -> None:
    found = client.get("/models").json()
    names = {entry["name"]: entry for entry in found["models"]}
    assert names.keys() >= {"fashion_mnist", "digits", "adder", "versions"}
    assert names["versions"]["versions"] == ["10", "2", "1"]
    assert names["fashion_mnist"]["provider"] == "CPUExecutionProvider"
    assert found["default"] == "fashion_mnist"
    assert "relu" in found["activations"]
    assert "relu" not in names


def test_model_tells_its_signature_from_the_graph(client: TestClient) -> None:
    found = client.get("/models/fashion_mnist").json()
    assert found["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, 784], "dimensions": ["batch", None]}]
    assert {output["name"] for output in found["outputs"]} == {"logits", "probabilities"}
    assert found["provider"] == "CPUExecutionProvider"
    assert found["versions"] == ["1"]
    assert len(found["labels"]) == 10
    assert found["rows_are_joined"] is True
    assert client.get("/models/unranked").json()["inputs"][0]["shape"] is None
    assert client.get("/models/scalar").json()["inputs"][0]["shape"] == []
    assert client.get("/models/offset").json()["parameters"][0]["name"] == "bias"
    assert client.get("/models/adder").json()["rows_are_joined"] is False


def test_version_is_chosen_in_the_query(client: TestClient, is_error: Any) -> None:
    assert client.get("/models/versions").json()["description"] == "version 10"
    assert client.get("/models/versions?version=2").json()["description"] == "version 2"
    is_error(client.get("/models/versions?version=3"), 404)


def test_every_example_is_accepted_as_it_stands(client: TestClient) -> None:
    for entry in client.get("/models").json()["models"]:
        example = client.get(f"/models/{entry['name']}").json()["example"]
        answer = client.request(example["method"], example["path"], json=example["body"])
        assert answer.status_code == 200, (entry["name"], answer.text)


def test_broken_model_is_told_with_its_reason_and_others_answer(
    start: Callable[..., TestClient], is_error: Any, graphs: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "my own models"
    (folder / "two" / "2").mkdir(parents=True)
    (folder / "two" / "2" / "model.onnx").write_bytes(b"x")
    graphs.identity(folder / "two" / "1" / "model.onnx", 1, ["n", 2])
    (folder / "broken.onnx").write_bytes(b"this is no graph")
    graphs.sequence(folder / "sequence.onnx")
    graphs.identity(folder / "relu.onnx", 1, ["n"])
    client = start(models=folder)
    names = {entry["name"]: entry for entry in client.get("/models").json()["models"]}
    assert names["broken"]["state"] == "broken"
    assert names["broken"]["reasons"]["1"]
    assert names["two"]["state"] == "partly broken"
    assert names["two"]["versions"] == ["1"]
    assert "my own" not in client.get("/models").text
    assert client.post("/predict/two", json={"instances": [[1, 2]]}).json()["version"] == "1"
    refusal = client.post("/predict/broken", json={"instances": []})
    is_error(refusal, 503)
    assert refusal.headers["retry-after"]
    is_error(client.get("/models/broken"), 503)
    is_error(client.post("/predict/two?version=2", json={"instances": []}), 503)
    is_error(client.post("/predict/sequence", json={"instances": []}), 501)
    ready = is_error(client.get("/health/ready"), 503)
    assert {"relu", "broken", "two", "sequence"} == {
        detail["got"].partition("`")[2].partition("`")[0] for detail in ready["details"]
    }
    assert client.post("/activate/relu", json={"tensor": -1}).json()["tensor"] == 0


@pytest.mark.parametrize("query", ["version=1&version=2"])
def test_query_with_a_name_twice_is_422(client: TestClient, is_error: Any, query: str) -> None:
    is_error(client.get(f"/models/versions?{query}"), 422)
