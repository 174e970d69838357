"""The contracts that hosting platforms publish, kept by the real server started as they start it."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

VERTEX = {
    "AIP_MODE": "PREDICTION",
    "AIP_PREDICT_ROUTE": "/v1/endpoints/4/deployedModels/7:predict",
    "AIP_HEALTH_ROUTE": "/v1/endpoints/4/deployedModels/7",
    "AIP_STORAGE_URI": "",
}


@pytest.fixture
def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return str(listener.getsockname()[1])


def indices(answer: Any) -> list[int]:
    return [prediction["index"] for prediction in answer.json()["predictions"]]


def test_kserve_v1_lists_tells_readiness_and_predicts(server: Any, oracle: Any, rows: np.ndarray) -> None:
    """https://kserve.github.io/website/docs/concepts/architecture/data-plane/v1-protocol"""
    assert "fashion_mnist" in server.get("/v1/models").json()["models"]
    assert server.get("/v1/models/fashion_mnist").json() == {"name": "fashion_mnist", "ready": True}
    assert server.get("/v1/models/none").status == 404
    assert server.get("/").json() == {"status": "alive"}
    expected = oracle("fashion_mnist", "probabilities", input=rows).argmax(axis=1).tolist()
    for path in ("/v1/models/fashion_mnist:predict", "/v1/models/fashion_mnist%3Apredict"):
        answer = server.post(path, {"instances": rows.tolist()})
        assert (answer.status, indices(answer)) == (200, expected)
    # As `curl -d @file` sends it, which is what the documents of KServe and TensorFlow Serving show.
    answer = server.post(path, {"instances": rows.tolist()}, "application/x-www-form-urlencoded")
    assert indices(answer) == expected
    assert server.post("/v1/models/none:predict", {"instances": []}).status == 404


def test_vertex_ai_finds_its_port_its_routes_and_its_form(
    serve: Any, oracle: Any, rows: np.ndarray, free_port: str
) -> None:
    """https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements"""
    server = serve(**VERTEX, AIP_HTTP_PORT=free_port)
    assert server.port == int(free_port)
    assert server.get(VERTEX["AIP_HEALTH_ROUTE"]).status == 200
    body = {"instances": rows.tolist(), "parameters": {"top_k": 3.0, "scores": False}}  # its numbers are floats
    answer = server.post(VERTEX["AIP_PREDICT_ROUTE"], body)
    assert answer.headers["content-type"] == "application/json"
    expected = oracle("fashion_mnist", "probabilities", input=rows).argmax(axis=1).tolist()
    assert (answer.status, indices(answer)) == (200, expected)
    assert all(len(prediction["top"]) == 3 for prediction in answer.json()["predictions"])
    assert server.post(VERTEX["AIP_PREDICT_ROUTE"], {"instances": [[1]]}).status == 422


def test_vertex_ai_is_told_when_a_model_is_broken(serve: Any, tmp_path: Path, free_port: str) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    server = serve(**VERTEX | {"AIP_STORAGE_URI": str(tmp_path)}, AIP_HTTP_PORT=free_port)
    assert server.get(VERTEX["AIP_HEALTH_ROUTE"]).status == 503
    assert server.get("/health/live").status == 200


def test_artifacts_that_vertex_ai_mounts_are_all_that_is_served(
    serve: Any, shipped: Path, tmp_path: Path, rows: np.ndarray, free_port: str
) -> None:
    (tmp_path / "mine.onnx").write_bytes((shipped / "digits" / "1" / "model.onnx").read_bytes())
    server = serve(**VERTEX | {"AIP_STORAGE_URI": str(tmp_path)}, AIP_HTTP_PORT=free_port)
    answer = server.post(VERTEX["AIP_PREDICT_ROUTE"], {"instances": rows.tolist()})
    assert answer.json()["model"] == "mine"
    assert server.get("/models/fashion_mnist").status == 404


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"AIP_STORAGE_URI": "gs://bucket/model"}, "downloads nothing"),
        ({"AIP_HTTP_PORT": "http"}, "AIP_HTTP_PORT"),
        ({"AIP_PREDICT_ROUTE": "predict"}, "AIP_PREDICT_ROUTE"),
        ({"AIP_HEALTH_ROUTE": "/metrics"}, "AIP_HEALTH_ROUTE"),
    ],
)
def test_variable_that_cannot_be_honoured_ends_the_start_with_a_sentence(
    command: Callable[..., Any], variables: dict[str, str], said: str
) -> None:
    ended = command("serve", "--port", "0", **variables)
    assert ended.returncode == 2
    assert said in ended.stderr.decode()
    assert "Traceback" not in ended.stderr.decode()


def test_workers_refuse_a_route_with_one_sentence_too(command: Callable[..., Any]) -> None:
    ended = command("serve", "--port", "0", "--workers", "2", AIP_HEALTH_ROUTE="/metrics")
    assert ended.returncode != 0
    assert "AIP_HEALTH_ROUTE" in ended.stderr.decode()
    assert "Traceback" not in ended.stderr.decode()


def test_flags_go_before_the_variables_of_a_platform(serve: Any) -> None:
    server = serve("--port", "0", "--health-route", "/mine", **VERTEX, AIP_HTTP_PORT="1")
    assert server.get("/mine").status == 200
    assert server.get(VERTEX["AIP_HEALTH_ROUTE"]).status == 404
    assert server.post(VERTEX["AIP_PREDICT_ROUTE"], {"instances": []}).status == 200


def test_sagemaker_pings_and_invokes(
    server: Any, oracle: Any, rows: np.ndarray, npy: Callable[..., bytes], picture_file: Any, pictures: np.ndarray
) -> None:
    """https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html"""
    assert server.get("/ping").status == 200
    expected = oracle("fashion_mnist", "probabilities", input=rows)
    sent = {"X-Amzn-SageMaker-Custom-Attributes": "trace=1"}
    answer = server.post("/invocations", {"instances": rows.tolist()}, **sent)
    assert (answer.status, indices(answer)) == (200, expected.argmax(axis=1).tolist())
    assert server.post("/invocations", npy(rows), "application/x-npy").array().tobytes() == expected.tobytes()
    assert server.post("/invocations", rows.tobytes(), "application/octet-stream").body == expected.tobytes()
    answer = server.post("/invocations", picture_file(pictures[0]), "image/png")
    assert indices(answer) == [expected[0].argmax()]
    answer = server.post("/invocations", npy(rows[:1]), "application/x-npy", Accept="application/json")
    assert indices(answer) == [expected[0].argmax()]
    assert server.ask("POST", "/invocations", json.dumps({"instances": rows.tolist()})).status == 200  # has no type
    assert json.loads(server.post("/invocations", b"1,2,3", "text/csv").body)["error"]


def test_sagemaker_chooses_the_port(serve: Any, free_port: str) -> None:
    server = serve("--host", "127.0.0.1", SAGEMAKER_BIND_TO_PORT=free_port)
    assert server.port == int(free_port)
