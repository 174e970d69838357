"""The user's folder of models: what is whole is served, what is broken is named, and nothing tells of the machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper


def adding_model(amount: float, opset: int = 17, ir_version: int = 9) -> onnx.ModelProto:
    """y = x + amount, for x [n, 3]."""
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "amount"], ["y"])],
        "adding",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor("amount", TensorProto.FLOAT, [], [amount])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)


@pytest.fixture
def folder(tmp_path: Path, shipped: Path) -> Path:
    """Good models and every kind of broken one."""
    models = tmp_path / "secret-place" / "models"
    for version, amount in (("1", 1), ("2", 2), ("10", 10)):
        (models / "adding" / version).mkdir(parents=True)
        onnx.save(adding_model(amount), models / "adding" / version / "model.onnx")
    onnx.save(adding_model(0.5), models / "plain.onnx")
    whole = (shipped / "fashion_mnist" / "1" / "model.onnx").read_bytes()
    (models / "half.onnx").write_bytes(whole[: len(whole) // 2])
    (models / "corrupt.onnx").write_bytes(bytes(200) + whole[200:])
    (models / "empty.onnx").write_bytes(b"")
    (models / "text.onnx").write_text("not a model")
    onnx.save(adding_model(1, ir_version=99), models / "newer.onnx")
    onnx.save(adding_model(1), models / "relu.onnx")  # the name of an activation
    onnx.save(adding_model(1), models / "toml.onnx")
    (models / "toml.toml").write_text("this is = = not TOML")
    outside = adding_model(1)
    weight = outside.graph.initializer[0]
    weight.ClearField("float_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="../../../../etc/passwd")
    (models / "outside.onnx").write_bytes(outside.SerializeToString())
    return models


BROKEN = {"half", "corrupt", "empty", "text", "newer", "toml", "outside"}


def test_broken_models_are_named_and_the_others_served(serve: Any, folder: Path) -> None:
    server = serve("--models", str(folder))
    rows = {"instances": [[1, 2, 3]]}
    assert server.post("/predict/plain", rows).json()["predictions"] == [[1.5, 2.5, 3.5]]
    assert server.post("/predict/adding", rows).json()["predictions"] == [[11, 12, 13]]
    assert server.post("/predict/adding?version=2", rows).json()["predictions"] == [[3, 4, 5]]
    assert server.post("/predict", {"instances": [[0] * 784]}).status == 200
    assert server.post("/activate/relu", {"tensor": [-1]}).json()["tensor"] == [0]

    listed = {model["name"]: model for model in server.get("/models").json()["models"]}
    assert {name for name, model in listed.items() if model["state"] == "broken"} == BROKEN
    assert all(listed[name]["reasons"]["1"] for name in BROKEN)
    assert listed["adding"]["versions"] == ["10", "2", "1"]
    assert "99" in listed["newer"]["reasons"]["1"]

    ready = server.get("/health/ready")
    assert ready.status == 503
    problems = " ".join(detail["got"] for detail in ready.json()["details"])
    assert all(f"`{name}`" in problems for name in BROKEN | {"relu"})
    assert server.get("/health/live").status == 200
    for name in BROKEN:
        refused = server.post(f"/predict/{name}", rows)
        assert refused.status == 503
        assert refused.headers["retry-after"]

    paths = ["/models", "/health/ready", "/metrics", "/openapi.json", "/", *(f"/models/{name}" for name in listed)]
    answers = [server.get(path).body for path in paths]
    answers += [server.post(f"/predict/{name}", rows).body for name in listed]
    for answer in answers:
        assert b"secret-place" not in answer
        assert str(folder.parent).encode() not in answer
        assert b"/etc/passwd" not in answer
        assert b"onnxruntime/core" not in answer


def test_graph_that_refuses_values_is_422_and_names_no_path(serve: Any, tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "index"], ["y"])],
        "gather",
        [helper.make_tensor_value_info("index", TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])],
        [helper.make_tensor("table", TensorProto.FLOAT, [3], [1, 2, 3])],
    )
    models = tmp_path / "secret-place"
    models.mkdir()
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), models / "gather.onnx"
    )
    server = serve("--models", str(models))
    assert server.post("/predict/gather", {"inputs": [2, 0]}).json()["outputs"] == [3, 1]
    refused = server.post("/predict/gather", {"inputs": [7]})
    assert refused.status == 422
    assert b"secret-place" not in refused.body
    assert b".cc" not in refused.body
    assert server.post("/predict/gather", {"inputs": [9223372036854775808]}).status == 422


def test_own_model_takes_the_place_of_a_shipped_one(serve: Any, tmp_path: Path, npy: Callable[..., bytes]) -> None:
    models = tmp_path / "own"
    models.mkdir()
    onnx.save(adding_model(4), models / "fashion_mnist.onnx")
    server = serve("--models", str(models))
    answer = server.post("/predict", npy(np.zeros((2, 3), np.float32)), "application/x-npy")
    assert answer.array().tolist() == [[4, 4, 4]] * 2
