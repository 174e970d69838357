"""The reference statistics of a hidden layer: counted by hand, and written without touching the rest of the file."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from models.export import export, graph
from models.network import ACTIVATIONS, Network
from models.reference import PROPERTY, hidden, layer, reference, refresh

IMAGES = torch.rand(50, 784, generator=torch.Generator().manual_seed(0))


def seeded(activation: str) -> Network:
    torch.manual_seed(0)
    return Network(activation)


def properties(model: onnx.ModelProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in model.metadata_props}


def test_zeros_of_a_rectifier_fill_a_bin_of_their_own() -> None:
    values = np.float32([[0, 0, 0, 0, 0], [0, 1, 2, 3, 4]])
    found = layer("relu", values)
    assert found["edges"] == [0, 1, 2, 3]  # the deciles are 0 six times, then 1, 2, 3
    assert found["counts"] == [6, 1, 1, 1, 1]
    assert found["zero_share"] == 0.6


def test_edges_are_the_deciles_and_bins_open_below() -> None:
    values = np.random.default_rng(0).permutation(np.arange(-500, 500, dtype=np.float32)).reshape(20, 50)
    found = layer("tanh", values)
    assert found["edges"] == [-401, -301, -201, -101, -1, 99, 199, 299, 399]
    assert found["counts"] == [100] * 10
    assert found["mean"] == -0.5
    assert found["std"] == pytest.approx(np.arange(1000).std())


def test_layer_of_one_value_has_one_edge() -> None:
    assert layer("sigmoid", np.full((3, 4), 0.5, np.float32)) == {
        "node": "sigmoid", "zero_share": 0, "mean": 0.5, "std": 0, "edges": [0.5], "counts": [12, 0],
    }  # fmt: skip


def test_values_that_are_not_finite_are_left_out() -> None:
    values = np.float32([[np.nan, 1, 2], [np.inf, 3, -np.inf]])
    assert layer("relu", values) == layer("relu", np.float32([[1, 2, 3]]))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_hidden_values_are_those_of_pytorch(activation: str) -> None:
    network = seeded(activation)
    with torch.no_grad():
        expected = network.activation(network.fc1(IMAGES))
    np.testing.assert_allclose(hidden(graph(network, {}), IMAGES.numpy()), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_reference_names_the_node_that_gives_the_activation(activation: str) -> None:
    told = json.loads(reference(graph(seeded(activation), {}), IMAGES.numpy(), "made up"))
    assert (told["rows"], told["source"]) == (50, "made up")
    assert [each["node"] for each in told["layers"]] == [activation]
    assert sum(told["layers"][0]["counts"]) == 50 * 128


def test_refreshed_file_differs_in_the_reference_alone(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    export(seeded("silu"), IMAGES, {"task": "classification", PROPERTY: "old"}, path)
    before = onnx.load_model(path)
    refresh(path, IMAGES.numpy(), "made up")
    after = onnx.load_model(path)
    assert after.graph.SerializeToString() == before.graph.SerializeToString()
    assert properties(after) | {PROPERTY: "old"} == properties(before)
    assert json.loads(properties(after)[PROPERTY])["source"] == "made up"
