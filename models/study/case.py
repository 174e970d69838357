"""What is trained: plainly, as a tutorial would, and in three ways that are known to hurt."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final

import torch
from torch import nn

BATCH: Final = 128
EPOCHS: Final = 10

MakeOptimizer = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]


@dataclass(frozen=True)
class Case:
    """One way to train: `title` in words, `seeds` of them, `bias` for every unit of `fc1` at the start if not None."""

    name: str
    title: str
    optimizer: MakeOptimizer
    seeds: int
    bias: float | None = None


def adam(rate: float) -> MakeOptimizer:
    """Adam in one pass over the weights, which is what makes it `fused`: a quarter of the time is saved."""
    return partial(torch.optim.Adam, lr=rate, fused=True)


PLAIN: Final = Case("plain", "plain training", adam(0.001), seeds=10)
LOW_BIAS: Final = Case("low_bias", "`fc1` bias starting at −3", adam(0.001), seeds=5, bias=-3.0)
FAST_ADAM: Final = Case("fast_adam", "Adam at rate 0.1", adam(0.1), seeds=5)
FAST_SGD: Final = Case("fast_sgd", "SGD at rate 2", partial(torch.optim.SGD, lr=2.0), seeds=5)

PROVOKED: Final = (LOW_BIAS, FAST_ADAM, FAST_SGD)
CASES: Final = {case.name: case for case in (PLAIN, *PROVOKED)}
