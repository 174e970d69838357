"""KServe v1 and TensorFlow Serving: `/v1/models`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

BODY = {"instances": [[1, 2], [3, 4]]}


def test_models_are_listed_by_name(client: TestClient) -> None:
    found = client.get("/v1/models").json()
    assert found.keys() == {"models"}
    assert {"fashion_mnist", "digits", "adder", "relu"} <= set(found["models"])


def test_model_is_ready(client: TestClient) -> None:
    assert client.get("/v1/models/fashion_mnist").json() == {"name": "fashion_mnist", "ready": True}


def test_unknown_model_is_404_and_a_broken_one_503(
    client: TestClient, start: Callable[..., TestClient], tmp_path: Path, is_error: Any
) -> None:
    is_error(client.get("/v1/models/nothing"), 404)
    is_error(client.post("/v1/models/nothing:predict", json=BODY), 404)
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    other = start(models=tmp_path)
    is_error(other.get("/v1/models/broken"), 503)
    is_error(other.post("/v1/models/broken:predict", json=BODY), 503)


@pytest.mark.parametrize("path", ["/v1/models/same_fp32:predict", "/v1/models/same_fp32%3Apredict"])
def test_prediction_is_that_of_the_other_path(client: TestClient, path: str) -> None:
    answer = client.post(path, json=BODY)
    assert answer.json() == client.post("/predict/same_fp32", json=BODY).json()
    assert answer.json()["predictions"] == [[1, 2], [3, 4]]


@pytest.mark.parametrize("media_type", [None, "application/x-www-form-urlencoded"])
def test_body_as_curl_sends_it_is_json(client: TestClient, is_error: Any, media_type: str | None) -> None:
    headers = {} if media_type is None else {"content-type": media_type}
    answer = client.post("/v1/models/same_fp32:predict", content=b'{"instances": [[1, 2]]}', headers=headers)
    assert answer.json()["predictions"] == [[1, 2]]
    is_error(client.post("/v1/models/same_fp32:predict", content=b"a=1", headers=headers), 400)
    is_error(client.post("/v1/models/same_fp32:predict", content=b"{}", headers={"content-type": "text/csv"}), 415)


def test_members_that_clients_of_tensorflow_serving_send_are_taken(client: TestClient, is_error: Any) -> None:
    for extra in ({"signature_name": "serving_default"}, {"signature_name": ""}, {"parameters": {}}):
        assert client.post("/v1/models/same_fp32:predict", json=BODY | extra).status_code == 200
    for extra in ({"signature_name": "other"}, {"signature_name": {}}, {"unknown": 1}, {"parameters": [1]}):
        is_error(client.post("/v1/models/same_fp32:predict", json=BODY | extra), 422)


def test_explaining_is_not_offered(client: TestClient, is_error: Any) -> None:
    is_error(client.post("/v1/models/same_fp32:explain", json=BODY), 405)
    is_error(client.get("/v1/models/same_fp32:predict"), 404)
