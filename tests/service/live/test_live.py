"""Sampling in this process: what is seen of models of all kinds, and what is never in anybody's way."""

from __future__ import annotations

import gc
import json
import logging
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from onnx import helper
from prometheus_client import Counter
from starlette.testclient import TestClient

from service.diagnosis.observers import Observers
from service.live.budget import Budget
from service.live.measuring import PIECE_S, Measuring, Watched
from service.live.told import SCHEMA
from service.live.window import Window
from service.model import Model
from service.session import Runtime

PATIENCE_S = 30.0
RAW = {"content-type": "application/octet-stream"}
ALL = {"activation_sample_rate": 1, "activation_cpu_share": 1}
BATCHING = {"batching": "rows"}


def rows(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 3)).astype(np.float32)


def network(graphs: Any, path: Path, **properties: str) -> Path:
    """3 → 4 → relu; unit 2 is dead."""
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["h"]), helper.make_node("Relu", ["h"], ["y"], name="relu")]
    weights = {"w": rows(3, 9)[:, [0, 1, 2, 0]] * [1, 1, 1, -1], "b": np.array([0, 0, -1000, 0])}
    constants = {name: array.astype(np.float32) for name, array in weights.items()}
    written: Path = graphs.write(path, nodes, [("x", 1, ["n", 3])], [("y", 1, ["n", 4])], constants, properties)
    return written


def ask(client: TestClient, name: str, batch: np.ndarray) -> None:
    assert client.post(f"/predict/{name}", content=batch.tobytes(), headers=RAW).status_code == 200


def told(client: TestClient, name: str, wanted: int) -> Any:
    """The window once it has so many rows."""
    until = time.monotonic() + PATIENCE_S
    while True:
        found = client.get(f"/models/{name}/activations").json()
        if found["rows"] >= wanted or time.monotonic() > until:
            assert found["rows"] == wanted
            return found
        time.sleep(0.05)


def reason(client: TestClient, name: str, wanted: str) -> None:
    until = time.monotonic() + PATIENCE_S
    while (found := client.get(f"/models/{name}/activations").json())["reason"] != wanted:
        assert time.monotonic() < until, found
        time.sleep(0.05)
    assert (found["rows"], found["layers"]) == (0, [])


@pytest.mark.parametrize("properties", [BATCHING, {}])
def test_window_is_what_a_diagnosis_of_the_same_rows_is(
    graphs: Any, tmp_path: Path, start: Callable[..., TestClient], npy: Any, properties: dict[str, str]
) -> None:
    network(graphs, tmp_path / "own.onnx", **properties)
    client = start(models=tmp_path, **ALL)
    batches = [rows(size, size) for size in (1, 5, 64, 30)]
    for batch in batches:
        ask(client, "own", batch)
    found = told(client, "own", 100)
    assert not list(Draft202012Validator(_schema(client)).iter_errors(found))
    headers = {"content-type": "application/x-npy"}
    expected = client.post("/diagnose/own", content=npy(np.concatenate(batches)), headers=headers).json()
    (layer,) = found["layers"]
    assert layer.pop("drift") is None
    for name in ("mean", "std"):
        assert layer.pop(name) == pytest.approx(expected["layers"][0].pop(name), rel=1e-9)
        assert layer["pre_activation"].pop(name) == pytest.approx(
            expected["layers"][0]["pre_activation"].pop(name), rel=1e-9
        )
    histogram, fine = layer.pop("histogram"), expected["layers"][0].pop("histogram")
    assert histogram["edges"] == pytest.approx(fine["edges"], rel=0.01)
    assert sum(histogram["counts"]) == sum(fine["counts"])
    assert layer == expected["layers"][0]
    assert layer["dead_units"] == [2]


def _schema(client: TestClient) -> Any:
    document = client.get("/openapi.json").json()
    operation = document["paths"]["/models/{model}/activations"]["get"]
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert schema == SCHEMA
    return schema | {"components": document["components"]} if "components" in document else schema


def test_share_that_is_sampled_is_about_the_rate(graphs: Any, tmp_path: Path, start: Callable[..., TestClient]) -> None:
    network(graphs, tmp_path / "own.onnx", **BATCHING)
    client = start(models=tmp_path, activation_sample_rate=0.1, activation_cpu_share=1)
    for seed in range(50):
        ask(client, "own", rows(60, seed))
    time.sleep(1.5)
    assert 200 < client.get("/models/own/activations").json()["rows"] < 400  # of 3,000, with a deviation of 16


def test_v2_and_activations_are_told_of_alike(client: TestClient) -> None:
    assert client.get("/models/relu/activations").json() | {"window_s": 0} == {
        "model": "relu",
        "version": "1",
        "window_s": 0,
        "rows": 0,
        "sample_rate": 0.01,
        "layers": [],
        "reason": "Activations served by themselves are not sampled; `POST /diagnose` tells of them.",
    }


