"""What the hidden layer does with a set of images."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import torch

from models.network import HIDDEN, Network

FLAT: Final = 0.01
"""A unit whose slope is smaller than this for every image is saturated."""
AT_ONCE: Final = 10_000


@dataclass(frozen=True)
class Layer:
    """`dead` `[128]`: which units gave zero for every image. `saturated`: how many had |slope| < 0.01 for every image.

    `zeros` is the share of zeros among all outputs, `slope` the mean |slope|, `mean` and `std` those of the outputs;
    NaN where the network has numbers that are not finite.
    """

    dead: torch.Tensor
    saturated: int
    zeros: float
    slope: float
    mean: float
    std: float


def look(network: Network, images: torch.Tensor) -> Layer:
    """Runs `images` `[count, 784]` through the hidden layer."""
    dead = flat = torch.ones(HIDDEN, dtype=torch.bool)
    zeros, slopes, total, squares = (torch.zeros((), dtype=torch.float64) for _ in range(4))
    for outputs, slope in _parts(network, torch.split(images, AT_ONCE)):
        dead, flat = dead & (outputs == 0).all(0), flat & (slope < FLAT).all(0)
        zeros += (outputs == 0).sum()
        slopes += slope.sum(dtype=torch.float64)
        total += outputs.sum(dtype=torch.float64)
        squares += outputs.double().square().sum()
    count = len(images) * HIDDEN
    mean, variance = float(total) / count, float(squares - total * total / count) / count
    std = math.sqrt(max(variance, 0)) if math.isfinite(variance) else math.nan
    return Layer(dead, int(flat.sum()), float(zeros) / count, float(slopes) / count, mean, std)


def _parts(network: Network, parts: Iterable[torch.Tensor]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Outputs and |slope| of the activation, both `[rows, 128]`."""
    for images in parts:
        before = network.fc1(images).detach().requires_grad_()
        outputs = network.activation(before)
        (slope,) = torch.autograd.grad(outputs.sum(), before)
        yield outputs.detach(), slope.abs()
