"""`actserve reference` in this process: deciles and counts against numpy, and what a server makes of the file."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from onnx import helper, numpy_helper
from starlette.testclient import TestClient

from service.cli import files, main
from service.reference import read


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["reference", *map(str, arguments)])


def binned(values: np.ndarray) -> list[list[Any]]:
    edges = sorted({float(np.sort(values)[int(np.ceil(len(values) * tenth / 10)) - 1]) for tenth in range(1, 10)})
    ends = [-np.inf, *edges, np.inf]
    return [edges, [int(((values > low) & (values <= high)).sum()) for low, high in pairwise(ends)]]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Of as many as a sample has at most, so that the deciles are those of all."""
    dice = np.random.default_rng(2)
    np.save(tmp_path / "rows.npy", (dice.random((700, 784)) * (dice.random((700, 784)) < 0.4)).astype(np.float32))
    return tmp_path / "rows.npy"


@pytest.mark.parametrize("chunk", [1 << 23, 784 * 4 * 90])
def test_deciles_and_counts_are_those_of_numpy(
    rows: Path, shipped: Path, oracle: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(files, "CHUNK_BYTES", chunk)
    done = run("fashion_mnist", rows, "-o", tmp_path / "reference.json", "--source", "made up")
    assert done.exit_code == 0, done.output
    told = json.loads((tmp_path / "reference.json").read_text())
    assert (told["rows"], told["source"]) == (700, "made up")
    model = onnx.load(shipped / "fashion_mnist" / "1" / "model.onnx")
    model.graph.output.append(helper.make_tensor_value_info("hidden", onnx.TensorProto.FLOAT, None))
    onnx.save(model, tmp_path / "opened.onnx")
    hidden, probabilities = oracle(tmp_path / "opened.onnx", {"input": np.load(rows)}, "hidden", "probabilities")
    for layer, values in zip(told["layers"], (hidden, probabilities), strict=True):
        assert [layer["edges"], layer["counts"]] == binned(values.ravel())
        assert layer["units"] == [binned(unit) for unit in values.T]
        assert layer["zero_share"] == np.mean(values == 0)
        assert layer["mean"] == pytest.approx(values.mean(dtype=np.float64))
        assert layer["std"] == pytest.approx(values.std(dtype=np.float64))
    assert [layer["node"] for layer in told["layers"]] == ["relu", "softmax"]


def test_shipped_reference_is_what_the_command_makes(shipped: Path, rows: Path) -> None:
    """The two sides share no Python, so their one format is held together here."""
    stored = onnx.load(shipped / "fashion_mnist" / "1" / "model.onnx").metadata_props
    theirs = json.loads({one.key: one.value for one in stored}["activation_reference"])
    ours = json.loads(run("fashion_mnist", rows).stdout)
    assert theirs.keys() == ours.keys()
    assert theirs["layers"][0].keys() == ours["layers"][0].keys()
    assert read(theirs).layers["relu"].is_by_unit
    assert len(theirs["layers"][0]["units"]) == len(ours["layers"][0]["units"]) == 128


def test_convolution_is_counted_by_channel_over_all_rows(graphs: Any, tmp_path: Path) -> None:
    weights = np.random.default_rng(0).normal(size=(3, 1, 3, 3)).astype(np.float32)
    nodes = [helper.make_node("Conv", ["x", "w"], ["h"]), helper.make_node("Sigmoid", ["h"], ["y"])]
    ends = ([("x", 1, ["n", 1, 20, 20])], [("y", 1, ["n", 3, 18, 18])])
    path = graphs.write(tmp_path / "conv.onnx", nodes, *ends, {"w": weights}, {"batching": "rows"})
    np.save(tmp_path / "rows.npy", np.random.default_rng(1).normal(size=(500, 1, 20, 20)).astype(np.float32))
    (layer,) = json.loads(run(path, tmp_path / "rows.npy").stdout)["layers"]
    assert [sum(counts) for _, counts in layer["units"]] == [500 * 18 * 18] * 3
    for edges, counts in layer["units"]:
        assert len(edges) == 9
        assert np.allclose(np.array(counts) / sum(counts), 0.1, atol=0.03)  # deciles of a sample


def test_server_that_gets_the_same_rows_sees_no_drift(
    graphs: Any, tmp_path: Path, start: Callable[..., TestClient]
) -> None:
    folder = tmp_path / "models"
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Tanh", ["h"], ["y"], name="tanh")]
    weights = numpy_helper.to_array(numpy_helper.from_array(np.eye(3, dtype=np.float32) * 5))
    ends = ([("x", 1, ["n", 3])], [("y", 1, ["n", 3])])
    path = graphs.write(folder / "own" / "1" / "model.onnx", nodes, *ends, {"w": weights}, {"batching": "rows"})
    batch = np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)
    np.save(tmp_path / "rows.npy", batch)
    assert run(path, tmp_path / "rows.npy", "-o", folder / "own" / "reference.json").exit_code == 0
    client = start(models=folder, activation_sample_rate=1, activation_cpu_share=1)
    headers = {"content-type": "application/octet-stream"}
    assert client.post("/predict/own", content=batch.tobytes(), headers=headers).status_code == 200
    until = time.monotonic() + 30
    while (found := client.get("/models/own/activations").json())["rows"] < 300:
        assert time.monotonic() < until
        time.sleep(0.05)
    drift = found["layers"][0]["drift"]
    assert drift == {"psi": pytest.approx(0, abs=1e-12), "by": "unit", "reference_rows": 300}


def test_what_cannot_be_told_of_is_one_sentence(graphs: Any, tmp_path: Path, rows: Path) -> None:
    path = graphs.identity(tmp_path / "plain.onnx", 1, ["n", 784])
    done = run(path, rows)
    assert done.exit_code == 1
    assert "The graph of `plain` has no activation that can be observed." in done.output
    assert run("fashion_mnist", rows, "-o", rows).exit_code == 2
    assert run("nobody", rows).exit_code == 1