def test_unknown_model_and_version_are_404(client: TestClient, is_error: Any) -> None:
    is_error(client.get("/models/nobody/activations"), 404)
    is_error(client.get("/models/fashion_mnist/activations?version=9"), 404)


def test_rate_of_zero_samples_nothing(start: Callable[..., TestClient]) -> None:
    client = start(activation_sample_rate=0)
    for _ in range(10):
        assert client.post("/predict", content=bytes(4 * 784 * 50), headers=RAW).status_code == 200
    reason(client, "fashion_mnist", "Sampling is off (`--activation-sample-rate 0`).")
    assert "actserve_activation_rows{" not in client.get("/metrics").text


def test_graph_without_activations_is_left_alone(graphs: Any, tmp_path: Path, start: Callable[..., TestClient]) -> None:
    graphs.adder(tmp_path / "adder.onnx")
    client = start(models=tmp_path, **ALL)
    reason(client, "adder", "No row was sampled in the last 600 s.")
    body = {"inputs": {"a": [[1, 2]], "b": [[3, 4]]}}
    assert client.post("/predict/adder", json=body).status_code == 200
    reason(client, "adder", "The graph has no activation that can be observed.")
    assert client.post("/predict/adder", json=body).status_code == 200


def test_file_that_has_changed_is_said_once_and_left_alone(
    graphs: Any, tmp_path: Path, start: Callable[..., TestClient], caplog: pytest.LogCaptureFixture
) -> None:
    path = network(graphs, tmp_path / "own.onnx", **BATCHING)
    client = start(models=tmp_path, **ALL)
    path.write_bytes(path.read_bytes() + b"\n")
    with caplog.at_level(logging.WARNING, "actserve.activations"):
        for seed in range(3):
            ask(client, "own", rows(5, seed))
            time.sleep(1.1)
    assert [record.levelname for record in caplog.records if record.name == "actserve.activations"] == ["WARNING"]
    assert "its files have changed" in client.get("/models/own/activations").json()["reason"]


def test_reference_beside_a_model_is_compared_with(
    graphs: Any, tmp_path: Path, start: Callable[..., TestClient], caplog: pytest.LogCaptureFixture
) -> None:
    network(graphs, tmp_path / "own" / "1" / "model.onnx", **BATCHING)
    layer = {"node": "relu", "edges": [0.0], "counts": [1, 1]}
    stranger = layer | {"node": "elsewhere"}
    file = tmp_path / "own" / "reference.json"
    file.write_text(json.dumps({"rows": 50, "source": "made up", "layers": [layer, stranger]}))
    client = start(models=tmp_path, **ALL)
    ask(client, "own", rows(60))
    (found,) = told(client, "own", 60)["layers"]
    p = found["zero_share"]
    expected = (p - 0.5) * np.log(p / 0.5) + (0.5 - p) * np.log((1 - p) / 0.5)
    assert found["drift"] == {"psi": pytest.approx(expected, rel=1e-6), "by": "layer", "reference_rows": 50}
    assert "elsewhere" in caplog.text
    about = client.get("/models/own").json()["activation_reference"]
    assert about == {"from": "`reference.json`", "rows": 50, "source": "made up", "layers": ["relu", "elsewhere"]}


def test_broken_reference_is_told_and_stops_nothing(
    graphs: Any, tmp_path: Path, start: Callable[..., TestClient], caplog: pytest.LogCaptureFixture
) -> None:
    network(graphs, tmp_path / "own.onnx", **BATCHING)
    (tmp_path / "own.reference.json").write_text('{"rows": 1, "layers": [{"node": "relu"}]}')
    client = start(models=tmp_path, **ALL)
    problem = "`layers[0]`: expected 1 to 256 finite numbers for edges."
    about = client.get("/models/own").json()["activation_reference"]
    assert about == {"from": "`own.reference.json`", "problem": problem}
    assert problem in caplog.text
    ask(client, "own", rows(60))
    assert told(client, "own", 60)["layers"][0]["drift"] is None


def test_values_that_are_not_finite_are_counted_and_told(
    graphs: Any, tmp_path: Path, start: Callable[..., TestClient]
) -> None:
    network(graphs, tmp_path / "own.onnx", **BATCHING)
    client = start(models=tmp_path, **ALL)
    batch = np.full((3, 3), np.nan, np.float32)
    ask(client, "own", batch)
    (layer,) = told(client, "own", 3)["layers"]
    assert (layer["non_finite"], layer["mean"]) == (12, "NaN")
    labels = '{layer="relu",model="own",version="1"}'
    lines = client.get("/metrics").text.splitlines()
    assert f"actserve_activation_non_finite{labels} 12.0" in lines
    assert f"actserve_activation_mean{labels} NaN" in lines


