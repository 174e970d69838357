"""How many workers a load of one's own takes."""

from __future__ import annotations

import re

import numpy as np
import pytest

from benchmarks.fleet import at_least, fewest, main
from benchmarks.queueing import Costs


@pytest.mark.parametrize(("needed", "low"), [(1, 1), (5, 1), (5, 5), (16, 3)])
def test_fewest_that_are_enough_are_found(needed: int, low: int) -> None:
    assert fewest(lambda count: count >= needed, low, 16) == needed


def test_more_than_may_be_are_none() -> None:
    assert fewest(lambda count: count >= 17, 1, 16) is None


def test_work_that_must_be_done_bounds_the_workers() -> None:
    assert at_least(Costs(0, 1e-3, 0), 2500, np.ones(10, np.int64)) == 3


def test_command_finds_workers_that_meet_the_target_and_one_fewer_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    load = ["--rate", "9000", "--rows", "1:0.8,32:0.2", "--costs", "150,20,30", "--target-ms", "5"]
    assert main(load) == 0
    workers, p99 = _told(capsys)
    assert p99 <= 5
    assert main([*load, "--workers", str(workers - 1)]) == 0
    assert _told(capsys)[1] > 5


def test_target_below_one_request_is_not_met(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--rate", "10", "--rows", "1", "--costs", "20000,0,0"]) == 1
    assert "Not met" in capsys.readouterr().out


def _told(capsys: pytest.CaptureFixture[str]) -> tuple[int, float]:
    text = capsys.readouterr().out
    found = re.search(r"^(\d+) workers.*p99 ([\d.]+) ms", text, re.DOTALL | re.MULTILINE)
    assert found is not None
    return int(found[1]), float(found[2])
