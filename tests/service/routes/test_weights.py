"""`GET /models/{model}/weights` against the file itself, for every way in which a graph can hold a matrix."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from jsonschema import Draft202012Validator
from onnx import TensorProto, helper, numpy_helper
from starlette.testclient import TestClient

JSON, NPY = "application/json", "application/x-npy"
ASSETS = Path(__file__).parents[2] / "assets"
W = np.arange(15, dtype=np.float32).reshape(3, 5)  # [in, unit]
BIAS = np.ones(5, np.float32)


def initializers(path: Path) -> dict[str, np.ndarray]:
    return {one.name: numpy_helper.to_array(one) for one in onnx.load(path).graph.initializer}


def test_weights_are_those_of_the_file(client: TestClient, shipped: Path) -> None:
    known = initializers(shipped / "fashion_mnist" / "1" / "model.onnx")
    answer = client.get("/models/fashion_mnist/weights?node=relu").json()
    assert (answer["operator"], answer["tensor"], answer["shape"]) == ("Gemm", "fc1.weight", [128, 784])
    assert np.array_equal(np.array(answer["weights"], np.float32), known["fc1.weight"])
    one = client.get("/models/fashion_mnist/weights?node=relu&unit=5").json()
    assert (one["unit"], one["shape"]) == (5, [784])
    assert np.array_equal(np.array(one["weights"], np.float32), known["fc1.weight"][5])
    votes = client.get("/models/fashion_mnist/weights?node=softmax", headers={"accept": NPY})
    assert votes.headers["content-type"] == NPY
    assert np.array_equal(np.load(io.BytesIO(votes.content)), known["fc2.weight"])


def test_every_shipped_network_tells_both_layers(client: TestClient) -> None:
    for model in client.get("/models").json()["models"]:
        if model["name"].startswith(("digits", "fashion_mnist")):
            told = client.post(f"/diagnose/{model['name']}", json={"instances": [[0.5] * 784]}).json()
            shapes = [
                client.get(f"/models/{model['name']}/weights", params={"node": layer["node"]}).json()["shape"]
                for layer in told["layers"]
            ]
            assert shapes == [[128, 784], [10, 128]], model["name"]


def dense(nodes: list[Any], constants: dict[str, np.ndarray], units: int = 5) -> Any:
    """A graph from x [n, 3] over h [n, units] to y, its Relu."""
    sizes = {"x": 3, "y": units}
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", size]) for name, size in sizes.items()]
    relu = helper.make_node("Relu", ["h"], ["y"], name="relu")
    held = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph([*nodes, relu], "graph", ends[:1], ends[1:], held)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


NODE = helper.make_node
FORMS = {
    "product": ([NODE("MatMul", ["x", "w"], ["h"])], {"w": W}),
    "product and sum": ([NODE("MatMul", ["x", "w"], ["m"]), NODE("Add", ["b", "m"], ["h"])], {"w": W, "b": BIAS}),
    "transposed by Gemm": ([NODE("Gemm", ["x", "w", "b"], ["h"], transB=1)], {"w": W.T.copy(), "b": BIAS}),
    "as Gemm has it": ([NODE("Gemm", ["x", "w", "b"], ["h"])], {"w": W, "b": BIAS}),
    "transposed before": (
        [NODE("Transpose", ["v"], ["w"], perm=[1, 0]), NODE("MatMul", ["x", "w"], ["h"])],
        {"v": W.T.copy()},
    ),
    "constant": (
        [NODE("Constant", [], ["w"], value=numpy_helper.from_array(W, "value")), NODE("MatMul", ["x", "w"], ["h"])],
        {},
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_matrix_is_found_however_it_is_held(tmp_path: Path, start: Any, form: str) -> None:
    onnx.save(dense(*FORMS[form]), tmp_path / "own.onnx")
    answer = start(models=tmp_path).get("/models/own/weights?node=relu").json()
    assert answer["weights"] == W.T.tolist()


def test_filters_and_data_in_other_files_are_read(tmp_path: Path, start: Any) -> None:
    for file in ASSETS.glob("torch_picture.onnx*"):
        shutil.copy(file, tmp_path)
    known = initializers(ASSETS / "torch_picture.onnx")
    answer = start(models=tmp_path).get("/models/torch_picture/weights?node=node_relu").json()
    assert answer["operator"] == "Conv"
    assert np.array_equal(np.array(answer["weights"], np.float32), known[answer["tensor"]])


@pytest.mark.parametrize(
    ("nodes", "units"),
    [
        ([NODE("Identity", ["x"], ["h"])], 3),
        ([NODE("Mul", ["x", "ones"], ["h"])], 3),
        ([NODE("MatMul", ["x", "w"], ["m"]), NODE("Add", ["m", "m"], ["h"])], 5),
    ],
)
def test_what_is_no_product_with_constants_is_404(
    tmp_path: Path, start: Any, is_error: Any, nodes: list[Any], units: int
) -> None:
    model = dense(nodes, {"w": W, "ones": np.ones(3, np.float32)}, units)
    onnx.save(model, tmp_path / "own.onnx")
    is_error(start(models=tmp_path).get("/models/own/weights?node=relu"), 404)


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("", "query.node"),
        ("node=fc1", "query.node"),
        ("node=relu&unit=128", "query.unit"),
        ("node=relu&unit=-1", "query.unit"),
        ("node=relu&unit=x", "query.unit"),
        ("node=relu&units=1", "query.units"),
    ],
)
def test_question_that_has_no_answer_is_422(client: TestClient, is_error: Any, query: str, path: str) -> None:
    body = is_error(client.get(f"/models/fashion_mnist/weights?{query}"), 422)
    assert body["details"][0]["path"] == path


def test_more_than_a_million_weights_are_told_unit_by_unit(tmp_path: Path, start: Any, is_error: Any) -> None:
    wide = np.zeros((3, 400_000), np.float32)
    wide[:, 7] = 1, 2, 3
    onnx.save(dense([NODE("MatMul", ["x", "w"], ["h"])], {"w": wide}, 400_000), tmp_path / "own.onnx")
    client = start(models=tmp_path)
    is_error(client.get("/models/own/weights?node=relu"), 422)
    assert client.get("/models/own/weights?node=relu&unit=7").json()["weights"] == [1, 2, 3]


def test_answer_fits_its_schema(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    answers = document["paths"]["/models/{model}/weights"]["get"]["responses"]["200"]["content"]
    check = Draft202012Validator({**document, **answers[JSON]["schema"]}).validate
    check(client.get("/models/digits/weights?node=relu&unit=0").json())


def test_file_that_is_gone_is_503(tmp_path: Path, start: Callable[..., TestClient], is_error: Any) -> None:
    file = tmp_path / "own.onnx"
    onnx.save(dense(*FORMS["product"]), file)
    client = start(models=tmp_path)
    assert client.get("/models/own/weights?node=relu").status_code == 200
    file.unlink()
    assert is_error(client.get("/models/own/weights?node=relu"), 503)