def test_rows_that_wait_are_measured_at_once_and_paid_for_afterwards(graphs: Any, tmp_path: Path) -> None:
    model = Model("own", "1", network(graphs, tmp_path / "own.onnx", **BATCHING), Runtime())
    model.tap.open(1, model.inputs, joinable=True)
    one = Watched(Window(600), most=1024)
    measuring = Measuring(Observers(), Budget(1e-6), Counter("dropped", "", ("model", "version"), registry=None))
    for _ in range(2):
        for seed in range(10):
            model.tap.ran({"x": rows(60, seed)}, 60)
        measuring.look([(model, one)])
        assert one.window.seen().rows == 600
    assert sum(taken.rows for taken in model.tap.take(1024)) == 600


def test_as_many_rows_are_measured_at_once_as_take_a_bounded_time() -> None:
    one = Watched(Window(600), most=100)
    one.learn(3, PIECE_S / 2)  # a few, of which each seems to be expensive
    assert one.most == 100
    one.learn(100, PIECE_S / 2)
    assert one.most > 100
    one.learn(40, 4 * PIECE_S)
    assert one.most == 10
    one.learn(1, 100 * PIECE_S)
    assert one.most == 1


def test_rows_beyond_the_share_of_cpu_are_dropped_and_counted(
    graphs: Any, tmp_path: Path, start: Callable[..., TestClient]
) -> None:
    network(graphs, tmp_path / "own.onnx", **BATCHING)
    client = start(models=tmp_path, activation_sample_rate=1, activation_cpu_share=1e-6)
    for seed in range(60):
        ask(client, "own", rows(50, seed))
    time.sleep(1.5)
    lines = client.get("/metrics").text.splitlines()
    (dropped,) = [line for line in lines if line.startswith("actserve_activation_rows_dropped_total{")]
    assert float(dropped.rpartition(" ")[2]) >= 3000 - 1024 - 256
    assert client.get("/models/own/activations").json()["rows"] <= 256


def test_prediction_is_to_the_bit_what_it_is_without_sampling(
    graphs: Any, tmp_path: Path, start: Callable[..., TestClient]
) -> None:
    network(graphs, tmp_path / "own.onnx", **BATCHING)
    answers = []
    for rate in (0, 1):
        client = start(models=tmp_path, activation_sample_rate=rate)
        body = rows(64).tobytes()
        answers.append([client.post("/predict/own", content=body, headers=RAW).content for _ in range(3)])
    assert answers[0] == answers[1]


def test_unloaded_model_takes_its_window_and_its_gauges_along(
    graphs: Any, tmp_path: Path, start: Callable[..., TestClient], is_error: Any
) -> None:
    network(graphs, tmp_path / "own.onnx", **BATCHING)
    client = start(models=tmp_path, model_control="explicit", load_model=("own", "fashion_mnist"), **ALL)
    ask(client, "own", rows(10))
    told(client, "own", 10)
    assert 'actserve_activation_rows{model="own"' in client.get("/metrics").text
    before = weakref.WeakSet(one for one in gc.get_objects() if type(one) is Model and one.name == "own")
    assert client.post("/v2/repository/models/own/unload").status_code == 200
    is_error(client.get("/models/own/activations"), 404)
    time.sleep(1.1)
    assert 'model="own"' not in _gauges(client)
    until = time.monotonic() + PATIENCE_S
    while len(before) and time.monotonic() < until:
        gc.collect()
        time.sleep(0.1)
    assert len(before) == 0
    assert client.post("/v2/repository/models/own/load").status_code == 200
    ask(client, "own", rows(7))
    assert told(client, "own", 7)["rows"] == 7


def _gauges(client: TestClient) -> str:
    text: str = client.get("/metrics").text
    return "\n".join(
        line for line in text.splitlines() if line.startswith("actserve_activation_") and "dropped" not in line
    )


def test_convolution_has_its_channels_for_units(graphs: Any, tmp_path: Path, start: Callable[..., TestClient]) -> None:
    weights = np.random.default_rng(0).normal(size=(4, 1, 3, 3)).astype(np.float32)
    nodes = [helper.make_node("Conv", ["x", "w"], ["h"]), helper.make_node("Sigmoid", ["h"], ["y"], name="s")]
    ends = ([("x", 1, ["n", 1, 8, 8])], [("y", 1, ["n", 4, 6, 6])])
    graphs.write(tmp_path / "conv.onnx", nodes, *ends, {"w": weights}, BATCHING)
    client = start(models=tmp_path, **ALL)
    ask(client, "conv", np.random.default_rng(1).normal(size=(20, 1, 8, 8)).astype(np.float32))
    (layer,) = told(client, "conv", 20)["layers"]
    assert (layer["units"], layer["shape"], layer["activation"]) == (4, [20, 4, 6, 6], "sigmoid")
