"""One training of one network from one seed, looked at from outside and from inside."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Final

import torch
from torch import nn
from torch.nn import functional

from models.data import Dataset, Samples
from models.export import logits_of
from models.fit import batches
from models.network import Network
from models.study.case import BATCH, EPOCHS, Case
from models.study.layer import Layer, look

GOAL: Final = 0.85
LOOKS: Final = 10
"""How often an epoch is interrupted to see whether the goal is reached, until it is."""


@dataclass(frozen=True)
class Trial:
    """What became of one training; lists have one figure for each epoch.

    `accuracy`: on the test images. `reached`: epochs until it first was 85 %, in tenths; None if it never was.
    `dead`: units that gave zero for every training image, the first figure before training. `revived`: units that
    were dead then or after an epoch and are alive at the end. The rest is told by `Layer`, at the end, on the
    training images.
    """

    case: str
    activation: str
    seed: int
    accuracy: list[float]
    reached: float | None
    dead: list[int]
    revived: int
    saturated: int
    zeros: float
    slope: float
    mean: float
    std: float


def run(case: Case, activation: str, seed: int, data: Dataset, epochs: int = EPOCHS) -> Trial:
    """Trains on all training images. The same seed gives the same first weights and batches to every activation."""
    network = start(case, activation, seed)
    accuracy, layers, reached = [], [look(network, data.train.images)], None
    for now in train(network, case, data.train, seed, epochs):
        if reached is None and score(network, data.test) >= GOAL:
            reached = now
        if now == round(now):
            accuracy.append(score(network, data.test))
            layers.append(look(network, data.train.images))
    dead = [int(layer.dead.sum()) for layer in layers]
    return Trial(case.name, activation, seed, accuracy, reached, dead, _revived(layers), **_figures(layers[-1]))


def start(case: Case, activation: str, seed: int) -> Network:
    """The network before training."""
    torch.manual_seed(seed)
    network = Network(activation)
    if case.bias is not None:
        nn.init.constant_(network.fc1.bias, case.bias)
    return network


def train(network: Network, case: Case, samples: Samples, seed: int, epochs: int) -> Iterator[float]:
    """Trains in place and stops after every tenth of an epoch to say how many epochs are done."""
    optimizer, generator = case.optimizer(network.parameters()), torch.Generator().manual_seed(seed)
    steps = len(samples) // BATCH
    stops = {round(part * steps / LOOKS): part / LOOKS for part in range(1, LOOKS + 1)}
    for epoch in range(epochs):
        for step, rows in enumerate(batches(len(samples), BATCH, generator), start=1):
            descend(network, optimizer, samples.images[rows], samples.labels[rows])
            if step in stops:
                yield epoch + stops[step]


def descend(network: Network, optimizer: torch.optim.Optimizer, images: torch.Tensor, labels: torch.Tensor) -> None:
    """One step."""
    loss = functional.cross_entropy(network(images), labels)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def score(network: Network, samples: Samples) -> float:
    """The share of images whose class is predicted; of a network whose logits are NaN, none."""
    logits = logits_of(network, samples.images)
    right = (logits.argmax(1) == samples.labels) & logits.isfinite().all(1)
    return float(right.double().mean())


def _revived(layers: list[Layer]) -> int:
    """How many units were dead in some of the layers and are not in the last."""
    ever = torch.stack([layer.dead for layer in layers]).any(0)
    return int((ever & ~layers[-1].dead).sum())


def _figures(layer: Layer) -> dict[str, Any]:
    return {field.name: getattr(layer, field.name) for field in fields(layer) if field.name != "dead"}
