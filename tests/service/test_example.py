"""Values that a graph can compute, found from its inputs alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from service import example
from service.errors import Internal
from service.session import Runtime, Session

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def session(graphs: Any, path: Path, node: Any, inputs: list[Any], output: int = FLOAT, **constants: Any) -> Session:
    return Session(graphs.write(path / "x.onnx", [node], inputs, [("y", output)], constants), Runtime())


def test_zeros_are_first_with_one_row_and_equal_symbols(graphs: Any, tmp_path: Path) -> None:
    node = helper.make_node("Concat", ["a", "b"], ["y"], axis=1)
    found = session(graphs, tmp_path, node, [("a", FLOAT, ["n", "m"]), ("b", FLOAT, ["n", 3])])
    made = example.find(found, 10)
    assert made.refusal is None
    assert {name: (array.shape, array.any()) for name, array in made.feeds.items()} == {
        "a": ((1, 1), False),
        "b": ((1, 3), False),
    }


@pytest.mark.parametrize(
    ("node", "inputs", "output"),
    [
        (helper.make_node("Div", ["a", "b"], ["y"]), [("a", INT64, ["n"]), ("b", INT64, ["n"])], INT64),
        (helper.make_node("Reshape", ["a", "b"], ["y"]), [("a", FLOAT, [2, 3, 4]), ("b", INT64, [2])], FLOAT),
        (helper.make_node("Unsqueeze", ["a", "b"], ["y"]), [("a", FLOAT, [2, 3]), ("b", INT64, [3])], FLOAT),
        (helper.make_node("Split", ["a", "b"], ["y", "z"]), [("a", FLOAT, [6]), ("b", INT64, [2])], FLOAT),
        (
            helper.make_node("AveragePool", ["a"], ["y"], kernel_shape=[20, 20]),
            [("a", FLOAT, ["n", 3, "h", "w"])],
            FLOAT,
        ),
    ],
    ids=["divisor", "shape", "axes", "parts", "picture"],
)
def test_graph_that_refuses_zeros_is_given_what_it_takes(
    graphs: Any, tmp_path: Path, node: Any, inputs: list[Any], output: int
) -> None:
    found = session(graphs, tmp_path, node, inputs, output)
    made = example.find(found, 10)
    assert made.refusal is None
    found.run(made.feeds, ["y"])
    assert example.find(found, 10).feeds.keys() == made.feeds.keys()
    again = example.find(found, 10).feeds
    assert all(array.tobytes() == again[name].tobytes() for name, array in made.feeds.items())


def test_graph_for_which_nothing_is_found_says_why(graphs: Any, tmp_path: Path) -> None:
    node = helper.make_node("Gather", ["table", "index"], ["y"])
    inputs = [("index", INT64, [20])]
    nodes = [
        helper.make_node("Add", ["index", "far"], ["moved"]),
        helper.make_node("Gather", ["table", "moved"], ["y"]),
    ]
    constants = {"table": np.zeros(5, np.float32), "far": np.array(10**6)}
    path = graphs.write(tmp_path / "x.onnx", nodes, inputs, [("y", FLOAT)], constants)
    made = example.find(Session(path, Runtime()), 10)
    assert made.refusal is not None
    assert "1000000" in made.refusal
    assert not made.feeds["index"].any()
    assert example.find(session(graphs, tmp_path, node, inputs, table=constants["table"]), 10).refusal is None


def test_first_run_is_ended_in_time(graphs: Any, tmp_path: Path) -> None:
    body = helper.make_graph(
        [helper.make_node("Identity", ["go_on"], ["again"]), helper.make_node("Identity", ["before"], ["after"])],
        "body",
        [
            helper.make_tensor_value_info("step", INT64, []),
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("before", FLOAT, []),
        ],
        [
            helper.make_tensor_value_info("again", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", FLOAT, []),
        ],
    )
    node = helper.make_node("Loop", ["", "true", "x"], ["y"], body=body)
    found = session(graphs, tmp_path, node, [("x", FLOAT, [])], true=np.array(True))
    made = example.find(found, 0.05)
    assert made.refusal == "Zeros take it longer than 0.05 s."


def test_machine_that_fails_is_no_refusal(graphs: Any, tmp_path: Path) -> None:
    nodes = [helper.make_node("Add", ["x", "huge"], ["shape"]), helper.make_node("ConstantOfShape", ["shape"], ["y"])]
    constants = {"huge": np.array([2**20, 2**20, 2**10])}
    path = graphs.write(tmp_path / "x.onnx", nodes, [("x", INT64, [3])], [("y", FLOAT)], constants)
    with pytest.raises(Internal):
        example.find(Session(path, Runtime()), 10)
