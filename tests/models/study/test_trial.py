"""Trainings of the study, on little data: the same for every activation but for the activation."""

import dataclasses
import math

import pytest
import torch

from models.data import Dataset, fashion_mnist
from models.network import ACTIVATIONS
from models.study.case import FAST_SGD, LOW_BIAS, PLAIN
from models.study.trial import run, score, start, train


@pytest.fixture(scope="module")
def some() -> Dataset:
    whole, rows = fashion_mnist(), torch.arange(6000)
    return dataclasses.replace(whole, train=whole.train.take(rows), test=whole.test.take(rows[:2000]))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def test_same_seed_gives_every_activation_the_same_first_weights() -> None:
    first, *others = (start(PLAIN, activation, seed=3) for activation in ACTIVATIONS)
    for other in others:
        assert torch.equal(first.fc1.weight, other.fc1.weight)
        assert torch.equal(first.fc2.weight, other.fc2.weight)
    assert not torch.equal(first.fc1.weight, start(PLAIN, "relu", seed=4).fc1.weight)


def test_training_stops_after_every_tenth_of_an_epoch(some: Dataset) -> None:
    stops = list(train(start(PLAIN, "relu", 0), PLAIN, some.train, seed=0, epochs=2))
    assert stops == pytest.approx([part / 10 for part in range(1, 21)])
    assert [stop for stop in stops if stop == round(stop)] == [1, 2]


def test_plain_training_learns_and_repeats_itself(some: Dataset) -> None:
    first, again = (run(PLAIN, "tanh", 0, some, epochs=3) for _ in range(2))
    assert first == again
    assert first.accuracy[-1] > 0.78
    assert first.dead == [0, 0, 0, 0]
    assert first.reached is None


def test_low_bias_kills_every_relu_unit_for_good_and_no_leaky_one(some: Dataset) -> None:
    killed, alive = (run(LOW_BIAS, activation, 0, some, epochs=3) for activation in ("relu", "leaky_relu"))
    assert killed.dead == [128, 128, 128, 128]
    assert (killed.zeros, killed.slope, killed.revived) == (1, 0, 0)
    assert killed.accuracy[-1] < 0.15
    assert alive.dead == [0, 0, 0, 0]
    assert alive.accuracy[-1] > 0.6


def test_goal_is_told_in_tenths_of_an_epoch(some: Dataset) -> None:
    easy = dataclasses.replace(some, test=some.test.take(some.test.labels == 1))  # trousers
    found = run(PLAIN, "relu", 0, easy, epochs=1)
    assert found.reached is not None
    assert found.reached * 10 == round(found.reached * 10) > 0


def test_network_whose_logits_are_nan_is_never_right(some: Dataset) -> None:
    network = start(FAST_SGD, "prelu", 0)
    network.fc2.bias.data.fill_(math.nan)
    assert score(network, some.test) == 0
