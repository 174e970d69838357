"""What an epoch costs with each activation: processor time, all of them in turn so that they meet the same
disturbances, the least of several rounds.
"""

import time
from collections.abc import Iterable, Mapping
from typing import Final

import torch

from models.data import Samples
from models.fit import batches
from models.network import ACTIVATIONS
from models.study.case import BATCH, PLAIN
from models.study.trial import descend, start

ROUNDS: Final = 15
STEPS: Final = 100


def epoch_seconds(samples: Samples, rounds: Iterable[int] = range(ROUNDS)) -> Mapping[str, float]:
    """Seconds of one thread for one epoch of plain training on `samples`, by activation."""
    best = dict.fromkeys(ACTIVATIONS, float("inf"))
    for _ in rounds:
        for activation in ACTIVATIONS:
            best[activation] = min(best[activation], _seconds(activation, samples))
    return {activation: seconds * (len(samples) // BATCH / STEPS) for activation, seconds in best.items()}


def _seconds(activation: str, samples: Samples) -> float:
    """For the first steps of an epoch, the drawing of their order not counted."""
    network = start(PLAIN, activation, seed=0)
    optimizer = PLAIN.optimizer(network.parameters())
    drawn = list(batches(len(samples), BATCH, torch.Generator().manual_seed(0)))[:STEPS]
    begun = time.process_time()
    for rows in drawn:
        descend(network, optimizer, samples.images[rows], samples.labels[rows])
    return (time.process_time() - begun) * STEPS / len(drawn)
