"""The model repository extension in this process: index, load, unload, and what the rest of the service says then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

IsError = Callable[..., dict[str, Any]]
Start = Callable[..., TestClient]
NAMED = ("good", "late")


@pytest.fixture
def folder(graphs: Any, tmp_path: Path) -> Path:
    for name in NAMED:
        graphs.identity(tmp_path / f"{name}.onnx", 1, ["n", 2])
    graphs.sequence(tmp_path / "sequence.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"no")
    graphs.identity(tmp_path / "two" / "1" / "model.onnx", 1, ["n", 2])
    graphs.identity(tmp_path / "two" / "2" / "model.onnx", 1, ["n", 2])
    return tmp_path


@pytest.fixture
def client(start: Start, folder: Path) -> TestClient:
    return start(models=folder, model_control="explicit", load_model=("good",))


def index(client: TestClient, **asked: Any) -> dict[tuple[str, str], str]:
    answer = client.post("/v2/repository/index", json=asked)
    assert answer.status_code == 200
    assert all(line.keys() == {"name", "version", "state", "reason"} for line in answer.json())
    return {(line["name"], line["version"]): line["state"] for line in answer.json()}


def change(client: TestClient, verb: str, name: str, **body: Any) -> Any:
    return client.post(f"/v2/repository/models/{name}/{verb}", json=body)


def test_index_has_everything_that_could_be_served(client: TestClient) -> None:
    found = index(client)
    assert found["good", "1"] == found["relu", "1"] == "READY"
    others = [("late", "1"), ("sequence", "1"), ("broken", "1"), ("two", "1"), ("two", "2"), ("digits", "1")]
    assert {found[key] for key in others} == {"UNAVAILABLE"}
    assert set(index(client, ready=True).values()) == {"READY"}
    assert not index(client, ready=True).keys() & set(others)
    assert client.post("/v2/repository/index").json() == client.post("/v2/repository/index", content=b"{}").json()


def test_loaded_model_is_there_for_every_face_and_gone_when_unloaded(client: TestClient) -> None:
    for _ in range(2):
        assert change(client, "load", "two").content == b""
        assert client.post("/predict/two", json={"instances": [[1, 2]]}).json()["predictions"] == [[1, 2]]
        assert client.get("/v2/models/two").json()["versions"] == ["2", "1"]
        assert client.get("/models/two").json()["state"] == "ready"
        assert "/predict/two" in client.get("/openapi.json").text
        assert 'model_info{model="two"' in client.get("/metrics").text
        assert change(client, "unload", "two", parameters={"unload_dependents": False}).status_code == 200
        for path in ("/v2/models/two", "/models/two", "/v2/models/two/ready", "/v2/models/two/versions/1"):
            assert client.get(path).status_code == 404
        assert "/predict/two" not in client.get("/openapi.json").text
        assert 'model_info{model="two"' not in client.get("/metrics").text
        assert index(client)["two", "1"] == index(client)["two", "2"] == "UNAVAILABLE"


def test_activation_stays_what_it_is(client: TestClient, is_error: IsError) -> None:
    assert change(client, "load", "relu").status_code == 200
    assert "always" in is_error(change(client, "unload", "relu"), 403)["error"]
    assert client.post("/activate/relu", json={"tensor": [-1, 1]}).json()["tensor"] == [0, 1]


def test_candidate_that_cannot_be_served_is_refused_with_its_reason(client: TestClient, is_error: IsError) -> None:
    is_error(change(client, "load", "broken"), 422)
    is_error(change(client, "load", "sequence"), 501)
    found = {line["name"]: line for line in client.post("/v2/repository/index").json()}
    assert found["broken"]["reason"] not in ("", "unloaded")
    assert found["sequence"]["state"] == "UNAVAILABLE"
    metrics = client.get("/metrics").text
    assert 'actserve_model_load_failures_total{model="broken"} 1.0' in metrics
    assert 'actserve_model_broken{model="broken",served="false",version="1"} 1.0' in metrics
    assert client.get("/health/ready").status_code == 200  # nobody demanded them
    is_error(client.post("/predict/broken", json={"instances": [1]}), 503)


def test_load_is_whole_where_one_version_fails(
    client: TestClient, folder: Path, graphs: Any, is_error: IsError
) -> None:
    assert change(client, "load", "two").status_code == 200
    graphs.identity(folder / "two" / "1" / "model.onnx", 1, ["n", 3])
    (folder / "two" / "2" / "model.onnx").write_bytes(b"no")
    assert "version 2" in is_error(change(client, "load", "two"), 422)["error"]
    assert client.get("/v2/models/two/versions/1").json()["inputs"][0]["shape"] == [-1, 2]
    assert client.get("/models").json()["models"][-1]["refused"].keys() == {"2"}
    graphs.identity(folder / "two" / "2" / "model.onnx", 1, ["n", 4])
    assert change(client, "load", "two").status_code == 200
    assert client.get("/v2/models/two/versions/1").json()["inputs"][0]["shape"] == [-1, 3]
    assert client.get("/v2/models/two").json()["inputs"][0]["shape"] == [-1, 4]


@pytest.mark.parametrize(
    ("verb", "name", "body", "status"),
    [
        ("load", "nothing", {}, 404),
        ("unload", "nothing", {}, 404),
        ("load", "..", {}, 404),
        ("load", "late", {"parameters": {"config": "{}"}}, 422),
        ("load", "late", {"parameters": {"file:1/model.onnx": "AAAA"}}, 422),
        ("load", "late", {"parameters": {"unload_dependents": True}}, 422),
        ("unload", "good", {"parameters": {"nonsense": 1}}, 422),
        ("load", "late", {"parameters": 5}, 422),
        ("load", "late", {"nonsense": {}}, 422),
    ],
)
def test_call_that_makes_no_sense_is_refused(
    client: TestClient, is_error: IsError, verb: str, name: str, body: Any, status: int
) -> None:
    before = index(client)
    is_error(change(client, verb, name, **body), status)
    assert index(client) == before


@pytest.mark.parametrize(("body", "status"), [(b"[]", 400), (b"{", 400), (b'{"ready": 1}', 422), (b'{"x": 1}', 422)])
def test_body_that_makes_no_sense_is_refused(client: TestClient, is_error: IsError, body: bytes, status: int) -> None:
    is_error(client.post("/v2/repository/index", content=body), status)


@pytest.mark.parametrize("mode", ["none", "poll"])
def test_calls_name_the_mode_that_they_need(start: Start, folder: Path, is_error: IsError, mode: str) -> None:
    client = start(models=folder, model_control=mode)
    for verb in ("load", "unload"):
        said = is_error(change(client, verb, "good"), 403)["error"]
        assert "--model-control explicit" in said
        assert f"--model-control {mode}" in said


def test_star_loads_all_and_demands_them(start: Start, folder: Path) -> None:
    client = start(models=folder, model_control="explicit", load_model=("*",))
    found = index(client, ready=True)
    assert {("good", "1"), ("late", "1"), ("two", "2"), ("fashion_mnist", "1")} <= found.keys()
    assert client.get("/health/ready").status_code == 503
    for name in ("broken", "sequence"):
        assert change(client, "unload", name).status_code == 200
    assert client.get("/health/ready").status_code == 200


def test_without_any_network_it_is_never_ready(start: Start, folder: Path) -> None:
    client = start(models=folder, model_control="explicit")
    assert "No model" in client.get("/health/ready").json()["error"]
    assert change(client, "load", "good").status_code == 200
    assert client.get("/health/ready").status_code == 200
    assert change(client, "unload", "good").status_code == 200
    assert client.get("/health/ready").status_code == 503


def test_only_network_answers_for_the_default(start: Start, folder: Path) -> None:
    client = start(models=folder, model_control="explicit")
    body = {"instances": [[1, 2]]}
    assert client.post("/predict", json=body).status_code == 404
    assert change(client, "load", "good").status_code == 200
    assert client.post("/predict", json=body).json()["model"] == "good"
