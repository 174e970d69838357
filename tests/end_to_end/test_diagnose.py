"""Diagnoses by the real server: beside predictions, under model control, over several workers, given up in time."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import numpy_helper

HEAD = '<ir_version: 9, opset_import: ["" : 20]>\n'
NPY = "application/x-npy"
LOAD, UNLOAD = "/v2/repository/models/{}/load", "/v2/repository/models/{}/unload"


def model(text: str, **weights: np.ndarray) -> onnx.ModelProto:
    made = onnx.parser.parse_model(HEAD + text)
    made.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in weights.items())
    return made


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model with a dead unit 2 whose weights lie in another file, and one that takes as long as it is told."""
    bias = np.array([0, 0, -1000, 0], np.float32)
    text = "g (float[n, 3] x) => (float[n, 4] y) { h = Gemm(x, w, b) y = Relu(h) }"
    weights = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    place = tmp_path / "models" / "planted" / "1"
    place.mkdir(parents=True)
    made = model(text, w=weights, b=bias)
    onnx.save(made, place / "model.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    slow = """g (int64 times, float start) => (float y) {
        c = Constant <value = bool {1}> ()
        s = Loop (times, c, start) <body = body (int64 step, bool go, float value) => (bool goes_on, float next)
            { goes_on = Identity(go) next = Cos(value) }>
        y = Relu(s) }"""
    onnx.save(model(slow), tmp_path / "models" / "slow.onnx")
    return tmp_path / "models"


ROWS = np.random.default_rng(1).normal(size=(300, 3)).astype(np.float32)


def told(server: Any, name: str = "planted") -> Any:
    answer = server.post(f"/diagnose/{name}", npy(ROWS), NPY)
    assert answer.status == 200, answer.body
    return answer.json()


def test_predictions_beside_diagnoses_have_the_same_bits(serve: Any, folder: Path) -> None:
    server = serve("--models", str(folder))
    body = np.random.default_rng(2).random((2000, 784), np.float32)
    expected = server.post("/predict/fashion_mnist", npy(body[:64]), NPY).body
    stops = threading.Event()
    diagnoses: list[int] = []

    def diagnose() -> None:
        while not stops.is_set():
            diagnoses.append(server.post("/diagnose/fashion_mnist", npy(body), NPY).status)

    thread = threading.Thread(target=diagnose)
    thread.start()
    try:
        answers = {server.post("/predict/fashion_mnist", npy(body[:64]), NPY).body for _ in range(200)}
    finally:
        stops.set()
        thread.join()
    assert answers == {expected}
    assert set(diagnoses) == {200}


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("mode", ["none", "explicit"])
def test_model_with_external_data_is_observed_under_every_control(
    serve: Any, folder: Path, mode: str, workers: int
) -> None:
    control = ("--load-model", "planted") if mode == "explicit" else ()
    server = serve("--models", str(folder), "--model-control", mode, "--workers", str(workers), *control)
    found = [told(server) for _ in range(6)]
    assert all(one == found[0] for one in found)
    assert found[0]["layers"][0]["dead_units"] == [2]


def test_copy_goes_with_its_model_and_a_new_one_is_looked_at_anew(serve: Any, folder: Path) -> None:
    server = serve("--models", str(folder), "--model-control", "explicit", "--load-model", "planted")
    assert told(server)["layers"][0]["activation"] == "relu"
    text = "g (float[n, 3] x) => (float[n, 4] y) { h = MatMul(x, w) y = Tanh(h) }"
    onnx.save(model(text, w=np.ones((3, 4), np.float32)), folder / "planted" / "1" / "model.onnx")
    assert server.post(LOAD.format("planted"), b"").status == 200
    assert told(server)["layers"][0]["activation"] == "tanh"
    assert server.post(UNLOAD.format("planted"), b"").status == 200
    assert server.post("/diagnose/planted", npy(ROWS), NPY).status == 404


def test_memory_of_copies_is_given_back(serve: Any, folder: Path, wait_until: Callable[..., Any]) -> None:
    weights = np.random.default_rng(0).standard_normal((2048, 4096), dtype=np.float32)  # 32 MiB, and again in the copy
    text = "g (float[n, 2048] x) => (float[n, 4096] y) { h = MatMul(x, w) y = Relu(h) }"
    (folder / "big" / "1").mkdir(parents=True)
    onnx.save(model(text, w=weights), folder / "big" / "1" / "model.onnx")
    server = serve("--models", str(folder), "--model-control", "explicit", "--load-model", "planted")

    def round_trip() -> int:
        assert server.post(LOAD.format("big"), b"").status == 200
        assert server.post("/diagnose/big", npy(np.ones((3, 2048), np.float32)), NPY).status == 200
        assert server.post(UNLOAD.format("big"), b"").status == 200

        def is_gone() -> bool:
            lines = server.post("/v2/repository/index", {}).json()
            return all(line["name"] != "big" or line["state"] == "UNAVAILABLE" for line in lines)

        wait_until(is_gone, "it stays")
        return int(server.status("VmRSS"))

    round_trip()
    first = round_trip()
    later = [round_trip() for _ in range(4)]
    assert max(later) < first + 30_000, (first, later)  # kB; model and copy take 64 MiB


def test_diagnosis_that_takes_too_long_is_ended_and_holds_up_no_other(serve: Any, folder: Path) -> None:
    server = serve("--models", str(folder), "--request-timeout-s", "1.5")
    answer = server.post("/diagnose/slow", {"inputs": {"times": 1 << 62, "start": 0.5}})
    assert answer.status == 504
    started = time.monotonic()
    assert told(server)["rows"] == 300
    assert time.monotonic() - started < 10


def test_server_stops_while_a_diagnosis_runs(serve: Any, folder: Path) -> None:
    server = serve("--models", str(folder), "--drain-timeout-s", "1")
    asking = threading.Thread(
        target=lambda: server.post("/diagnose/slow", {"inputs": {"times": 1 << 62, "start": 0.5}}), daemon=True
    )
    asking.start()
    time.sleep(0.5)
    assert server.stop() == 0


def test_command_line_tells_what_the_server_tells(serve: Any, folder: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", ROWS)
    server = serve("--models", str(folder))
    actserve = Path(sys.executable).with_name("actserve")
    done = subprocess.run(
        [actserve, "diagnose", "planted", tmp_path / "rows.npy", "--models", folder, "--json"],
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert json.loads(done.stdout) == told(server)
