"""The Open Inference Protocol over HTTP, against onnxruntime run directly on the same file."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnxruntime
import pytest
from starlette.testclient import TestClient

from service.app import create_app
from service.repository import SHIPPED
from service.settings import Settings

INFER = "/v2/models/fashion_mnist/infer"
LENGTH = "Inference-Header-Content-Length"


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with TestClient(create_app(Settings())) as client:
        yield client


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 784)).astype(np.float32) / 255


@pytest.fixture(scope="module")
def expected(rows: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(
        str(SHIPPED / "fashion_mnist/1/model.onnx"), providers=["CPUExecutionProvider"]
    )
    names = ["logits", "probabilities"]
    return dict(zip(names, session.run(names, {"input": rows}), strict=True))


def tensor(array: np.ndarray, **more: Any) -> dict[str, Any]:
    return {"name": "input", "shape": list(array.shape), "datatype": "FP32", **more}


def parts(answer: Any) -> tuple[dict[str, Any], bytes]:
    length = int(answer.headers[LENGTH])
    return json.loads(answer.content[:length]), answer.content[length:]


def test_server_metadata_is_answered_with_and_without_a_slash(client: TestClient) -> None:
    for path in ("/v2", "/v2/"):
        answer = client.get(path, follow_redirects=False)
        assert answer.json()["name"] == "actserve"
        assert set(answer.json()["extensions"]) == {
            "binary_tensor_data",
            "classification",
            "model_configuration",
            "model_repository",
            "model_repository(unload_dependents)",
            "parameters",
            "statistics",
        }


def test_model_metadata_has_minus_one_for_a_free_dimension(client: TestClient) -> None:
    found = client.get("/v2/models/fashion_mnist/versions/1").json()
    assert found["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, 784]}]
    assert [output["name"] for output in found["outputs"]] == ["logits", "probabilities"]
    assert found["versions"] == ["1"]


def test_readiness_of_a_model_is_404_for_what_is_not_there(client: TestClient) -> None:
    assert client.get("/v2/models/fashion_mnist/ready").status_code == 200
    assert client.get("/v2/models/fashion_mnist/versions/7/ready").status_code == 404
    assert client.get("/v2/models/zork/ready").status_code == 404


@pytest.mark.parametrize("flat", [True, False])
def test_json_infer_gives_the_bits_of_onnxruntime(client: TestClient, rows, expected, flat: bool) -> None:
    data = rows.ravel().tolist() if flat else rows.tolist()
    answer = client.post(INFER, json={"id": "7", "inputs": [tensor(rows, data=data)]}).json()
    assert (answer["id"], answer["model_name"], answer["model_version"]) == ("7", "fashion_mnist", "1")
    for output in answer["outputs"]:
        assert np.array(output["data"], np.float32).tobytes() == expected[output["name"]].tobytes()
        assert output["shape"] == [3, 10]


def test_id_is_left_out_when_none_was_given(client: TestClient, rows) -> None:
    assert "id" not in client.post(INFER, json={"inputs": [tensor(rows, data=rows.tolist())]}).json()


def test_binary_infer_mixes_with_json(client: TestClient, rows, expected) -> None:
    outputs = [{"name": "logits", "parameters": {"binary_data": False}}, {"name": "probabilities"}]
    inputs = [tensor(rows, parameters={"binary_data_size": rows.nbytes})]
    head = json.dumps({"inputs": inputs, "outputs": outputs, "parameters": {"binary_data_output": True}}).encode()
    answer = client.post(INFER, content=head + rows.tobytes(), headers={LENGTH: str(len(head))})
    found, tail = parts(answer)
    assert tail == expected["probabilities"].tobytes()
    assert found["outputs"][1]["parameters"] == {"binary_data_size": len(tail)}
    assert np.array(found["outputs"][0]["data"], np.float32).tobytes() == expected["logits"].tobytes()
    assert answer.headers["content-type"] == "application/octet-stream"


def test_raw_request_is_answered_in_binary(client: TestClient, rows, expected) -> None:
    found, tail = parts(client.post(INFER, content=rows.tobytes(), headers={LENGTH: "0"}))
    assert [output["name"] for output in found["outputs"]] == ["logits", "probabilities"]
    assert tail == expected["logits"].tobytes() + expected["probabilities"].tobytes()


def test_classification_gives_value_index_and_label(client: TestClient, rows, expected) -> None:
    outputs = [{"name": "probabilities", "parameters": {"classification": 2}}]
    answer = client.post(INFER, json={"inputs": [tensor(rows, data=rows.tolist())], "outputs": outputs}).json()
    (output,) = answer["outputs"]
    assert (output["datatype"], output["shape"]) == ("BYTES", [3, 2])
    labels = client.get("/models/fashion_mnist").json()["labels"]
    for row, first, second in zip(expected["probabilities"], output["data"][::2], output["data"][1::2], strict=True):
        best, next_best = np.argsort(-row)[:2]
        value, index, label = first.split(":")
        assert (np.float32(value), int(index), label) == (row[best], best, labels[best])
        assert int(second.split(":")[1]) == next_best


def test_activation_runs_in_the_datatype_of_its_tensor(client: TestClient) -> None:
    inputs = [
        {"name": "x", "shape": [2], "datatype": "FP16", "data": [-1, 2]},
        {"name": "negative_slope", "shape": [1], "datatype": "FP32", "data": [0.5]},
    ]
    answer = client.post("/v2/models/leaky_relu/infer", json={"inputs": inputs, "outputs": [{"name": "y"}]}).json()
    assert answer["outputs"] == [{"name": "y", "datatype": "FP16", "shape": [2], "data": [-0.5, 2.0]}]


def test_activation_parameters_are_checked_as_by_its_own_verb(client: TestClient) -> None:
    inputs = [
        {"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [1, 2, 3, 4]},
        {"name": "dim", "shape": [], "datatype": "INT64", "data": 2},
    ]
    answer = client.post("/v2/models/softmax/infer", json={"inputs": inputs})
    assert answer.status_code == 422
    assert answer.json()["details"][0]["path"] == "parameters.dim"


GOOD = {"name": "input", "shape": [1], "datatype": "FP32", "data": [1]}


@pytest.mark.parametrize(
    ("body", "status", "path"),
    [
        ({}, 422, "inputs"),
        ({"inputs": 3}, 422, "inputs"),
        ({"inputs": [3]}, 422, "inputs[0]"),
        ({"inputs": [GOOD], "output": []}, 422, "output"),
        ({"inputs": [GOOD | {"name": 1}]}, 422, "inputs[0].name"),
        ({"inputs": [GOOD | {"datatype": "FP8"}]}, 422, "inputs[0].datatype"),
        ({"inputs": [GOOD | {"shape": [-1]}]}, 422, "inputs[0].shape"),
        ({"inputs": [GOOD | {"shape": None}]}, 422, "inputs[0].shape"),
        ({"inputs": [GOOD | {"shape": [1] * 100}]}, 422, "inputs[0].shape"),
        ({"inputs": [GOOD | {"shape": [0, 10**30]}]}, 422, "inputs[0].shape"),
        ({"inputs": [GOOD | {"shape": [2]}]}, 422, "inputs[0].data"),
        ({"inputs": [GOOD | {"parameters": {"binary_data_size": 4}}]}, 422, "inputs[0]"),
        ({"inputs": [GOOD]}, 422, "input"),
        ({"inputs": [GOOD], "id": 3}, 422, "id"),
        ({"inputs": [GOOD], "outputs": [{"name": "zork"}]}, 422, "outputs[0].name"),
        ({"inputs": [GOOD], "parameters": {"binary_data_output": 1}}, 422, "parameters.binary_data_output"),
    ],
)
def test_infer_with_a_wrong_member_is_422_with_its_path(client: TestClient, body, status: int, path: str) -> None:
    answer = client.post(INFER, json=body)
    assert (answer.status_code, answer.json()["details"][0]["path"]) == (status, path)


@pytest.mark.parametrize(
    ("size", "told"),
    [("24", '"24"'), ([1] * 9, "an array of 9"), (None, "null"), (True, "true"), (-1, "-1"), (1.5, "1.5")],
)
def test_what_came_is_told_with_its_kind(client: TestClient, size: Any, told: str) -> None:
    answer = client.post(INFER, json={"inputs": [GOOD | {"shape": [size]}]}).json()
    assert answer["details"][0]["got"] == told


@pytest.mark.parametrize("change", [-1, 1])
def test_infer_with_too_few_or_too_many_bytes_is_400(client: TestClient, rows, change: int) -> None:
    head = json.dumps({"inputs": [tensor(rows, parameters={"binary_data_size": rows.nbytes})]}).encode()
    tail = rows.tobytes()[:change] if change < 0 else rows.tobytes() + b"\0"
    assert client.post(INFER, content=head + tail, headers={LENGTH: str(len(head))}).status_code == 400


@pytest.mark.parametrize("length", ["x", "-1", "99999999", ""])
def test_infer_with_a_wrong_header_length_is_400(client: TestClient, length: str) -> None:
    assert client.post(INFER, content=b"{}", headers={LENGTH: length}).status_code == 400


@pytest.mark.parametrize(
    ("member", "path"),
    [
        ({"inputs": [GOOD | {"parameter": {}}]}, "inputs[0].parameter"),
        ({"inputs": [GOOD], "outputs": [{"name": "logits", "binary_data": True}]}, "outputs[0].binary_data"),
        ({"inputs": [GOOD], "model_name": "digits"}, "model_name"),
        ({"inputs": [GOOD], "model_version": "2"}, "model_version"),
        ({"inputs": [GOOD], "model_name": 3}, "model_name"),
    ],
)
def test_member_that_is_unknown_or_contradicts_the_path_is_422(client: TestClient, member, path: str) -> None:
    answer = client.post(INFER, json=member)
    assert (answer.status_code, answer.json()["details"][0]["path"]) == (422, path)


def test_model_may_be_named_in_the_body_as_in_the_path(client: TestClient, rows) -> None:
    body = {"inputs": [tensor(rows, data=rows.tolist())], "model_name": "fashion_mnist", "model_version": "1"}
    assert client.post(INFER, json=body).status_code == 200


X = {"name": "x", "shape": [2], "datatype": "FP32", "data": [-1, 2]}


def call(client: TestClient, model: str, inputs: list[dict[str, Any]], **parameters: Any) -> Any:
    outputs = [{"name": "y"}]
    body = {"inputs": inputs, "outputs": outputs, "parameters": parameters}
    return client.post(f"/v2/models/{model}/infer", json=body)


def test_activation_takes_its_parameters_and_tells_what_it_was_computed_with(client: TestClient) -> None:
    answer = call(client, "leaky_relu", [X], negative_slope=0.5).json()
    assert answer["outputs"][0]["data"] == [-0.5, 2.0]
    assert answer["parameters"] == {"negative_slope": 0.5}
    answer = call(client, "softplus", [X], beta=2).json()
    assert answer["parameters"] == {"beta": 2, "threshold": 20.0}
    assert call(client, "gelu", [X], approximate="tanh").json()["parameters"] == {"approximate": "tanh"}
    assert "parameters" not in call(client, "relu", [X]).json()


@pytest.mark.parametrize(
    ("model", "parameters", "path"),
    [
        ("leaky_relu", {"negative_slop": 0.2}, "parameters.negative_slop"),
        ("leaky_relu", {"negative_slope": "0.2"}, "parameters.negative_slope"),
        ("leaky_relu", {"negative_slope": [0.2]}, "parameters.negative_slope"),
        ("relu", {"negative_slope": 0.2}, "parameters.negative_slope"),
        ("relu", {"timeout": -1}, "parameters.timeout"),
        ("relu", {"timeout": 0.5}, "parameters.timeout"),
        ("relu", {"timeout": "1"}, "parameters.timeout"),
    ],
)
def test_parameter_that_is_unknown_or_wrong_is_422(client: TestClient, model: str, parameters, path: str) -> None:
    answer = call(client, model, [X], **parameters)
    assert (answer.status_code, answer.json()["details"][0]["path"]) == (422, path)


def test_parameter_given_twice_is_422(client: TestClient) -> None:
    slope = {"name": "negative_slope", "shape": [1], "datatype": "FP32", "data": [0.5]}
    answer = call(client, "leaky_relu", [X, slope], negative_slope=0.5)
    assert (answer.status_code, answer.json()["details"][0]["path"]) == (422, "parameters.negative_slope")


def test_parameters_of_the_protocol_are_no_parameters_of_an_activation(client: TestClient) -> None:
    reserved = {"sequence_id": 7, "sequence_start": True, "sequence_end": False, "priority": 1, "timeout": 0}
    answer = call(client, "leaky_relu", [X], **reserved, headers="x", triton_enable_empty_final_response=True)
    assert answer.json()["parameters"] == {"negative_slope": 0.01}


def test_output_asked_for_twice_is_422(client: TestClient) -> None:
    answer = client.post("/v2/models/relu/infer", json={"inputs": [X], "outputs": [{"name": "y"}, {"name": "y"}]})
    assert (answer.status_code, answer.json()["details"][0]["path"]) == (422, "outputs[1].name")


def test_model_takes_its_initializers_as_parameters_and_passes_over_others(graphs, start, tmp_path) -> None:
    graphs.offset(tmp_path / "offset.onnx")
    client = start(models=tmp_path)
    x = X | {"shape": [1, 2]}
    assert call(client, "offset", [x], bias=[10, 20], my_own=3).json()["outputs"][0]["data"] == [9.0, 22.0]
    assert call(client, "offset", [x]).json()["outputs"][0]["data"] == [-1.0, 2.0]
    assert call(client, "offset", [x], bias="x").status_code == 422


def raw_answer(client: TestClient, model: str, body: bytes) -> tuple[dict[str, Any], bytes]:
    return parts(client.post(f"/v2/models/{model}/infer", content=body, headers={LENGTH: "0"}))


def test_raw_request_fills_in_the_one_free_size(graphs, start, tmp_path) -> None:
    graphs.identity(tmp_path / "wide.onnx", 1, [1, "m"])
    graphs.identity(tmp_path / "text.onnx", 8, ["n", 1])
    graphs.identity(tmp_path / "texts.onnx", 8, ["n", 2])
    client = start(models=tmp_path)
    values = np.arange(3, dtype=np.float32).tobytes()
    found, tail = raw_answer(client, "wide", values)
    assert (found["outputs"][0]["shape"], tail) == ([1, 3], values)
    found, tail = raw_answer(client, "text", "ü".encode())
    assert (found["outputs"][0]["shape"], tail) == ([1, 1], b"\x02\0\0\0" + "ü".encode())
    refused = client.post("/v2/models/texts/infer", content=b"a", headers={LENGTH: "0"})
    assert refused.status_code == 415


def test_raw_request_to_an_activation_is_one_row(client: TestClient) -> None:
    found, tail = raw_answer(client, "relu", np.array([-1, 2], np.float32).tobytes())
    assert found["outputs"][0]["shape"] == [1, 2]
    assert np.frombuffer(tail[:8], np.float32).tolist() == [0, 2]
