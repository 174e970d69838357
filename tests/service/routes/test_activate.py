"""`POST /activate/{name}` and its gradient, against onnxruntime on the same graph and plain formulas."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

JSON, NPY = "application/json", "application/x-npy"
SEVEN = ("relu", "leaky_relu", "prelu", "elu", "sigmoid", "tanh", "softmax")
Npy = Callable[[np.ndarray], bytes]
IsError = Callable[..., dict[str, Any]]


def activate(client: TestClient, name: str, tensor: Any, **body: Any) -> Any:
    return client.post(f"/activate/{name}", json={"tensor": tensor} | body)


def loaded(response: Any) -> np.ndarray:
    assert response.status_code == 200, response.text
    return np.load(io.BytesIO(response.content), allow_pickle=False)


def test_answer_is_the_documented_one(client: TestClient) -> None:
    answer = activate(client, "leaky_relu", [[-1, 2]], parameters={"negative_slope": 0.2})
    assert answer.json() == {"activation": "leaky_relu", "datatype": "FP32", "shape": [1, 2], "tensor": [[-0.2, 2.0]]}


@pytest.mark.parametrize("name", SEVEN)
@pytest.mark.parametrize("output", ["y", "grad_x"])
def test_value_and_gradient_are_the_graphs_own_bits(
    client: TestClient, npy: Npy, shipped: Path, oracle: Any, name: str, output: str
) -> None:
    x = np.random.default_rng(0).normal(0, 3, (4, 5)).astype(np.float32)
    (expected,) = oracle(shipped / name / "1" / "model.onnx", {"x": x}, output)
    path = f"/activate/{name}" + ("/gradient" if output == "grad_x" else "")
    by_json = client.post(path, json={"tensor": x.tolist()}).json()
    assert np.array(by_json["tensor"], np.float32).tobytes() == expected.tobytes()
    by_npy = client.post(path, content=npy(x), headers={"content-type": NPY})
    assert by_npy.headers["content-type"] == NPY
    assert loaded(by_npy).tobytes() == expected.tobytes()


FORMULAS: dict[str, Callable[[float], float]] = {
    "relu": lambda x: max(x, 0),
    "leaky_relu": lambda x: x if x > 0 else 0.01 * x,
    "prelu": lambda x: x if x > 0 else 0.25 * x,
    "elu": lambda x: x if x > 0 else math.expm1(x),
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "tanh": math.tanh,
    "softmax": lambda x: 1.0,
}


@pytest.mark.parametrize("name", SEVEN)
@pytest.mark.parametrize(("datatype", "tolerance"), [("FP64", 1e-12), ("FP32", 1e-6), ("FP16", 1e-3), ("BF16", 8e-3)])
@pytest.mark.parametrize("x", [-1.5, 0.75])
def test_scalar_in_each_datatype_follows_the_formula(
    client: TestClient, name: str, datatype: str, tolerance: float, x: float
) -> None:
    body = activate(client, name, x, datatype=datatype).json()
    assert body["datatype"] == datatype
    assert body["shape"] == []
    assert body["tensor"] == pytest.approx(FORMULAS[name](x), rel=tolerance)


@pytest.mark.parametrize("name", SEVEN)
@pytest.mark.parametrize("tensor", [[], [[]], [[], []], [[[1]]], 1, [[[[[[1, 2]]]]]]])
@pytest.mark.parametrize("datatype", ["FP16", "BF16", "FP32", "FP64"])
def test_any_rank_and_empty_tensors_keep_their_shape(client: TestClient, name: str, tensor: Any, datatype: str) -> None:
    for path in (f"/activate/{name}", f"/activate/{name}/gradient"):
        answer = client.post(path, json={"tensor": tensor, "datatype": datatype})
        assert answer.status_code == 200, answer.text
        assert answer.json()["shape"] == list(np.shape(tensor))
        assert np.shape(answer.json()["tensor"]) == np.shape(tensor)


def test_gradient_is_weighted_by_grad_output(client: TestClient) -> None:
    body = {"tensor": [-1, 2, 3], "grad_output": [10, 20, 0.5]}
    assert client.post("/activate/relu/gradient", json=body).json()["tensor"] == [0, 20, 0.5]
    assert client.post("/activate/relu/gradient", json={"tensor": [-1, 2]}).json()["tensor"] == [0, 1]


@pytest.mark.parametrize("grad_output", [1, [1], [[1, 2]], [1, 2, 3]])
def test_grad_output_of_another_shape_is_422(client: TestClient, is_error: IsError, grad_output: Any) -> None:
    body = {"tensor": [-1, 2], "grad_output": grad_output}
    assert is_error(client.post("/activate/relu/gradient", json=body), 422)["details"][0]["path"] == "grad_output"


@pytest.mark.parametrize("wrong", ["nothing", "grad_x", "1"])
def test_gradient_with_respect_to_nothing_known_is_422(client: TestClient, is_error: IsError, wrong: str) -> None:
    is_error(client.post(f"/activate/relu/gradient?wrt={wrong}", json={"tensor": 1}), 422)


def test_gradient_with_respect_to_a_parameter_is_given(client: TestClient) -> None:
    answer = client.post("/activate/prelu/gradient?wrt=weight", json={"tensor": [[-1, 2], [-3, 4]]})
    assert answer.json()["wrt"] == "weight"
    assert answer.json()["tensor"] == -4


def test_parameters_may_stand_in_the_query(client: TestClient, npy: Npy) -> None:
    x = np.array([-1, 2], np.float32)
    for value in ("0.5", "5e-1"):
        answer = client.post(
            f"/activate/leaky_relu?negative_slope={value}", content=npy(x), headers={"content-type": NPY}
        )
        assert loaded(answer).tolist() == [-0.5, 2]
    json_answer = client.post("/activate/leaky_relu?negative_slope=0.5&datatype=FP64", json={"tensor": [-1, 2]})
    assert json_answer.json()["datatype"] == "FP64"
    assert json_answer.json()["tensor"] == [-0.5, 2]
    weights = client.post("/activate/prelu?weight=[1,2]", json={"tensor": [[-1, -1]]})
    assert weights.json()["tensor"] == [[-1, -2]]


@pytest.mark.parametrize(
    ("name", "parameters", "tensor", "expected"),
    [
        ("prelu", {"weight": [1, 2, 3]}, [[-1, -1, -1]], [[-1, -2, -3]]),
        ("prelu", {"weight": 0.5}, [[[-1, -1]]], [[[-0.5, -0.5]]]),
        ("prelu", {"weight": [[0.5]][0]}, -2, -1),
        ("softmax", {"dim": 0}, [[1, 5], [1, 5]], [[0.5, 0.5], [0.5, 0.5]]),
        ("softmax", {"dim": -2}, [[1], [1]], [[0.5], [0.5]]),
        ("elu", {"alpha": 0}, [-1, 2], [0, 2]),
    ],
)
def test_parameters_do_what_they_say(
    client: TestClient, name: str, parameters: dict[str, Any], tensor: Any, expected: Any
) -> None:
    answer = activate(client, name, tensor, parameters=parameters)
    assert answer.json()["tensor"] == expected, answer.text


@pytest.mark.parametrize(
    ("name", "body", "path"),
    [
        ("leaky_relu", {"parameters": {"slope": 1}}, "parameters.slope"),
        ("relu", {"parameters": {"negative_slope": 1}}, "parameters.negative_slope"),
        ("leaky_relu", {"parameters": {"negative_slope": "x"}}, "parameters.negative_slope"),
        ("leaky_relu", {"parameters": {"negative_slope": None}}, "parameters.negative_slope"),
        ("leaky_relu", {"parameters": {"negative_slope": True}}, "parameters.negative_slope"),
        ("leaky_relu", {"parameters": {"negative_slope": [1]}}, "parameters.negative_slope"),
        ("leaky_relu", {"parameters": {"negative_slope": {"a": 1}}}, "parameters.negative_slope"),
        ("leaky_relu", {"parameters": {"negative_slope": 1e39}}, "parameters.negative_slope"),
        ("leaky_relu", {"parameters": {"negative_slope": "Infinity"}}, "parameters.negative_slope"),
        ("leaky_relu", {"parameters": {"negative_slope": 10**400}}, "parameters.negative_slope"),
        ("leaky_relu", {"parameters": [1]}, "parameters"),
        ("leaky_relu", {"parameters": None}, "parameters"),
        ("softmax", {"parameters": {"dim": 1}}, "parameters.dim"),
        ("softmax", {"parameters": {"dim": -2}}, "parameters.dim"),
        ("softmax", {"parameters": {"dim": 0.0}}, "parameters.dim"),
        ("softmax", {"parameters": {"dim": "0"}}, "parameters.dim"),
        ("softmax", {"parameters": {"dim": True}}, "parameters.dim"),
        ("softmax", {"parameters": {"dim": 10**30}}, "parameters.dim"),
        ("prelu", {"parameters": {"weight": [1, 2, 3]}}, "parameters.weight"),
        ("prelu", {"parameters": {"weight": []}}, "parameters.weight"),
        ("prelu", {"parameters": {"weight": [[1]]}}, "parameters.weight"),
        ("prelu", {"parameters": {"weight": "NaN"}}, "parameters.weight"),
        ("prelu", {"parameters": {"weight": [1, None]}}, "parameters.weight[1]"),
        ("relu", {"datatype": "INT8"}, "datatype"),
        ("relu", {"datatype": 32}, "datatype"),
        ("relu", {"datatype": None}, "datatype"),
        ("relu", {"datatype": ["FP32"]}, "datatype"),
        ("relu", {"color": 1}, "color"),
    ],
)
def test_wrong_member_is_422_at_its_path(
    client: TestClient, is_error: IsError, name: str, body: dict[str, Any], path: str
) -> None:
    found = is_error(activate(client, name, [1, 2], **body), 422)
    assert found["details"][0]["path"] == path


@pytest.mark.parametrize(
    "query",
    [
        "negative_slope=",
        "negative_slope=NaN",
        "negative_slope=1e999",
        "negative_slope=0.1,%22other%22:2",
        "negative_slope=1}",
        "negative_slope=0.1&negative_slope=0.2",
        "slope=1",
        "datatype=FP8",
        "%ff=1",
        "negative_slope=%5B%5B%5B1",
    ],
)
def test_wrong_query_is_422(client: TestClient, is_error: IsError, npy: Npy, query: str) -> None:
    is_error(client.post(f"/activate/leaky_relu?{query}", json={"tensor": [1]}), 422)
    body = npy(np.zeros(1, np.float32))
    is_error(client.post(f"/activate/leaky_relu?{query}", content=body, headers={"content-type": NPY}), 422)


def test_parameter_in_body_and_query_is_422(client: TestClient, is_error: IsError) -> None:
    body = {"tensor": [1], "parameters": {"negative_slope": 1}}
    is_error(client.post("/activate/leaky_relu?negative_slope=1", json=body), 422)


@pytest.mark.parametrize(
    ("tensor", "datatype"),
    [
        (None, "FP32"),
        ("abc", "FP32"),
        ({}, "FP32"),
        ([1, None], "FP32"),
        ([[1], [1, 2]], "FP32"),
        ([1, [2, 3], []], "FP32"),
        ([1e39], "FP32"),
        ([70000], "FP16"),
        ([10**400], "FP64"),
        ([True], "FP64"),
    ],
)
def test_wrong_tensor_is_422(client: TestClient, is_error: IsError, tensor: Any, datatype: str) -> None:
    is_error(activate(client, "relu", tensor, datatype=datatype), 422)
    is_error(client.post("/activate/relu", json={"datatype": datatype}), 422)


def test_special_values_go_in_and_out_as_strings(client: TestClient) -> None:
    answer = activate(client, "relu", ["NaN", "Infinity", "-Infinity", -0.5])
    assert answer.json()["tensor"] == ["NaN", "Infinity", 0, 0]
    assert b"null" not in answer.content


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_npy_is_computed_in_its_own_type(client: TestClient, npy: Npy, dtype: str) -> None:
    answer = client.post(
        "/activate/tanh", content=npy(np.array([[0.5]], dtype)), headers={"content-type": NPY, "accept": "*/*"}
    )
    assert loaded(answer).dtype == np.dtype(dtype)
    name = {"f2": "FP16", "f4": "FP32", "f8": "FP64"}[dtype]
    as_json = client.post(
        f"/activate/tanh?datatype={name}",
        content=npy(np.array([[0.5]], dtype)),
        headers={"content-type": NPY, "accept": JSON},
    )
    assert as_json.json()["datatype"] == name
    assert as_json.json()["tensor"][0][0] == pytest.approx(math.tanh(0.5), rel=1e-3)


def test_npy_of_bfloat16_is_computed_in_bfloat16(client: TestClient, npy: Npy) -> None:
    import ml_dtypes

    answer = client.post(
        "/activate/leaky_relu?negative_slope=0.5",
        content=npy(np.array([-1, 2], ml_dtypes.bfloat16)),
        headers={"content-type": NPY},
    )
    assert loaded(answer).view(ml_dtypes.bfloat16).tolist() == [-0.5, 2]


@pytest.mark.parametrize("dtype", ["i8", "?", "u1"])
def test_npy_that_is_no_float_is_422(client: TestClient, is_error: IsError, npy: Npy, dtype: str) -> None:
    content = npy(np.zeros(2, dtype))
    is_error(client.post("/activate/relu", content=content, headers={"content-type": NPY}), 422)


def test_npy_with_another_datatype_in_the_query_is_422(client: TestClient, is_error: IsError, npy: Npy) -> None:
    content = npy(np.zeros(2, np.float32))
    is_error(client.post("/activate/relu?datatype=FP64", content=content, headers={"content-type": NPY}), 422)


@pytest.mark.parametrize("content_type", ["application/octet-stream", "image/png", "text/plain", ""])
def test_other_content_type_is_415(client: TestClient, is_error: IsError, content_type: str) -> None:
    is_error(client.post("/activate/relu", content=b"[1]", headers={"content-type": content_type}), 415)


@pytest.mark.parametrize("name", ["nothing", "fashion_mnist", "RELU", "relu/", "relu%00"])
def test_what_is_no_activation_is_404(client: TestClient, is_error: IsError, name: str) -> None:
    is_error(client.post(f"/activate/{name}", json={"tensor": 1}), 404)


def test_aliases_are_the_same_activation(client: TestClient) -> None:
    assert activate(client, "LeakyRelu", [-1]).json() == activate(client, "leaky_relu", [-1]).json()


def test_activation_is_a_model_too(client: TestClient) -> None:
    answer = client.post("/predict/relu", json={"inputs": {"x": [[-1, 2]]}})
    assert answer.json()["outputs"]["y"] == [[0, 2]]


def test_overridden_parameters_are_not_joined_with_others(client: TestClient) -> None:
    first = activate(client, "leaky_relu", [-1], parameters={"negative_slope": 0.5}).json()["tensor"]
    second = activate(client, "leaky_relu", [-1]).json()["tensor"]
    assert (first, second) == ([-0.5], [-0.01])
