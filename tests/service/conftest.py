"""Small ONNX models of all kinds, and the application in this process with them in its folder."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from starlette.testclient import TestClient

from service.app import create_app
from service.session import Runtime
from service.settings import Settings

FLOAT, INT64, STRING, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING, TensorProto.BOOL
Ends = Sequence[tuple[Any, ...]]


class Graphs:
    """Writes graphs. An end is (name, type) for a tensor of unknown rank, or (name, type, shape)."""

    @staticmethod
    def write(
        path: Path,
        nodes: Sequence[onnx.NodeProto],
        inputs: Ends,
        outputs: Ends,
        constants: Mapping[str, np.ndarray] = {},
        properties: Mapping[str, str] = {},
        opset: int = 21,
        ir_version: int = 10,
    ) -> Path:
        graph = helper.make_graph(
            nodes,
            "graph",
            [helper.make_tensor_value_info(name, kind, *(shape or [None])) for name, kind, *shape in inputs],
            [helper.make_tensor_value_info(name, kind, *(shape or [None])) for name, kind, *shape in outputs],
            [numpy_helper.from_array(array, name) for name, array in constants.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)
        helper.set_model_props(model, dict(properties))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(model.SerializeToString())
        return path

    def identity(self, path: Path, kind: int, shape: Sequence[Any], **properties: str) -> Path:
        node = helper.make_node("Identity", ["x"], ["y"])
        return self.write(path, [node], [("x", kind, shape)], [("y", kind, shape)], properties=properties)

    def adder(self, path: Path, **options: Any) -> Path:
        """Two inputs whose symbolic dimensions must be equal."""
        node = helper.make_node("Add", ["a", "b"], ["sum"])
        ends = [("a", FLOAT, ["n", 2]), ("b", FLOAT, ["n", 2])]
        return self.write(path, [node], ends, [("sum", FLOAT, ["n", 2])], **options)

    def two_outputs(self, path: Path, **properties: str) -> Path:
        nodes = [helper.make_node("Neg", ["x"], ["negated"]), helper.make_node("Exp", ["x"], ["power"])]
        outputs = [("negated", FLOAT, ["n", 2]), ("power", FLOAT, ["n", 2])]
        return self.write(path, nodes, [("x", FLOAT, ["n", 2])], outputs, properties=properties)

    def mean(self, path: Path, **properties: str) -> Path:
        """Mixes rows: each minus the mean over the batch."""
        nodes = [
            helper.make_node("ReduceMean", ["x", "axes"], ["mean"], keepdims=1),
            helper.make_node("Sub", ["x", "mean"], ["y"]),
        ]
        ends = ([("x", FLOAT, ["n", 2])], [("y", FLOAT, ["n", 2])])
        return self.write(path, nodes, *ends, {"axes": np.array([0])}, properties)

    def total(self, path: Path, **properties: str) -> Path:
        """One scalar for a whole batch: answers without rows."""
        node = helper.make_node("ReduceSum", ["x"], ["y"], keepdims=0)
        return self.write(path, [node], [("x", FLOAT, ["n", 2])], [("y", FLOAT, [])], properties=properties)

    def lookup(self, path: Path, **properties: str) -> Path:
        """Row i of a table of five; any other index is refused by the runtime."""
        node = helper.make_node("Gather", ["table", "index"], ["y"])
        table = np.arange(5, dtype=np.float32) * 10
        ends = ([("index", INT64, ["n"])], [("y", FLOAT, ["n"])])
        return self.write(path, [node], *ends, {"table": table}, properties)

    def loop(self, path: Path) -> Path:
        """Adds 1 to x as often as its first element says: as slow as one likes."""
        body = helper.make_graph(
            [
                helper.make_node("Add", ["value", "one"], ["next"]),
                helper.make_node("Identity", ["condition"], ["goes_on"]),
            ],
            "body",
            [
                helper.make_tensor_value_info("step", INT64, []),
                helper.make_tensor_value_info("condition", BOOL, []),
                helper.make_tensor_value_info("value", FLOAT, []),
            ],
            [
                helper.make_tensor_value_info("goes_on", BOOL, []),
                helper.make_tensor_value_info("next", FLOAT, []),
            ],
            [numpy_helper.from_array(np.array(1, np.float32), "one")],
        )
        node = helper.make_node("Loop", ["times", "", "start"], ["y"], body=body)
        ends = ([("times", INT64, []), ("start", FLOAT, [])], [("y", FLOAT, [])])
        return self.write(path, [node], *ends)

    def classifier(self, path: Path, kind: int = FLOAT, **properties: str) -> Path:
        """Its scores are its input: what the service makes of them is all there is to see."""
        node = helper.make_node("Identity", ["x"], ["scores"])
        metadata = {"task": "classification", "scores": "scores", "labels": json.dumps(["a", "b", "c"])} | properties
        ends = ([("x", kind, ["n", 3])], [("scores", kind, ["n", 3])])
        return self.write(path, [node], *ends, properties=metadata)

    def picture(self, path: Path, layout: Mapping[str, Any], shape: Sequence[Any]) -> Path:
        return self.identity(path, FLOAT, shape, image=json.dumps(layout))

    def offset(self, path: Path) -> Path:
        """x + bias, where a caller may override the bias."""
        node = helper.make_node("Add", ["x", "bias"], ["y"])
        ends = ([("x", FLOAT, ["n", 2]), ("bias", FLOAT, [2])], [("y", FLOAT, ["n", 2])])
        return self.write(path, [node], *ends, {"bias": np.zeros(2, np.float32)})

    def sequence(self, path: Path) -> Path:
        """Its output is a sequence, which no tensor protocol carries."""
        graph = helper.make_graph(
            [helper.make_node("SequenceConstruct", ["x"], ["y"])],
            "graph",
            [helper.make_tensor_value_info("x", FLOAT, ["n"])],
            [helper.make_tensor_sequence_value_info("y", FLOAT, ["n"])],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(model.SerializeToString())
        return path


KINDS = {
    "bool": BOOL,
    "uint8": TensorProto.UINT8,
    "uint16": TensorProto.UINT16,
    "uint32": TensorProto.UINT32,
    "uint64": TensorProto.UINT64,
    "int8": TensorProto.INT8,
    "int16": TensorProto.INT16,
    "int32": TensorProto.INT32,
    "int64": INT64,
    "fp16": TensorProto.FLOAT16,
    "bf16": TensorProto.BFLOAT16,
    "fp32": FLOAT,
    "fp64": TensorProto.DOUBLE,
    "bytes": STRING,
}


@pytest.fixture(scope="session")
def graphs() -> Graphs:
    return Graphs()


@pytest.fixture(scope="session")
def cpu() -> Runtime:
    return Runtime("cpu", 1)


@pytest.fixture(scope="session")
def folder(graphs: Graphs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder in which every model is good."""
    root = tmp_path_factory.mktemp("own models")
    for name, kind in KINDS.items():
        graphs.identity(root / f"same_{name}.onnx", kind, ["n", 2])
    graphs.adder(root / "adder.onnx")
    graphs.two_outputs(root / "two_outputs.onnx")
    graphs.mean(root / "mean.onnx")
    graphs.total(root / "total.onnx")
    graphs.lookup(root / "lookup.onnx")
    graphs.loop(root / "loop.onnx")
    graphs.classifier(root / "classifier.onnx")
    graphs.offset(root / "offset.onnx")
    graphs.identity(root / "scalar.onnx", FLOAT, [])
    graphs.identity(root / "fixed.onnx", FLOAT, [2, 3])
    graphs.identity(root / "row.onnx", FLOAT, ["n"])
    graphs.identity(root / "hollow.onnx", FLOAT, ["n", 0])
    graphs.identity(root / "cube.onnx", FLOAT, ["n", 2, 2])
    graphs.identity(root / "free.onnx", FLOAT, ["n", "m"])
    node = helper.make_node("Identity", ["x"], ["y"])
    graphs.write(root / "unranked.onnx", [node], [("x", FLOAT)], [("y", FLOAT)])
    graphs.picture(root / "colour.onnx", {"width": 4, "height": 2, "mode": "RGB", "divisor": 255}, ["n", 3, 2, 4])
    graphs.picture(root / "grey.onnx", {"width": 4, "height": 2, "mode": "L", "divisor": 255}, ["n", 2, 4, 1])
    graphs.picture(root / "too_small.onnx", {"width": 4, "height": 2, "mode": "L", "divisor": 1}, ["n", 7])
    for version in (1, 2, 10):
        properties = {"description": f"version {version}"}
        graphs.identity(root / "versions" / str(version) / "model.onnx", FLOAT, ["n", 2], **properties)
    return root


