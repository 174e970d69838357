"""What only the file itself tells."""

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from service import graph
from service.errors import ModelError
from service.session import Runtime, Session


def write(path: Path, shape: list[int | str] | None) -> Path:
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)
    made = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [value], [out])
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.save(model, str(path))
    return path


def test_session_tells_a_scalar_from_an_unknown_rank(tmp_path: Path) -> None:
    scalar = Session(write(tmp_path / "scalar.onnx", []), Runtime())
    unknown = Session(write(tmp_path / "unknown.onnx", None), Runtime())
    assert scalar.inputs[0].shape == ()
    assert unknown.inputs[0].shape is None
    assert unknown.outputs[0].shape is None


def test_versions_tell_ir_opset_and_nodes(tmp_path: Path) -> None:
    assert graph.versions(write(tmp_path / "m.onnx", [2])) == "IR version 10, opset ai.onnx 21, 1 nodes"


def test_versions_of_what_is_no_model_are_refused(tmp_path: Path) -> None:
    (tmp_path / "no.onnx").write_bytes(b"abc" * 100)
    with pytest.raises(ModelError, match="not an ONNX file"):
        graph.versions(tmp_path / "no.onnx")
