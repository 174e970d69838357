"""One way to train anything here: AdamW, one cycle of the learning rate, cross-entropy with soft targets."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional
from tqdm import tqdm

Augment = Callable[[torch.Tensor, torch.Generator], torch.Tensor]
"""Changed copies of a batch of images `[batch, 784]`, drawn with the generator."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: the rate rises to its peak over the first fifth of all steps, then falls to nothing."""

    epochs: int
    peak_learning_rate: float
    weight_decay: float
    batch: int


def fit(
    network: nn.Module,
    images: torch.Tensor,
    targets: torch.Tensor,
    schedule: Schedule,
    generator: torch.Generator,
    augment: Augment,
    title: str,
) -> None:
    """Trains `network` in place on images `[count, 784]` and the class probabilities `[count, 10]` wanted for them.

    The order and the augmentation are drawn from `generator`, dropout from PyTorch's own. `title` names the progress
    bar.
    """
    steps = schedule.epochs * (len(images) // schedule.batch)
    optimizer = torch.optim.AdamW(network.parameters(), schedule.peak_learning_rate, weight_decay=schedule.weight_decay)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, schedule.peak_learning_rate, steps, pct_start=0.2)
    network.train()
    with tqdm(total=steps, desc=title, unit="step", mininterval=1) as progress:
        for rows in _all_batches(len(images), schedule, generator):
            loss = functional.cross_entropy(network(augment(images[rows], generator)), targets[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            cycle.step()
            progress.update()
    network.eval()


def batches(count: int, size: int, generator: torch.Generator) -> Iterator[torch.Tensor]:
    """Row numbers of every batch of one epoch; the few rows that fill no whole batch sit it out."""
    order = torch.randperm(count, generator=generator)
    for start in range(0, count - size + 1, size):
        yield order[start : start + size]


def _all_batches(count: int, schedule: Schedule, generator: torch.Generator) -> Iterator[torch.Tensor]:
    for _ in range(schedule.epochs):
        yield from batches(count, schedule.batch, generator)
