"""The network: `fc1` 784→128, one activation, `fc2` 128→10. Nothing else is trained, shipped or compared."""

from collections.abc import Callable
from typing import Final

import torch
from torch import nn

PIXELS: Final = 784
HIDDEN: Final = 128
CLASSES: Final = 10

ACTIVATIONS: Final[dict[str, Callable[[], nn.Module]]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "prelu": nn.PReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
}
"""The family: PyTorch's module for each name, with PyTorch's default parameters."""


class Network(nn.Module):
    """Images `[batch, 784]` with pixels in 0…1 to logits `[batch, 10]`.

    `activation` is a name in `ACTIVATIONS`; any other raises `KeyError`.
    """

    def __init__(self, activation: str = "relu") -> None:
        super().__init__()
        self.activation_name = activation
        self.fc1 = nn.Linear(PIXELS, HIDDEN)
        self.activation = ACTIVATIONS[activation]()
        self.fc2 = nn.Linear(HIDDEN, CLASSES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.fc2(self.activation(self.fc1(images)))
        return logits
