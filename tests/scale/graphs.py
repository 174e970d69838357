"""The models that the hosts serve beside the shipped ones."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 448
FLOAT = TensorProto.FLOAT


def write_scaled(folder: Path, version: int) -> None:
    """`scaled`: rows of four values times the version's number, so that an answer tells who made it."""
    factor = numpy_helper.from_array(np.float32(version), "factor")
    nodes = [helper.make_node("Mul", ["x", "factor"], ["y"])]
    graph = helper.make_graph(nodes, "scaled", [_value("x", ["n", 4])], [_value("y", ["n", 4])], [factor])
    _save(graph, folder / "scaled" / str(version) / "model.onnx", {"batching": "rows"})


def write_slow(folder: Path, products: int) -> None:
    """`slow`: gives its number back after so many products of matrices."""
    weights = numpy_helper.from_array(np.full((SIDE, SIDE), 1 / SIDE, np.float32), "weights")
    ones = numpy_helper.from_array(np.ones((SIDE, SIDE), np.float32), "ones")
    names = [f"m{step}" for step in range(products + 1)]
    nodes = [helper.make_node("Mul", ["x", "ones"], [names[0]])]
    nodes += [helper.make_node("MatMul", [before, "weights"], [after]) for before, after in pairwise(names)]
    nodes += [helper.make_node("ReduceMean", [names[-1]], ["y"], keepdims=0)]
    graph = helper.make_graph(nodes, "slow", [_value("x", [1])], [_value("y", [])], [weights, ones])
    _save(graph, folder / "slow" / "1" / "model.onnx", {})


def _value(name: str, shape: list[str | int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, FLOAT, shape)


def _save(graph: onnx.GraphProto, path: Path, properties: dict[str, str]) -> None:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, properties)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)


def scaled_request(rows: int, seed: int) -> tuple[np.ndarray, bytes]:
    """Values that are exact in every version, and the body that posts them."""
    values = np.random.default_rng(seed).integers(1, 1000, (rows, 4)).astype(np.float32)
    tensor = {"name": "x", "datatype": "FP32", "shape": [rows, 4], "data": values.reshape(-1).tolist()}
    return values, json.dumps({"inputs": [tensor]}).encode()
