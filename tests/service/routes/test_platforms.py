"""The paths of Vertex AI and SageMaker."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from service.errors import SettingsError

ROWS = {"instances": [[0.0] * 784]}


def test_ping_and_invocations_are_readiness_and_prediction(
    client: TestClient, npy: Callable[..., bytes], encoded: Callable[..., bytes], is_error: Any
) -> None:
    assert client.get("/ping").json() == {"ready": True}
    assert client.post("/invocations", json=ROWS).json() == client.post("/predict", json=ROWS).json()
    rows = np.zeros((2, 784), np.float32)
    for body, media_type in ((npy(rows), "application/x-npy"), (rows.tobytes(), "application/octet-stream")):
        headers = {"content-type": media_type}
        answers = [client.post(path, content=body, headers=headers) for path in ("/invocations", "/predict")]
        assert answers[0].status_code == 200
        assert answers[0].content == answers[1].content
    is_error(client.post("/invocations", content=b"1,2", headers={"content-type": "text/csv"}), 415)


@pytest.mark.parametrize("sent", [{}, {"content-type": "application/x-www-form-urlencoded"}])
@pytest.mark.parametrize("path", ["/invocations", "/p"])
def test_body_without_a_type_of_its_own_is_json(
    start: Callable[..., TestClient], is_error: Any, path: str, sent: dict[str, str]
) -> None:
    client = start(predict_route="/p")
    body = json.dumps(ROWS).encode()
    answer = client.post(path, content=body, headers=sent)
    assert answer.json() == client.post("/predict", json=ROWS).json()
    is_error(client.post("/predict", content=body, headers=sent), 415)


def test_ping_is_503_while_a_model_is_broken(start: Callable[..., TestClient], tmp_path: Path, is_error: Any) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    is_error(start(models=tmp_path, health_route="/h").get("/ping"), 503)


def test_probes_need_no_token_and_predictions_do(start: Callable[..., TestClient], is_error: Any) -> None:
    client = start(api_token="secret", health_route="/h", predict_route="/p")
    assert client.get("/ping").status_code == client.get("/h").status_code == 200
    for path in ("/invocations", "/p", "/v1/models/digits:predict"):
        is_error(client.post(path, json=ROWS), 401)
        assert client.post(path, json=ROWS, headers={"authorization": "Bearer secret"}).status_code == 200


@pytest.mark.parametrize(
    ("predict_route", "health_route"),
    [
        ("/v1/endpoints/1/deployedModels/2:predict", "/v1/endpoints/1/deployedModels/2"),
        ("/p", "/p"),
        ("/", "/"),
        ("/predict", "/health/ready"),
        ("/invocations", "/ping"),
        ("/predict/digits", "/v2/models/digits/ready"),
        ("/v1/models/digits:predict", "/v1/models/digits"),
        ("/health/ready", "/predict"),
    ],
)
def test_routes_that_were_named_are_answered(
    start: Callable[..., TestClient], predict_route: str, health_route: str
) -> None:
    client = start(predict_route=predict_route, health_route=health_route)
    base = "http://testserver"
    assert client.get(base + health_route).json()["ready"] is True
    found = client.post(base + predict_route, json=ROWS).json()
    assert found["model"] == ("digits" if "digits" in predict_route else "fashion_mnist")
    assert len(found["predictions"]) == 1
    assert client.post("/predict", json=ROWS).status_code == 200


@pytest.mark.parametrize(
    "settings",
    [
        {"health_route": "/metrics"},
        {"health_route": "/health/live"},
        {"health_route": "/activations/relu"},
        {"predict_route": "/activate/relu"},
        {"predict_route": "/v2/models/digits/infer"},
    ],
)
def test_route_with_another_meaning_is_refused(start: Callable[..., TestClient], settings: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="another meaning"):
        start(**settings)


def test_parameters_in_the_body_are_those_of_the_query(client: TestClient) -> None:
    in_query = client.post("/predict?scores=false&top_k=2", json=ROWS).json()
    assert len(in_query["predictions"][0]["top"]) == 2
    for parameters in ({"scores": False, "top_k": 2}, {"scores": False, "top_k": 2.0}):
        assert client.post("/predict", json=ROWS | {"parameters": parameters}).json() == in_query
    assert client.post("/predict?top_k=2", json=ROWS | {"parameters": {"scores": False}}).json() == in_query
    for nothing in (None, {}):
        assert (
            client.post("/predict", json=ROWS | {"parameters": nothing}).json()
            == client.post("/predict", json=ROWS).json()
        )


@pytest.mark.parametrize(
    "parameters",
    [
        {"temperature": 0.5},
        {"version": "1"},
        {"top_k": -1},
        {"top_k": 1.5},
        {"top_k": 1e18},
        {"top_k": "3"},
        {"top_k": "NaN"},
        {"top_k": True},
        {"top_k": [1]},
        {"scores": 1},
        {"scores": "false"},
        {"scores": None},
        [],
        "scores",
    ],
)
def test_parameter_that_is_unknown_or_wrong_is_422(client: TestClient, is_error: Any, parameters: Any) -> None:
    body = is_error(client.post("/predict", json=ROWS | {"parameters": parameters}), 422)
    assert body["details"][0]["path"].startswith("parameters")


def test_parameter_in_query_and_body_is_422(client: TestClient, is_error: Any) -> None:
    is_error(client.post("/predict?top_k=1", json=ROWS | {"parameters": {"top_k": 1}}), 422)
