"""All trainings of the study, several at once. Each has one thread, so how many run changes nothing but the time."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from multiprocessing import get_context

import torch

from models.data import Dataset, fashion_mnist
from models.network import ACTIVATIONS
from models.study.case import CASES
from models.study.trial import Trial, run

Task = tuple[str, str, int]
"""Case, activation, seed."""


def tasks(most: int | None = None) -> list[Task]:
    """Every training of the study, with no more than `most` seeds of a case."""
    return [
        (case.name, activation, seed)
        for case in CASES.values()
        for seed in range(case.seeds)[:most]
        for activation in ACTIVATIONS
    ]


def trials(wanted: Sequence[Task], epochs: int, workers: int) -> Iterator[Trial]:
    """What became of each, in the order in which they end."""
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=prepare) as pool:
        for done in as_completed([pool.submit(_trial, task, epochs) for task in wanted]):
            yield done.result()


def prepare() -> None:
    """Makes PyTorch add in one order, on however many cores."""
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)


@cache  # read once in each process
def data() -> Dataset:
    """What is trained and tested on."""
    return fashion_mnist()


def _trial(task: Task, epochs: int) -> Trial:
    case, activation, seed = task
    return run(CASES[case], activation, seed, data(), epochs)