@pytest.fixture(scope="session")
def client(folder: Path) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(models=folder, providers="cpu", intra_op_threads=1))) as found:
        yield found


@pytest.fixture
def start() -> Iterator[Callable[..., TestClient]]:
    """A client of an application with other settings."""
    opened: list[TestClient] = []

    def make(**settings: Any) -> TestClient:
        made = TestClient(create_app(Settings(**{"providers": "cpu", "intra_op_threads": 1} | settings)))
        opened.append(made.__enter__())
        return made

    yield make
    for made in opened:
        made.__exit__(None, None, None)


@pytest.fixture(scope="session")
def shipped() -> Path:
    """Where the shipped models lie."""
    return Path(__file__).parents[2] / "models" / "repository"


@pytest.fixture(scope="session")
def oracle() -> Callable[..., list[np.ndarray]]:
    """onnxruntime called directly."""

    def run(path: Path, feeds: Mapping[str, np.ndarray], *fetches: str) -> list[np.ndarray]:
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        found: list[np.ndarray] = session.run(list(fetches) or None, dict(feeds))
        return found

    return run


@pytest.fixture(scope="session")
def npy() -> Callable[[np.ndarray], bytes]:
    """An array as numpy.save writes it."""

    def save(array: np.ndarray) -> bytes:
        buffer = io.BytesIO()
        np.save(buffer, array)
        return buffer.getvalue()

    return save


@pytest.fixture(scope="session")
def encoded() -> Callable[..., bytes]:
    """A picture as PNG or JPEG bytes."""

    def save(picture: Image.Image, name: str = "PNG", **options: Any) -> bytes:
        buffer = io.BytesIO()
        picture.save(buffer, name, **options)
        return buffer.getvalue()

    return save


@pytest.fixture(scope="session")
def is_error() -> Callable[..., dict[str, Any]]:
    """Checks the one shape of every error, and that no path of the machine is told; gives the body."""

    def check(response: Any, status: int) -> dict[str, Any]:
        assert response.status_code == status, response.text
        assert response.headers["content-type"] == "application/json"
        body: dict[str, Any] = response.json()
        assert body.keys() == {"error", "details"}
        assert isinstance(body["error"], str)
        assert len(body["error"]) > 5
        assert all(detail.keys() == {"path", "expected", "got"} for detail in body["details"])
        assert all(isinstance(text, str) for detail in body["details"] for text in detail.values())
        for secret in ("/tmp", "/work", "/root", "/home", "own models", "site-packages", "Traceback", ".cc:"):
            assert secret not in response.text
        assert response.headers["x-request-id"]
        return body

    return check
