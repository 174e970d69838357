"""`POST /diagnose` in this process: every kind of body, the shape of the answer, and what it leaves as it was."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from jsonschema import Draft202012Validator
from PIL import Image
from starlette.testclient import TestClient

JSON, NPY, RAW = "application/json", "application/x-npy", "application/octet-stream"
ASSETS = Path(__file__).parents[2] / "assets"


def post(client: TestClient, path: str, body: bytes, content_type: str, **headers: str) -> Any:
    return client.post(path, content=body, headers={"content-type": content_type} | headers)


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    """2,000 rows as Fashion-MNIST has them: bytes over 255, mostly black."""
    dice = np.random.default_rng(3)
    return (dice.integers(0, 256, (2000, 784)) * (dice.random((2000, 784)) < 0.4) / 255).astype(np.float32)


@pytest.fixture(scope="module")
def makers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own models")
    for file in (*ASSETS.glob("torch_*.onnx"), *ASSETS.glob("*.onnx.data")):
        shutil.copy(file, folder)
    return folder


def test_shipped_network_is_told_as_numpy_has_it(
    client: TestClient, rows: np.ndarray, shipped: Path, npy: Callable[[np.ndarray], bytes]
) -> None:
    model = onnx.load(shipped / "fashion_mnist" / "1" / "model.onnx")
    weights = {one.name: onnx.numpy_helper.to_array(one).astype(np.float64) for one in model.graph.initializer}
    before = rows @ weights["fc1.weight"].T + weights["fc1.bias"]
    after = np.maximum(before, 0)
    told = post(client, "/diagnose", npy(rows), NPY).json()
    assert (told["model"], told["version"], told["rows"]) == ("fashion_mnist", "1", 2000)
    relu, softmax = told["layers"]
    assert (relu["node"], relu["activation"], relu["shape"], relu["units"]) == ("relu", "relu", [2000, 128], 128)
    assert relu["zero_share"] == np.mean(after == 0)
    assert relu["dead_units"] == np.flatnonzero((after == 0).all(0)).tolist()
    assert relu["slope_mean"] == np.mean(before > 0)
    assert (relu["mean"], relu["std"]) == (pytest.approx(after.mean()), pytest.approx(after.std()))
    assert (relu["min"], relu["max"]) == (0, pytest.approx(after.max(), rel=1e-6))
    assert sum(relu["histogram"]["counts"]) == after.size
    assert (softmax["node"], softmax["activation"], softmax["is_output"]) == ("softmax", "softmax", True)
    assert softmax["mean"] == pytest.approx(0.1)
    assert all(finding["node"] != "softmax" for finding in told["findings"])


def test_every_body_that_predict_takes_is_taken(client: TestClient, rows: np.ndarray, npy: Any, encoded: Any) -> None:
    few = rows[:20]
    told = post(client, "/diagnose/fashion_mnist", npy(few), NPY).json()
    assert post(client, "/diagnose", few.tobytes(), RAW).json() == told
    assert client.post("/diagnose", json={"instances": few.reshape(-1, 28, 28).tolist()}).json() == told
    assert client.post("/diagnose", json={"inputs": {"input": few.tolist()}}).json() == told
    picture = Image.new("L", (28, 28), 128)
    answer = post(client, "/diagnose", encoded(picture), "image/png").json()
    assert (answer["rows"], answer["layers"][0]["shape"]) == (1, [1, 128])
    assert post(client, "/diagnose", encoded(picture, "JPEG", quality=100), "image/jpeg").json()["rows"] == 1


@pytest.mark.parametrize("count", [1, 10_000])
def test_one_row_and_ten_thousand_are_told(client: TestClient, rows: np.ndarray, npy: Any, count: int) -> None:
    many = np.resize(rows, (count, 784))
    told = post(client, "/diagnose", npy(many), NPY).json()
    assert told["rows"] == count
    assert [layer["shape"] for layer in told["layers"]] == [[count, 128], [count, 10]]
    text = told["findings"][0]["text"]
    assert ("One row proves nothing" in text) if count == 1 else ("10,000 rows" in text)


def test_predictions_have_the_same_bits_after_a_diagnosis(client: TestClient, rows: np.ndarray, npy: Any) -> None:
    before = post(client, "/predict", npy(rows), NPY).content
    counted = client.get("/v2/models/fashion_mnist/stats").json()["model_stats"][0]["inference_count"]
    assert post(client, "/diagnose", npy(rows), NPY).status_code == 200
    assert post(client, "/predict", npy(rows), NPY).content == before
    after = client.get("/v2/models/fashion_mnist/stats").json()["model_stats"][0]["inference_count"]
    assert after == counted + len(rows)  # those of /predict alone


def test_answer_fits_its_schema(client: TestClient, rows: np.ndarray, makers: Path, start: Any) -> None:
    document = client.get("/openapi.json").json()
    schema = document["paths"]["/diagnose/{model}"]["post"]["responses"]["200"]["content"][JSON]["schema"]
    check = Draft202012Validator({**document, **schema}).validate
    check(client.post("/diagnose", json={"instances": rows[:3].tolist()}).json())
    check(client.post("/diagnose/elu", json={"instances": [[-1, "NaN", "Infinity"]]}).json())
    own = start(models=makers)
    check(own.post("/diagnose/torch_picture", json={"instances": np.ones((2, 3, 9, 9)).tolist()}).json())


def test_models_of_other_makers_are_told(makers: Path, start: Any, oracle: Any) -> None:
    own = start(models=makers)
    x = np.random.default_rng(0).random((3, 3, 9, 9), np.float32)
    (layer,) = own.post("/diagnose/torch_picture", json={"instances": x.tolist()}).json()["layers"]
    assert (layer["node"], layer["activation"], layer["units"], layer["shape"]) == (
        "node_relu",
        "relu",
        4,
        [3, 4, 5, 5],
    )
    state = np.zeros((1, 3, 8)).tolist()
    told = own.post(
        "/diagnose/torch_recurrent", json={"inputs": {"x": np.ones((3, 5, 4)).tolist(), "h": state, "c": state}}
    )
    assert told.json()["layers"] == []
    assert "(LSTM)" in told.json()["findings"][1]["text"]


# --- activations by themselves ---


@pytest.mark.parametrize(
    ("name", "slope", "dead", "saturated"),
    [
        ("relu", 0.5, [0], []),
        ("ReLU", 0.5, [0], []),
        ("leaky_relu", (1 + 0.01) / 2, [], []),
        ("sigmoid", None, [], [0]),
        ("tanh", None, [], [0, 1]),
        ("softmax", None, [], []),
        ("rrelu", None, [], []),
    ],
)
def test_activation_is_told_as_one_layer(
    client: TestClient, name: str, slope: float | None, dead: list[int], saturated: list[int]
) -> None:
    told = client.post(f"/diagnose/{name}", json={"instances": [[-9, 4], [-12, 4.5]]}).json()
    (layer,) = told["layers"]
    assert (told["rows"], layer["activation"], layer["shape"]) == (2, told["model"], [2, 2])
    assert (layer["dead_units"], layer["saturated_units"]) == (dead, saturated)
    assert layer["is_output"]
    if slope is not None:
        assert layer["slope_mean"] == pytest.approx(slope)


def test_gated_activation_is_told_of_the_half_that_passes(client: TestClient) -> None:
    x = np.array([[1.0, 2, 0, -20], [3, 4, 1, -30]])
    (layer,) = client.post("/diagnose/glu", json={"instances": x.tolist()}).json()["layers"]
    gate = 1 / (1 + np.exp(-x[:, 2:]))
    assert layer["slope_mean"] == pytest.approx(gate.mean(), rel=1e-6)
    assert (layer["shape"], layer["pre_activation"]["mean"], layer["saturated_units"]) == ([2, 2], 2.5, [1])


def test_parameters_of_an_activation_are_regarded(client: TestClient) -> None:
    body = {"inputs": {"x": [[-1, -1]], "negative_slope": 0.25}}
    assert client.post("/diagnose/leaky_relu", json=body).json()["layers"][0]["slope_mean"] == 0.25


@pytest.mark.parametrize("value", [3, [1, -2, 3]])
def test_scalar_and_row_are_one_unit(client: TestClient, value: Any) -> None:
    (layer,) = client.post("/diagnose/relu", json={"inputs": value}).json()["layers"]
    assert layer["units"] == 1


# --- numbers that are not finite ---


def test_numbers_that_are_not_finite_are_an_error_and_strings_in_json(client: TestClient) -> None:
    told = client.post("/diagnose/relu", json={"instances": [["NaN", 1], ["NaN", "Infinity"]]}).json()
    (layer,) = told["layers"]
    assert (layer["non_finite"], layer["pre_activation"]["non_finite"], layer["max"]) == (3, 3, 1)
    assert told["findings"][0]["severity"] == "error"
    assert "3 of 4 values of `relu` are NaN or infinite" in told["findings"][0]["text"]
    (layer,) = client.post("/diagnose/relu", json={"instances": [["NaN"]]}).json()["layers"]
    assert (layer["mean"], layer["std"], layer["min"], layer["slope_mean"]) == ("NaN",) * 4
    assert layer["histogram"] == {"edges": [], "counts": []}


# --- what is asked wrongly ---


def test_bins_are_chosen_in_the_query_or_the_body(client: TestClient, rows: np.ndarray) -> None:
    body = {"instances": rows[:50].tolist()}
    for path, extra in (("/diagnose?bins=4", {}), ("/diagnose", {"parameters": {"bins": 4.0}})):
        told = client.post(path, json=body | extra).json()
        assert [len(layer["histogram"]["counts"]) for layer in told["layers"]] == [4, 4]


@pytest.mark.parametrize(
    ("path", "parameters", "status", "detail"),
    [
        ("/diagnose?bins=0", {}, 422, "query.bins"),
        ("/diagnose?bins=257", {}, 422, "query.bins"),
        ("/diagnose?bins=x", {}, 422, "query.bins"),
        ("/diagnose?top_k=1", {}, 422, "query.top_k"),
        ("/diagnose", {"bins": True}, 422, "parameters.bins"),
        ("/diagnose", {"bins": 1.5}, 422, "parameters.bins"),
        ("/diagnose", {"scores": False}, 422, "parameters.scores"),
        ("/diagnose?bins=3", {"bins": 3}, 422, "query.bins"),
        ("/diagnose?version=7", {}, 404, None),
        ("/diagnose/nothing", {}, 404, None),
    ],
)
def test_what_is_not_known_is_refused(
    client: TestClient, is_error: Any, path: str, parameters: Any, status: int, detail: str | None
) -> None:
    body = {"instances": [[0] * 784]} | ({"parameters": parameters} if parameters else {})
    found = is_error(client.post(path, json=body), status)
    assert [one["path"] for one in found["details"]] == ([detail] if detail else [])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/diagnose", {"instances": []}),
        ("/diagnose", {"instances": [[1, 2]]}),
        ("/diagnose/relu", {"instances": []}),
        ("/diagnose/relu", {"inputs": [[]]}),
        ("/diagnose/hollow", {"inputs": [[], []]}),
    ],
)
def test_rows_that_do_not_fit_and_no_rows_are_422(client: TestClient, is_error: Any, path: str, body: Any) -> None:
    is_error(client.post(path, json=body), 422)


def test_media_types_are_those_of_predict(client: TestClient, is_error: Any, rows: np.ndarray, npy: Any) -> None:
    is_error(post(client, "/diagnose", b"x", "text/plain"), 415)
    is_error(post(client, "/diagnose/adder", npy(rows), NPY), 415)
    is_error(post(client, "/diagnose", npy(rows), NPY, accept=NPY), 406)
    is_error(post(client, "/diagnose", b"{", JSON), 400)
    is_error(client.get("/diagnose"), 405)


def test_tokens_and_limits_hold(start: Any, is_error: Any) -> None:
    guarded = start(api_token="secret", max_body_bytes=1000)
    is_error(guarded.post("/diagnose", json={"instances": [[0] * 10]}), 401)
    guarded.headers["authorization"] = "Bearer secret"
    is_error(guarded.post("/diagnose", json={"instances": [[0] * 784]}), 413)


def test_values_that_the_graph_refuses_are_422(start: Any, graphs: Any, is_error: Any, tmp_path: Path) -> None:
    node = onnx.helper.make_node
    nodes = [node("Gather", ["table", "x"], ["rows"]), node("Relu", ["rows"], ["y"])]
    ends = ([("x", onnx.TensorProto.INT64, ["n"])], [("y", onnx.TensorProto.FLOAT, ["n"])])
    graphs.write(tmp_path / "own models" / "table.onnx", nodes, *ends, {"table": np.arange(5, dtype=np.float32)})
    own = start(models=tmp_path / "own models")
    is_error(own.post("/diagnose/table", json={"inputs": [99]}), 422)
    assert own.post("/diagnose/table", json={"inputs": [4, 2]}).json()["layers"][0]["max"] == 4


def test_graph_whose_file_has_changed_is_503_until_it_is_loaded_again(
    start: Any, graphs: Any, is_error: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "own models"

    def write(op: str) -> None:
        ends = ([("x", onnx.TensorProto.FLOAT, ["n", 2])], [("y", onnx.TensorProto.FLOAT, ["n", 2])])
        graphs.write(folder / "own.onnx", [onnx.helper.make_node(op, ["x"], ["y"])], *ends)

    write("Relu")
    own = start(models=folder, model_control="explicit", load_model="own")
    body = {"instances": [[-1, 1]]}
    write("Sigmoid")
    error = is_error(own.post("/diagnose/own", json=body), 503)
    assert "have changed since it was loaded" in error["error"]
    assert own.post("/predict/own", json=body).json()["predictions"] == [[0, 1]]
    assert own.post("/v2/repository/models/own/load").status_code == 200
    assert own.post("/diagnose/own", json=body).json()["layers"][0]["activation"] == "sigmoid"
    write("Tanh")  # a copy that was made already is kept
    assert own.post("/diagnose/own", json=body).json()["layers"][0]["activation"] == "sigmoid"


def test_timings_are_told(client: TestClient) -> None:
    answer = client.post("/diagnose/relu", json={"inputs": [[1, 2]]})
    stages = dict(part.split(";dur=") for part in answer.headers["server-timing"].split(", "))
    assert float(stages["compute"]) > 0
    assert json.loads(answer.content)["rows"] == 1


def test_body_that_is_no_npy_is_400(client: TestClient, is_error: Any) -> None:
    is_error(post(client, "/diagnose", io.BytesIO(b"no npy").getvalue(), NPY), 400)


# --- the values themselves ---


def test_values_of_each_row_are_those_of_numpy(client: TestClient, rows: np.ndarray, shipped: Path, npy: Any) -> None:
    model = onnx.load(shipped / "fashion_mnist" / "1" / "model.onnx")
    weights = {one.name: onnx.numpy_helper.to_array(one).astype(np.float64) for one in model.graph.initializer}
    after = np.maximum(rows @ weights["fc1.weight"].T + weights["fc1.bias"], 0)
    for count in (1, 2, 1500):  # of which the last goes through in two pieces
        told = post(client, "/diagnose?by_row=true", npy(rows[:count]), NPY).json()
        relu, softmax = (np.array(layer["by_row"]) for layer in told["layers"])
        assert relu == pytest.approx(after[:count], rel=1e-4, abs=1e-4)
        assert softmax.sum(1) == pytest.approx(np.ones(count), rel=1e-6)
    assert "by_row" not in post(client, "/diagnose", npy(rows[:2]), NPY).json()["layers"][0]


def test_value_of_a_channel_is_the_mean_over_its_places(makers: Path, start: Any) -> None:
    x = np.random.default_rng(0).random((3, 3, 9, 9), np.float32)
    client = start(models=makers)
    told = client.post("/diagnose/torch_picture?by_row=true", json={"instances": x.tolist()}).json()
    values = np.array(told["layers"][0]["by_row"])
    assert values.shape == (3, 4)
    assert values.mean() == pytest.approx(told["layers"][0]["mean"], rel=1e-5)


def test_activation_by_itself_tells_each_row(client: TestClient) -> None:
    told = client.post("/diagnose/relu?by_row=true", json={"instances": [[-1, 2, "NaN"], [3, -4, 5]]}).json()
    assert told["layers"][0]["by_row"] == [[0, 2, "NaN"], [3, 0, 5]]


def test_more_values_than_are_told_is_422(client: TestClient, rows: np.ndarray, npy: Any, is_error: Any) -> None:
    body = is_error(post(client, "/diagnose?by_row=true", npy(np.resize(rows, (2049, 784))), NPY), 422)
    assert body["details"][0]["path"] == "query.by_row"
    is_error(post(client, "/diagnose?by_row=perhaps", npy(rows[:1]), NPY), 422)
