"""Trainings in other processes, and the time of an epoch."""

import torch

from models.network import ACTIVATIONS
from models.study import pool
from models.study.case import CASES, LOW_BIAS
from models.study.stopwatch import epoch_seconds
from models.study.trial import run


def test_every_case_activation_and_seed_is_wanted_once() -> None:
    wanted = pool.tasks()
    assert len(set(wanted)) == len(wanted) == len(ACTIVATIONS) * sum(case.seeds for case in CASES.values())
    assert all(case.seeds >= 3 for case in CASES.values())
    assert {seed for _, _, seed in pool.tasks(2)} == {0, 1}


def test_training_in_another_process_gives_what_it_gives_here() -> None:
    torch.set_num_threads(1)
    (there,) = pool.trials([("low_bias", "leaky_relu", 1)], epochs=1, workers=1)
    assert there == run(LOW_BIAS, "leaky_relu", 1, pool.data(), epochs=1)


def test_every_activation_is_timed_for_a_whole_epoch() -> None:
    seconds = epoch_seconds(pool.data().train.take(torch.arange(128 * 200)), rounds=range(1))
    assert set(seconds) == set(ACTIVATIONS)
    assert all(0.01 < each < 60 for each in seconds.values())
