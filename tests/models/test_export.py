"""The exported graph: what it computes, what it says of itself, and what it refuses."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from models.export import ExportError, check, export, graph, logits_of, run
from models.network import ACTIVATIONS, Network

IMAGES = torch.rand(200, 784, generator=torch.Generator().manual_seed(0))


def seeded(activation: str = "relu") -> Network:
    torch.manual_seed(0)
    return Network(activation)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_exported_network_gives_pytorch_logits_and_their_softmax(activation: str, tmp_path: Path) -> None:
    network = seeded(activation)
    export(network, IMAGES, {}, tmp_path / "model.onnx")
    logits, probabilities = run(tmp_path / "model.onnx", IMAGES.numpy())
    expected = logits_of(network, IMAGES)
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(probabilities, expected.softmax(1), rtol=0, atol=1e-6)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_hidden_node_bears_the_name_of_its_activation(activation: str) -> None:
    names = [node.name for node in graph(seeded(activation), {}).graph.node]
    assert [name for name in names if name != "silu_sigmoid"] == ["fc1", activation, "fc2", "softmax"]


def test_batch_of_32_images_gives_32_rows_of_ten(tmp_path: Path) -> None:
    export(seeded(), IMAGES, {}, tmp_path / "model.onnx")
    logits, probabilities = run(tmp_path / "model.onnx", np.zeros((32, 784), np.float32))
    assert logits.shape == probabilities.shape == (32, 10)


def test_relu_graph_is_four_operators() -> None:
    assert [node.op_type for node in graph(seeded(), {}).graph.node] == ["Gemm", "Relu", "Gemm", "Softmax"]


def test_metadata_is_written_as_given(tmp_path: Path) -> None:
    export(seeded(), IMAGES, {"task": "classification"}, tmp_path / "model.onnx")
    properties = onnx.load_model(tmp_path / "model.onnx").metadata_props
    assert {entry.key: entry.value for entry in properties} == {"task": "classification"}


def test_graph_with_another_weight_is_refused() -> None:
    network = seeded()
    model = graph(network, {})
    network.fc1.weight.data[5, 400] += 0.01
    with pytest.raises(ExportError, match=r"logits of onnxruntime and PyTorch differ by 0\.\d+, more than 0\.0001"):
        check(model, network, IMAGES)


def test_graph_that_predicts_another_class_is_refused() -> None:
    network = seeded()
    with torch.no_grad():
        network.fc2.weight.zero_()
        network.fc2.bias.zero_()[3] = 5e-5
    model = graph(network, {})
    network.fc2.bias.data[4] = 6e-5  # within the tolerance of a logit, and yet another class
    with pytest.raises(ExportError, match="predict another class for 200 of 200 images"):
        check(model, network, IMAGES)


def test_refused_export_writes_nothing(tmp_path: Path) -> None:
    network = seeded()
    network.fc2.bias.data[0] = torch.nan  # PyTorch and onnxruntime agree on nan, but no prediction is left
    with pytest.raises(ExportError):
        export(network, IMAGES, {}, tmp_path / "1" / "model.onnx")
    assert not (tmp_path / "1").exists()
