"""The network: its shape, and the activations it can be given."""

import pytest
import torch

from models.network import ACTIVATIONS, Network


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_batch_of_32_images_gives_32_rows_of_ten_logits(activation: str) -> None:
    assert Network(activation)(torch.rand(32, 784)).shape == (32, 10)


def test_network_without_argument_is_784_128_10_with_relu() -> None:
    network = Network()
    assert [tuple(weight.shape) for weight in network.parameters()] == [(128, 784), (128,), (10, 128), (10,)]
    images = torch.rand(5, 784)
    hidden = (images @ network.fc1.weight.T + network.fc1.bias).clamp(min=0)
    torch.testing.assert_close(network(images), hidden @ network.fc2.weight.T + network.fc2.bias)


def test_unknown_activation_raises_key_error() -> None:
    with pytest.raises(KeyError, match="step"):
        Network("step")
