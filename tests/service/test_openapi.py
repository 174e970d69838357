"""The OpenAPI document: valid, typed for what is served, and true."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError
from openapi_spec_validator import OpenAPIV31SpecValidator, validate
from starlette.testclient import TestClient


@pytest.fixture(scope="module")
def document(client: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").json()
    return found


def pointer(*keys: str) -> str:
    return "#/" + "/".join(key.replace("~", "~0").replace("/", "~1") for key in keys)


def check(document: Mapping[str, Any], path: str, where: tuple[str, ...], value: Any) -> None:
    """Fails where `value` is not what the document says stands there."""
    keys = ("paths", path, "post", *where, "content", "application/json", "schema")
    Draft202012Validator({**document, "$ref": pointer(*keys)}).validate(value)


def typed(document: Mapping[str, Any]) -> dict[str, Any]:
    return {
        path: operations["post"]
        for path, operations in document["paths"].items()
        if set(operations.get("post", {}).get("tags", ())) & {"each model", "each activation"}
    }


def test_document_is_valid(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    validate(document, cls=OpenAPIV31SpecValidator)


def test_every_tag_has_its_place_and_description(document: dict[str, Any]) -> None:
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert {tag for operation in operations for tag in operation["tags"]} == {tag["name"] for tag in document["tags"]}
    assert all(tag["description"] for tag in document["tags"])


def test_each_network_and_each_activation_has_its_paths(client: TestClient, document: dict[str, Any]) -> None:
    listed = client.get("/models").json()
    networks = [model["name"] for model in listed["models"] if model["state"] == "ready"]
    expected = {f"/predict/{name}" for name in networks} | {f"/v2/models/{name}/infer" for name in networks}
    expected |= {f"/activate/{name}" for name in listed["activations"]}
    assert typed(document).keys() == expected
    assert {"/predict/{model}", "/v2/models/{model}/infer", "/activate/{name}"} <= document["paths"].keys()


def test_every_example_fits_its_schema_is_accepted_and_answered_as_described(
    client: TestClient, document: dict[str, Any]
) -> None:
    for path, operation in typed(document).items():
        example = operation["requestBody"]["content"]["application/json"]["example"]
        check(document, path, ("requestBody",), example)
        answer = client.post(path, json=example)
        assert answer.status_code == 200, (path, answer.text)
        check(document, path, ("responses", "200"), answer.json())


def test_forms_of_a_request_are_answered_as_described(client: TestClient, document: dict[str, Any]) -> None:
    path = "/predict/fashion_mnist"
    for query in ("", "?top_k=2", "?scores=false"):
        answer = client.post(path + query, json={"inputs": [[0.5] * 784] * 2})
        check(document, path, ("responses", "200"), answer.json())
    path = "/v2/models/classifier/infer"
    body = {
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, "NaN", 0]}],
        "outputs": [{"name": "scores", "parameters": {"classification": 2}}],
    }
    check(document, path, ("requestBody",), body)
    check(document, path, ("responses", "200"), client.post(path, json=body).json())


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/predict/fashion_mnist", {"instances": [[0] * 783]}),
        ("/predict/fashion_mnist", {"instances": [], "inputs": []}),
        ("/predict/fashion_mnist", {}),
        ("/predict/fashion_mnist", {"instances": [["x"] * 784]}),
        ("/predict/same_uint8", {"instances": [[1, 256]]}),
        ("/predict/adder", {"instances": [{"a": [1, 2]}]}),
        ("/predict/fixed", {"inputs": [[1, 2, 3]]}),
        ("/v2/models/fashion_mnist/infer", {}),
        (
            "/v2/models/fashion_mnist/infer",
            {"inputs": [{"name": "input", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}]},
        ),
        ("/activate/leaky_relu", {"tensor": 1, "parameters": {"slope": 1}}),
        ("/activate/gelu", {"tensor": 1, "parameters": {"approximate": "erf"}}),
        ("/activate/celu", {"tensor": 1, "datatype": "INT8"}),
    ],
)
def test_what_the_server_refuses_does_not_fit_the_schema(
    client: TestClient, document: dict[str, Any], is_error: Any, path: str, body: Any
) -> None:
    is_error(client.post(path, json=body), 422)
    with pytest.raises(ValidationError):
        check(document, path, ("requestBody",), body)


def test_labels_bounds_and_defaults_are_told(document: dict[str, Any]) -> None:
    answer = document["paths"]["/predict/digits"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    prediction = answer["properties"]["predictions"]["items"]["properties"]
    assert prediction["label"]["enum"] == [str(digit) for digit in range(10)]
    assert prediction["index"]["maximum"] == 9
    body = document["paths"]["/activate/leaky_relu"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    slope = body["properties"]["parameters"]["properties"]["negative_slope"]
    assert (slope["type"], slope["default"]) == ("number", 0.01)
    for path, operation in typed(document).items():
        if path.startswith("/activate/"):
            assert not any("default" in parameter["schema"] for parameter in operation["parameters"])


def test_bounds_of_parameters_are_those_of_the_catalogue(client: TestClient, document: dict[str, Any]) -> None:
    keywords = {"minimum": "minimum", "maximum": "maximum", "exclusive_minimum": "exclusiveMinimum"}
    bounded = 0
    for entry in client.get("/activations").json()["activations"]:
        operation = document["paths"][f"/activate/{entry['name']}"]["post"]
        schema = operation["requestBody"]["content"]["application/json"]["schema"]["properties"]["parameters"]
        assert schema["properties"].keys() == {parameter["name"] for parameter in entry.get("parameters", ())}
        for parameter in entry.get("parameters", ()):
            for name, keyword in keywords.items():
                assert schema["properties"][parameter["name"]].get(keyword) == parameter.get(name)
                bounded += name in parameter
    assert bounded


def test_new_paths_are_described_with_their_answers(document: dict[str, Any]) -> None:
    for path, method in (
        ("/v1/models", "get"),
        ("/v1/models/{model}", "get"),
        ("/v1/models/{model}:predict", "post"),
        ("/ping", "get"),
        ("/invocations", "post"),
    ):
        operation = document["paths"][path][method]
        assert operation["responses"]["200"]["content"]["application/json"]["schema"]
        assert operation["responses"]["default"] == {"$ref": "#/components/responses/Error"}


def test_a_large_input_has_no_example_here(
    start: Callable[..., TestClient], graphs: Any, tmp_path: Path, document: dict[str, Any]
) -> None:
    graphs.identity(tmp_path / "large.onnx", 1, ["n", 100, 100])
    found = start(models=tmp_path).get("/openapi.json").json()
    body = found["paths"]["/predict/large"]["post"]["requestBody"]["content"]["application/json"]
    assert body.keys() == {"schema"}
    small = document["paths"]["/predict/cube"]["post"]["requestBody"]["content"]["application/json"]
    assert "example" in small


def test_a_thousand_models_stay_readable(start: Callable[..., TestClient], graphs: Any, tmp_path: Path) -> None:
    made = graphs.identity(tmp_path / "model_0.onnx", 1, ["n", 2])
    for index in range(1, 1000):
        shutil.copy(made, tmp_path / f"model_{index}.onnx")
    answer = start(models=tmp_path).get("/openapi.json", headers={"accept-encoding": "gzip"})
    found = answer.json()
    assert len(typed(found)) > 2000
    assert len(answer.content) < 5 << 20
    assert int(answer.headers["content-length"]) < 1 << 18
    assert json.dumps(found).count('"operationId"') == len(
        {operation["operationId"] for path in found["paths"].values() for operation in path.values()}
    )


def test_document_follows_what_is_loaded_and_unloaded(
    start: Callable[..., TestClient], graphs: Any, tmp_path: Path
) -> None:
    graphs.identity(tmp_path / "mine.onnx", 1, ["n", 2])
    client = start(models=tmp_path, model_control="explicit", no_shipped_models=True)
    for verb, is_there in (("load", True), ("unload", False)):
        assert client.post(f"/v2/repository/models/mine/{verb}").status_code == 200
        assert ("/predict/mine" in client.get("/openapi.json").json()["paths"]) is is_there
