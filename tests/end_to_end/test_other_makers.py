"""Models as PyTorch's exporter and scikit-learn's converters write them, in a folder as Kubernetes mounts it, asked by
Triton's own client and by `/predict`, compared with onnxruntime in this process."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

ASSETS = Path(__file__).parents[1] / "assets"
FACES = ["http", "http json", "grpc"]

Infer = Callable[..., dict[str, np.ndarray]]


@pytest.fixture(scope="module")
def makers(tmp_path_factory: pytest.TempPathFactory, protocol_server: Any) -> Iterator[Any]:
    """A server of all of them. Kubernetes swaps a mounted folder by one link, `..data`, behind a link for each file."""
    folder = tmp_path_factory.mktemp("makers")
    real = folder / "..2026_11_24_01_02_03.123456789"
    real.mkdir()
    (folder / "..data").symlink_to(real.name)
    for file in (*ASSETS.glob("*.onnx"), *ASSETS.glob("*.onnx.data")):
        shutil.copy(file, real)
        (folder / file.name).symlink_to(f"..data/{file.name}")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        grpc_port = probe.getsockname()[1]
    arguments = ("--models", str(folder), "--no-shipped-models", "--grpc-port", str(grpc_port))
    own = type(protocol_server)(arguments, tmp_path_factory.mktemp("log") / "server.log", {}, measured=True)
    own.grpc_port = grpc_port
    try:
        own.wait_until_live()
        yield own
    finally:
        status = own.stop()
    assert status == 0
    assert "Traceback" not in own.log


@pytest.fixture(params=FACES)
def infer(request: pytest.FixtureRequest, makers: Any) -> Iterator[Infer]:
    """Arrays by name to arrays by name, over one face."""
    triton = triton_grpc if request.param == "grpc" else triton_http
    port = makers.grpc_port if request.param == "grpc" else makers.port
    options = {"binary_data": False} if request.param == "http json" else {}

    with triton.InferenceServerClient(f"127.0.0.1:{port}") as client:

        def run(model: str, feeds: dict[str, np.ndarray], *names: str) -> dict[str, np.ndarray]:
            inputs = []
            for name, array in feeds.items():
                made = triton.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
                inputs.append(made.set_data_from_numpy(array, **options))
            outputs = [triton.InferRequestedOutput(name, **options) for name in names]
            found = client.infer(model, inputs, outputs=outputs)
            return {name: found.as_numpy(name) for name in names}

        yield run


def expected(model: str, feeds: dict[str, np.ndarray]) -> dict[str, Any]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(ASSETS / f"{model}.onnx"), options, providers=["CPUExecutionProvider"])
    return dict(zip([end.name for end in session.get_outputs()], session.run(None, feeds), strict=True))


def check(infer: Infer, model: str, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The server's answer, which has the bits of onnxruntime's."""
    wanted = expected(model, feeds)
    found = infer(model, feeds, *wanted)
    for name, array in wanted.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()
    return found


def test_all_are_ready(makers: Any) -> None:
    assert makers.get("/v2/health/ready").status == 200, makers.get("/v2/health/ready").body


def test_recurrent_state_goes_out_and_in_again(infer: Infer, makers: Any) -> None:
    generator = np.random.default_rng(0)
    state = {name: np.zeros((1, 2, 8), np.float32) for name in ("h", "c")}
    for _ in range(3):
        feeds = {"x": generator.normal(size=(2, 5, 4)).astype(np.float32), **state}
        found = check(infer, "torch_recurrent", feeds)
        state = {"h": found["h_out"], "c": found["c_out"]}
    feeds["c"] = np.zeros((1, 3, 8), np.float32)
    with pytest.raises(InferenceServerException, match=r"`c`: expected FP32 \[1, n=2, 8\] with `n` as in `x`"):
        infer("torch_recurrent", feeds, "y")


@pytest.mark.parametrize("rows", [1, 2])
def test_recurrent_state_is_predicted_in_columns_however_many_rows_there_are(makers: Any, rows: int) -> None:
    columns = {"x": np.ones((rows, 5, 4)), "h": np.zeros((1, rows, 8)), "c": np.zeros((1, rows, 8))}
    feeds = {name: array.astype(np.float32) for name, array in columns.items()}
    wanted = {name: array.tolist() for name, array in expected("torch_recurrent", feeds).items()}
    bodies = [{"inputs": {name: array.tolist() for name, array in columns.items()}}]
    if rows == 1:
        bodies.append({"instances": [{"x": columns["x"][0].tolist(), "h": [[[0] * 8]], "c": [[[0] * 8]]}]})
    for body in bodies:
        outputs = makers.post("/predict/torch_recurrent", body).json()["outputs"]
        assert {name: np.array(data, np.float32).tolist() for name, data in outputs.items()} == wanted


def test_dimensions_are_told_by_name(makers: Any) -> None:
    inputs = {item["name"]: item for item in makers.get("/models/torch_recurrent").json()["inputs"]}
    assert inputs["x"]["dimensions"] == ["n", None, None]
    assert inputs["h"]["dimensions"] == [None, "n", None]
    assert inputs["h"]["shape"] == [1, -1, 8]


@pytest.mark.parametrize("size", [(1, 32, 32), (3, 5, 5), (2, 40, 17)])
def test_pictures_of_any_size(infer: Infer, size: tuple[int, int, int]) -> None:
    rows, height, width = size
    image = np.random.default_rng(0).normal(size=(rows, 3, height, width)).astype(np.float32)
    check(infer, "torch_picture", {"image": image})


