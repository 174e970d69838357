"""`actserve check` and `actserve models`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from service.cli import main


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments)])


def test_good_file_is_described_with_an_example(shipped: Path) -> None:
    done = run("check", shipped / "fashion_mnist" / "1" / "model.onnx")
    assert done.exit_code == 0, done.output
    assert "IR version 9" in done.output
    assert "opset ai.onnx" in done.output
    assert "input FP32 [batch, 784]" in done.output
    assert "/predict/fashion_mnist" in done.output
    assert "on: the model says" in done.output


def test_example_can_be_pasted(folder: Path) -> None:
    done = run("check", folder / "adder.onnx")
    body = done.output.partition("--json '")[2].partition("'")[0]
    assert json.loads(body) == {"inputs": {"a": [[0, 0]], "b": [[0, 0]]}}


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("same_fp32", "equal to the bit: add"),
        ("same_int64", "equal to the bit: add"),
        ("same_bytes", "equal to the bit: add"),
        ("two_outputs", "equal to the bit: add"),
        ("adder", "equal to the bit: add"),
        ("mean", "differ"),
        ("total", "differ"),
        ("scalar", "no rows"),
        ("free", "no rows"),
        ("fixed", "no rows"),
    ],
)
def test_joining_is_tried_on_random_rows(folder: Path, model: str, says: str) -> None:
    done = run("check", folder / f"{model}.onnx")
    assert done.exit_code == 0, done.output
    assert says in done.output


def test_rows_that_cannot_be_run_say_so(graphs: Any, tmp_path: Path) -> None:
    from onnx import helper

    nodes = [helper.make_node("Reshape", ["x", "shape"], ["y"])]
    import numpy as np

    path = graphs.write(
        tmp_path / "one.onnx", nodes, [("x", 1, ["n", 2])], [("y", 1, [1, 2])], {"shape": np.array([1, 2])}
    )
    done = run("check", path)
    assert done.exit_code == 0, done.output
    assert "could not be run" in done.output


@pytest.mark.parametrize("content", [b"", b"this is no graph"])
def test_what_is_no_graph_is_status_1(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.onnx").write_bytes(content)
    done = run("check", tmp_path / "x.onnx")
    assert done.exit_code == 1
    assert "Traceback" not in done.output


def test_graph_that_is_not_served_says_why(graphs: Any, tmp_path: Path) -> None:
    done = run("check", graphs.sequence(tmp_path / "x.onnx"))
    assert done.exit_code == 1
    assert "not served" in done.output
    assert "seq" in done.output


def test_file_in_a_repository_has_its_folders_name(graphs: Any, tmp_path: Path) -> None:
    assert "/predict/mine " in run("check", graphs.identity(tmp_path / "mine/3/model.onnx", 1, ["n"])).output
    assert "/predict/own " in run("check", graphs.identity(tmp_path / "own/model.onnx", 1, ["n"])).output


def test_long_example_is_written_by_python_from_its_shape(graphs: Any, tmp_path: Path) -> None:
    output = run("check", graphs.identity(tmp_path / "x.onnx", 1, ["n", 1000])).output
    script = output.split("python3 -c '")[1].split("'")[0]
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert json.loads(printed) == {"inputs": [[0.0] * 1000]}


@pytest.mark.parametrize(("name", "reason"), [("relu", "reserved"), ("my model", "no name for a model")])
def test_name_that_no_repository_takes_is_not_served(graphs: Any, tmp_path: Path, name: str, reason: str) -> None:
    done = run("check", graphs.identity(tmp_path / f"{name}.onnx", 1, ["n", 2]))
    assert done.exit_code == 1
    assert reason in done.output


def test_models_lists_what_is_served_and_what_is_broken(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"x")
    done = run("models", "--models", tmp_path)
    assert done.exit_code == 0
    assert "fashion_mnist  version 1  CPUExecutionProvider  input FP32 [batch, 784] → " in done.output
    assert "broken  version 1  broken: " in done.output
    assert "relu" in done.output.splitlines()[-1]


def test_cuda_without_cuda_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"instances": []}')
    done = run("predict", "digits", tmp_path / "x.json", "--providers", "cuda")
    assert done.exit_code == 1
    assert "onnxruntime-gpu" in done.stderr
    assert done.stderr.count("\n") == 1


def test_help_lists_every_command() -> None:
    done = run("--help")
    for command in ("serve", "predict", "activate", "models", "check"):
        assert command in done.output
    assert run("nothing").exit_code == 2
    assert run("--version").output.startswith("actserve, version ")


ASSETS = Path(__file__).parents[2] / "assets"


def test_output_that_cannot_be_carried_is_told() -> None:
    done = run("check", ASSETS / "iris_two_classifiers.onnx")
    assert done.exit_code == 0
    assert "left out     probabilities: a seq(tensor(float)), which no tensor protocol can carry" in done.output


def test_long_example_has_the_values_that_the_graph_takes(graphs: Any, tmp_path: Path) -> None:
    from onnx import TensorProto, helper

    node = helper.make_node("Div", ["a", "b"], ["y"])
    ends = ([(name, TensorProto.INT64, [300]) for name in "ab"], [("y", TensorProto.INT64, [300])])
    output = run("check", graphs.write(tmp_path / "x.onnx", [node], *ends)).output
    script = output.split("python3 -c '")[1].split("'")[0]
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert json.loads(printed)["inputs"]["b"] == [1] * 300


def test_graph_that_takes_none_of_the_values_tried_is_served_all_the_same(graphs: Any, tmp_path: Path) -> None:
    from onnx import TensorProto, helper

    nodes = [helper.make_node("Add", ["x", "far"], ["i"]), helper.make_node("Gather", ["table", "i"], ["y"])]
    ends = ([("x", TensorProto.INT64, ["n"])], [("y", TensorProto.FLOAT, ["n"])])
    constants = {"table": np.zeros(5, np.float32), "far": np.array(-(10**6))}
    done = run("check", graphs.write(tmp_path / "x.onnx", nodes, *ends, constants))
    assert done.exit_code == 0
    assert "served as    x INT64 [n] → y FP32 [n]" in done.output
    assert "no values were found that it takes: The model cannot compute these values" in done.output
