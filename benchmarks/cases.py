"""What is asked of every server: bodies of pixel-like rows or one large tensor, and by how many connections at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.float32]

COLUMNS = 784
BLACK_SHARE = 0.5  # of the pixels of Fashion-MNIST, half are 0
BODIES = 8  # sent in turn, so that a parser cannot learn one by heart
TENSOR_COLUMNS = 4000  # as many rows of them are 64 MB of float32

NETWORK = {
    "json": "JSON",
    "raw": "raw float32",
    "v2-json": "v2 JSON",
    "v2-binary": "v2 binary",
}
"""The kinds of body that the network is asked in: v2 is the Open Inference Protocol, raw is values back to back."""
ACTIVATIONS = ("relu", "gelu", "softmax")
"""The activations that are asked for a `.npy` file, each a kind of its own."""
LARGE = "activations"
"""What they are called together."""


@dataclass(frozen=True, slots=True)
class Case:
    """`rows` of the network's 784 pixels, or of 4,000 values for an activation."""

    kind: str
    rows: int
    connections: int

    @property
    def is_activation(self) -> bool:
        return self.kind in ACTIVATIONS

    @property
    def group(self) -> str:
        """The cases that stand in one table."""
        return LARGE if self.is_activation else NETWORK[self.kind]

    @property
    def label(self) -> str:
        """Tells it from the others of its group, in few letters."""
        return self.kind if self.is_activation else f"{self.rows:,} × {self.connections}"

    @property
    def name(self) -> str:
        if self.is_activation:
            return f"{self.kind} of {self.rows * TENSOR_COLUMNS * 4 / 1e6:,.0f} MB"
        return f"{NETWORK[self.kind]}, {_count(self.rows, 'row')} × {_count(self.connections, 'connection')}"

    def batches(self) -> list[Rows]:
        """The values of each body, the same in every run. A large tensor is one body."""
        return _tensor(self.rows) if self.is_activation else _pictures(self.rows)


CASES = (
    *(Case("json", *load) for load in ((1, 1), (1, 8), (1, 64), (32, 8), (256, 4), (1024, 2))),
    *(Case("raw", *load) for load in ((1, 64), (32, 8))),
    *(Case("v2-json", *load) for load in ((1, 8), (32, 8), (256, 4))),
    *(Case("v2-binary", *load) for load in ((1, 8), (1, 64), (32, 8))),
    *(Case(activation, 4000, 1) for activation in ACTIVATIONS),
)


def pixels(generator: Any, rows: int) -> Rows:
    """Rows as an 8-bit picture gives them: k/255 in float32, so that JSON has up to 20 characters for a number."""
    levels = generator.integers(0, 256, (rows, COLUMNS))
    levels[generator.random((rows, COLUMNS)) < BLACK_SHARE] = 0
    rows_of_pixels: Rows = (levels / 255).astype(np.float32)
    return rows_of_pixels


@cache
def _pictures(rows: int) -> list[Rows]:
    generator = np.random.default_rng(rows)
    return [pixels(generator, rows) for _ in range(BODIES)]


@cache
def _tensor(rows: int) -> list[Rows]:
    """Standard normal, as what an activation is given in a network mostly is."""
    return [np.random.default_rng(rows).standard_normal((rows, TENSOR_COLUMNS), np.float32)]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + "s" * (number != 1)
