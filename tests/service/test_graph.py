"""What only the file itself tells."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

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


WEIGHT = np.arange(4, dtype=np.float32)


def outside(path: Path, location: str, where: str = "initializer") -> Path:
    """y = x + weight, the weight in another file; where its tensor stands in the graph is for the test to say."""
    weight = numpy_helper.from_array(WEIGHT, "weight")
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value=location)
    add = helper.make_node("Add", ["x", "weight"], ["y"])
    constant = helper.make_node("Constant", [], ["weight"], value=weight)
    ends = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, [4])] for name in ("x", "y")]
    nodes, weights = ([add], [weight]) if where == "initializer" else ([constant, add], [])
    if where == "branch":
        y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [4])
        branch = helper.make_graph([constant, add], "branch", [], [y])
        nodes = [
            helper.make_node("Constant", [], ["true"], value=numpy_helper.from_array(np.array(True))),
            helper.make_node("If", ["true"], ["y"], then_branch=branch, else_branch=branch),
        ]
    made = helper.make_graph(nodes, "g", *ends, weights)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
    return path


def answers(path: Path) -> bool:
    return bool((Session(path, Runtime()).run({"x": np.zeros(4, np.float32)}, ["y"])[0] == WEIGHT).all())


@pytest.mark.parametrize("where", ["initializer", "constant", "branch"])
@pytest.mark.parametrize("location", ["model.onnx.data", "below/weights.bin"])
def test_data_beside_the_model_is_read(tmp_path: Path, location: str, where: str) -> None:
    path = outside(tmp_path / "model.onnx", location, where)
    (tmp_path / "below").mkdir()
    (tmp_path / location).write_bytes(WEIGHT.tobytes())
    assert graph.external_files(path) == [location]
    assert answers(path)


@pytest.mark.parametrize("where", ["initializer", "constant", "branch"])
@pytest.mark.parametrize("kind", ["..", "absolute", "link", "folder link", "nothing"])
def test_data_outside_of_the_folder_is_refused(tmp_path: Path, kind: str, where: str) -> None:
    secret = tmp_path / "elsewhere" / "weights.bin"
    secret.parent.mkdir()
    secret.write_bytes(WEIGHT.tobytes())
    locations = {"..": "../elsewhere/weights.bin", "absolute": str(secret), "folder link": "below/weights.bin"}
    path = outside(tmp_path / "model" / "model.onnx", locations.get(kind, "" if kind == "nothing" else "w"), where)
    (path.parent / "w").symlink_to(secret)
    (path.parent / "below").symlink_to(secret.parent)
    with pytest.raises(ModelError, match=r"^it wants data from outside of its folder, which is never read\.$"):
        graph.check_external(path)
    with pytest.raises(ModelError, match="outside of its folder"):
        Session(path, Runtime())


def test_data_is_found_through_the_links_of_a_mounted_volume(tmp_path: Path) -> None:
    outside(tmp_path / "..2026_01_01" / "model.onnx", "model.onnx.data")
    (tmp_path / "..2026_01_01" / "model.onnx.data").write_bytes(WEIGHT.tobytes())
    (tmp_path / "..data").symlink_to("..2026_01_01")
    for name in ("model.onnx", "model.onnx.data"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    assert answers(tmp_path / "model.onnx")


def test_data_is_found_through_the_links_of_a_model_hub(tmp_path: Path) -> None:
    outside(tmp_path / "blobs" / "4f2a", "model.onnx.data")
    (tmp_path / "blobs" / "99ce").write_bytes(WEIGHT.tobytes())
    snapshot = tmp_path / "snapshots" / "main"
    snapshot.mkdir(parents=True)
    (snapshot / "model.onnx").symlink_to("../../blobs/4f2a")
    (snapshot / "model.onnx.data").symlink_to("../../blobs/99ce")
    assert answers(snapshot / "model.onnx")


def test_missing_and_short_data_are_told(tmp_path: Path) -> None:
    path = outside(tmp_path / "model.onnx", "weights.bin")
    with pytest.raises(ModelError, match=r"^its data file `weights.bin` is missing\.$"):
        Session(path, Runtime())
    (tmp_path / "weights.bin").write_bytes(WEIGHT.tobytes()[:7])
    with pytest.raises(ModelError, match=r"file_length: 7") as error:
        Session(path, Runtime())
    assert str(tmp_path) not in str(error.value)


def test_model_without_external_data_does_not_cost_the_import_of_onnx(tmp_path: Path) -> None:
    path = write(tmp_path / "model.onnx", [2])
    script = f"""
import sys, pathlib
from service.session import Runtime, Session
Session(pathlib.Path({str(path)!r}), Runtime())
assert "onnx" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], check=True, timeout=60)


def test_key_is_found_where_two_pieces_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = outside(tmp_path / "model.onnx", "weights.bin")
    for size in range(1, 40):
        monkeypatch.setattr(graph, "PIECE_BYTES", size)
        assert graph.external_files(path) == ["weights.bin"]
