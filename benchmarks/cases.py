"""What is asked of every server: bodies of pixel-like rows, and how many connections ask at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.float32]

COLUMNS = 784
BLACK_SHARE = 0.5  # of the pixels of Fashion-MNIST, half are 0
BODIES = 8  # sent in turn, so that a parser cannot learn one by heart


@dataclass(frozen=True, slots=True)
class Case:
    """`kind` is `json` or `raw` (float32, little-endian, rows back to back)."""

    kind: str
    rows: int
    connections: int

    @property
    def name(self) -> str:
        kind = "JSON" if self.kind == "json" else "raw float32"
        return f"{kind}, {_count(self.rows, 'row')} × {_count(self.connections, 'connection')}"

    def batches(self) -> list[Rows]:
        """The rows of each body, the same in every run."""
        generator = np.random.default_rng(self.rows)
        return [pixels(generator, self.rows) for _ in range(BODIES)]


CASES = (
    Case("json", 1, 1),
    Case("json", 1, 8),
    Case("json", 1, 64),
    Case("json", 32, 8),
    Case("json", 256, 4),
    Case("raw", 1, 64),
    Case("raw", 32, 8),
)


def pixels(generator: Any, rows: int) -> Rows:
    """Rows as an 8-bit picture gives them: k/255 in float32, so that JSON has up to 20 characters for a number."""
    levels = generator.integers(0, 256, (rows, COLUMNS))
    levels[generator.random((rows, COLUMNS)) < BLACK_SHARE] = 0
    rows_of_pixels: Rows = (levels / 255).astype(np.float32)
    return rows_of_pixels


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + "s" * (number != 1)
