"""What is seen in a hidden layer, on a layer whose outputs are known."""

import math

import pytest
import torch

from models.network import HIDDEN, Network
from models.study.layer import look

IMAGES = torch.zeros(3, 784)
IMAGES[:, 0] = torch.tensor([1.0, 2.0, 3.0])


def known(activation: str, weight: list[float], bias: list[float]) -> Network:
    """Units that see the first pixel alone; those not told give what their bias of 1 gives."""
    network = Network(activation)
    with torch.no_grad():
        network.fc1.weight.zero_()
        network.fc1.bias.fill_(1)
        network.fc1.weight[: len(weight), 0] = torch.tensor(weight)
        network.fc1.bias[: len(bias)] = torch.tensor(bias)
    return network


def test_unit_is_dead_only_if_it_is_zero_for_every_image() -> None:
    found = look(known("relu", weight=[-1, -1, 0], bias=[1, 2, -5]), IMAGES)  # 0 0 0; 1 0 0; 0 0 0
    assert found.dead.nonzero().flatten().tolist() == [0, 2]
    assert found.saturated == 2
    assert found.zeros == pytest.approx(8 / (3 * HIDDEN))
    assert found.slope == pytest.approx(1 - 8 / (3 * HIDDEN))
    assert found.mean == pytest.approx((1 + 3 * (HIDDEN - 3)) / (3 * HIDDEN))


def test_unit_is_saturated_only_if_it_is_flat_for_every_image() -> None:
    found = look(known("tanh", weight=[5, -5], bias=[5, 5]), IMAGES)  # 10 15 20; 0 -5 -10
    assert found.saturated == 1
    assert not found.dead.any()


def test_slope_of_leaky_relu_is_never_flat() -> None:
    assert look(known("leaky_relu", weight=[-1], bias=[0]), IMAGES).saturated == 0


def test_spread_is_that_of_all_outputs() -> None:
    network = known("elu", weight=[1, 2, 3], bias=[0, -1, -2])
    with torch.no_grad():
        outputs = network.activation(network.fc1(IMAGES)).double()
    found = look(network, IMAGES)
    assert found.mean == pytest.approx(float(outputs.mean()))
    assert found.std == pytest.approx(float(outputs.std(correction=0)))


def test_network_of_nan_is_neither_dead_nor_saturated() -> None:
    found = look(known("relu", weight=[0], bias=[math.nan]), IMAGES)
    assert not found.dead.any()
    assert found.saturated == 0
    assert math.isnan(found.mean)
    assert math.isnan(found.std)