def test_picture_too_small_for_the_kernel_is_refused(infer: Infer) -> None:
    with pytest.raises(InferenceServerException, match="cannot compute these values"):
        infer("torch_picture", {"image": np.zeros((1, 3, 2, 2), np.float32)}, "features")


@pytest.mark.parametrize("shape", [(1, 1), (4, 7), (2, 0)])
def test_whole_numbers_of_32_bits(infer: Infer, shape: tuple[int, int]) -> None:
    ids = np.random.default_rng(0).integers(0, 10, shape).astype(np.int32)
    check(infer, "torch_embedding", {"ids": ids})


def test_index_that_is_not_in_the_table_is_refused(infer: Infer, makers: Any) -> None:
    with pytest.raises(InferenceServerException, match="10"):
        infer("torch_embedding", {"ids": np.array([[3, 10]], np.int32)}, "vectors")
    assert makers.post("/predict/torch_embedding", {"instances": [[3, 10]]}).status == 422
    assert makers.post("/predict/torch_embedding", {"instances": [[3, 9]]}).status == 200


def test_another_width_is_refused(infer: Infer) -> None:
    with pytest.raises(InferenceServerException, match=r"expected INT32 \[n, t\], got INT64 \[1, 1\]"):
        infer("torch_embedding", {"ids": np.zeros((1, 1), np.int64)}, "vectors")


@pytest.mark.parametrize("shape", [(), (1,)])
def test_scalar_of_64_bits(infer: Infer, shape: tuple[int, ...]) -> None:
    """Of large numbers every digit; [1] is all that some clients can send for a scalar."""
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    factor = np.array(2**53 + 1, np.int64)
    wanted = expected("torch_scaled", {"x": x, "factor": factor})
    found = infer("torch_scaled", {"x": x, "factor": factor.reshape(shape)}, "y", "sum")
    assert found["y"].tobytes() == wanted["y"].tobytes()
    assert (found["sum"].shape, found["sum"].item()) == ((), 2**53 + 3)


def test_scalar_holds_for_all_instances(makers: Any) -> None:
    rows = [{"x": [1, 2, 3], "factor": 2}, {"x": [4, 5, 6], "factor": 2}]
    assert makers.post("/predict/torch_scaled", {"instances": rows}).json()["outputs"] == {
        "y": [[2, 4, 6], [8, 10, 12]],
        "sum": 4,
    }
    rows[1]["factor"] = 3
    assert makers.post("/predict/torch_scaled", {"instances": rows}).status == 422


IRIS = np.array([[5.1, 3.5, 1.4, 0.2], [6.0, 3.0, 5.0, 2.0], [5.7, 2.8, 4.1, 1.3]], np.float32)


def test_classifier_of_scikit_learn_gives_labels_and_scores(infer: Infer, makers: Any) -> None:
    wanted = expected("iris_classifier", {"X": IRIS})
    found = infer("iris_classifier", {"X": IRIS}, "output_label", "output_probability")
    labels = [label.decode() if isinstance(label, bytes) else label for label in found["output_label"].tolist()]
    assert labels == wanted["output_label"].tolist() == ["setosa", "virginica", "versicolor"]
    names = makers.get("/models/iris_classifier").json()["labels"]
    rows = [dict(zip(names, row, strict=True)) for row in found["output_probability"].tolist()]
    assert rows == wanted["output_probability"]


def test_classifier_of_scikit_learn_is_predicted_row_by_row(makers: Any) -> None:
    found = makers.post("/predict/iris_classifier", {"instances": IRIS.tolist()}).json()["predictions"]
    assert [row["output_label"] for row in found] == ["setosa", "virginica", "versicolor"]
    assert all(sum(row["output_probability"]) == pytest.approx(1) for row in found)


def test_classes_of_scikit_learn_are_named(makers: Any) -> None:
    body = {
        "inputs": [{"name": "X", "datatype": "FP32", "shape": [3, 4], "data": IRIS.ravel().tolist()}],
        "outputs": [{"name": "output_probability", "parameters": {"classification": 1}}],
    }
    (output,) = makers.post("/v2/models/iris_classifier/infer", body).json()["outputs"]
    assert [text.partition(":")[2] for text in output["data"]] == ["0:setosa", "2:virginica", "1:versicolor"]


def test_output_that_cannot_be_carried_is_named_and_501_when_asked_for(infer: Infer, makers: Any) -> None:
    wanted = expected("iris_two_classifiers", {"X": IRIS})["label"]
    assert infer("iris_two_classifiers", {"X": IRIS}, "label")["label"].tolist() == wanted.tolist()
    with pytest.raises(InferenceServerException, match=r"`probabilities` is a seq\(tensor\(float\)\)") as refused:
        infer("iris_two_classifiers", {"X": IRIS}, "probabilities")
    assert refused.value.status() in ("501", "StatusCode.UNIMPLEMENTED")
    described = makers.get("/models/iris_two_classifiers").json()
    assert described["not_carried"] == {"probabilities": "seq(tensor(float))"}
    assert [output["name"] for output in described["outputs"]] == ["label"]
    predicted = makers.post("/predict/iris_two_classifiers", {"instances": IRIS.tolist()}).json()["predictions"]
    assert predicted == wanted.tolist()


def test_every_example_is_accepted_as_it_stands(makers: Any) -> None:
    models = makers.get("/models").json()["models"]
    assert len(models) == len([*ASSETS.glob("*.onnx")])
    for model in models:
        example = makers.get(f"/models/{model['name']}").json()["example"]
        body = json.dumps(example["body"])
        answer = makers.ask(example["method"], example["path"], body, {"Content-Type": "application/json"})
        assert answer.status == 200, answer.body
