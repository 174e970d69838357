"""`GET /activations` and one of them."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from starlette.testclient import TestClient

SEVEN = {"relu", "leaky_relu", "prelu", "elu", "sigmoid", "tanh", "softmax"}
TOLD = {"name", "description", "formula", "derivative", "parameters", "range", "strengths", "weaknesses", "use"}


def test_catalogue_tells_each_activation_in_full(client: TestClient) -> None:
    entries = client.get("/activations").json()["activations"]
    assert {entry["name"] for entry in entries} >= SEVEN
    for entry in entries:
        assert entry.keys() >= TOLD | {"datatypes", "example"}
        assert all(entry[key] for key in TOLD - {"parameters", "use"}), entry["name"]
        assert entry["datatypes"] == ["FP16", "BF16", "FP32", "FP64"]
        for parameter in entry["parameters"]:
            assert parameter.keys() >= {"name", "type", "default"}
        assert client.get(f"/activations/{entry['name']}").json() == entry


def test_every_claim_comes_with_its_evidence(client: TestClient) -> None:
    for entry in client.get("/activations").json()["activations"]:
        claims = entry["strengths"] + entry["weaknesses"] + entry["use"]
        assert all(claim.keys() == {"text", "evidence", "source"} and all(claim.values()) for claim in claims)
        assert {claim["evidence"] for claim in claims} <= {"measured", "cited"}


@pytest.mark.parametrize(
    ("path", "described"), [("/activations", "/activations"), ("/activations/elu", "/activations/{name}")]
)
def test_answer_is_what_the_document_says(client: TestClient, path: str, described: str) -> None:
    operation = client.get("/openapi.json").json()["paths"][described]["get"]
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert "strengths" in str(schema)
    Draft202012Validator(schema).validate(client.get(path).json())


def test_every_example_is_accepted_as_it_stands(client: TestClient) -> None:
    for entry in client.get("/activations").json()["activations"]:
        example = entry["example"]
        answer = client.request(example["method"], example["path"], json=example["body"])
        assert answer.status_code == 200, (entry["name"], answer.text)


def test_alias_is_answered_with_its_activation(client: TestClient) -> None:
    assert client.get("/activations/LeakyRelu").json()["name"] == "leaky_relu"


@pytest.mark.parametrize("name", ["nothing", "fashion_mnist", "adder"])
def test_what_is_no_activation_is_404(client: TestClient, is_error: Any, name: str) -> None:
    is_error(client.get(f"/activations/{name}"), 404)
