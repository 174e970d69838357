"""Rows set aside by chance: each with the same chance, no more than there is room for, and never at a caller's cost."""

from __future__ import annotations

import threading
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from service.tap import LARGEST_BYTES, MOST_OF_A_REQUEST, MOST_ROWS, Tap
from service.tensors import BY_NAME, TensorSpec

SPEC = TensorSpec("x", BY_NAME["FP32"], ("n", 2))


def opened(rate: float, *, joinable: bool = True, specs: tuple[TensorSpec, ...] = (SPEC,)) -> Tap:
    tap = Tap()
    tap.open(rate, specs, joinable=joinable)
    return tap


def rows(start: int, count: int) -> dict[str, np.ndarray]:
    """Rows that can be told from each other."""
    return {"x": np.arange(2 * start, 2 * (start + count), dtype=np.float32).reshape(count, 2)}


def test_closed_tap_takes_nothing() -> None:
    tap = Tap()
    tap.ran(rows(0, 1000), 1000)
    assert (tap.take(1), tap.has_news) == ([], False)


def test_rate_of_one_takes_every_row_once() -> None:
    tap = opened(1)
    for start in range(0, 192, 64):
        tap.ran(rows(start, 64), 64)
    taken = np.concatenate([one.feeds["x"] for one in tap.take(MOST_ROWS)])
    assert np.array_equal(taken, rows(0, 192)["x"])


@pytest.mark.parametrize("size", [1, 7, 64])
def test_share_and_place_of_rows_are_those_of_chance(size: int) -> None:
    """20,000 rows at 5 %: 1,000 expected, with a standard deviation of 31. Places in a run are equally likely."""
    tap, places, total = opened(0.05), Counter[int](), 0
    for start in range(0, 20_000, size):
        tap.ran(rows(start, size), size)
        for one in tap.take(MOST_ROWS):
            assert one.rows == len(one.feeds["x"])
            total += one.rows
            places.update((one.feeds["x"][:, 0] / 2 % size).astype(int).tolist())
    assert 800 < total < 1200
    assert len(places) == size
    assert max(places.values()) < 3 * total / size + 30


def test_neighbours_are_taken_independently() -> None:
    """At one half, a row is taken as often behind a taken one as behind another: no pattern in traffic is favoured."""
    tap, found = opened(0.5), []
    for start in range(4000):
        tap.ran(rows(start, 1), 1)
        found.append(bool(tap.take(1)))
    behind = [later for before, later in pairwise(found) if before]
    assert 0.45 < np.mean(behind) < 0.55


def test_what_is_taken_is_a_copy() -> None:
    for joinable in (True, False):
        tap, sent = opened(1, joinable=joinable), rows(0, 3)
        tap.ran(sent, 3)
        sent["x"][:] = -1
        assert np.array_equal(tap.take(9)[0].feeds["x"], rows(0, 3)["x"])


def test_rows_that_may_touch_each_other_are_taken_as_whole_requests() -> None:
    tap = opened(1, joinable=False)
    tap.ran(rows(0, 5), 5)
    tap.ran(rows(0, MOST_OF_A_REQUEST + 1), MOST_OF_A_REQUEST + 1)
    assert [one.rows for one in tap.take(MOST_ROWS)] == [5]
    assert tap.dropped() == MOST_OF_A_REQUEST + 1


def test_input_without_rows_has_requests_taken_whole() -> None:
    fixed = TensorSpec("w", BY_NAME["FP32"], (2, 2))
    tap = opened(1, specs=(SPEC, fixed))
    tap.ran(rows(0, 3) | {"w": np.zeros((2, 2), np.float32)}, 3)
    (one,) = tap.take(9)
    assert (one.rows, one.feeds["x"].shape, tap.by_row) == (3, (3, 2), False)


def test_overridden_initializers_are_passed_over() -> None:
    tap = opened(1)
    tap.ran(rows(0, 3) | {"bias": np.zeros(2, np.float32)}, 3)
    assert (tap.take(9), tap.dropped()) == ([], 0)


def test_what_there_is_no_room_for_is_dropped_and_counted() -> None:
    tap = opened(1)
    for start in range(0, MOST_ROWS + 128, 64):
        tap.ran(rows(start, 64), 64)
    assert tap.dropped() == 128
    assert tap.dropped() == 0
    assert sum(one.rows for one in tap.take(2 * MOST_ROWS)) == MOST_ROWS
    tap.ran({"x": np.zeros((1, LARGEST_BYTES), np.float32)}, 1)
    assert (tap.take(1), tap.dropped()) == ([], 1)


def test_arrays_that_are_not_as_promised_raise_nothing() -> None:
    tap = opened(1)
    tap.ran({"x": np.zeros((1, 2), np.float32)}, 3)
    assert (tap.take(9), tap.dropped()) == ([], 3)


def test_closing_lets_go_of_what_waits() -> None:
    tap = opened(1)
    tap.ran(rows(0, 64), 64)
    tap.close()
    tap.ran(rows(0, 64), 64)
    assert tap.take(MOST_ROWS) == []


def test_threads_may_run_and_empty_it_at_once() -> None:
    tap = opened(1, joinable=False)
    found: list[int] = []

    def run() -> None:
        for start in range(500):
            tap.ran(rows(start, 1), 1)

    runners = [threading.Thread(target=run) for _ in range(4)]
    for one in runners:
        one.start()
    while any(one.is_alive() for one in runners):
        found += [one.rows for one in tap.take(64)]
    found += [one.rows for one in tap.take(MOST_ROWS)]
    assert 1 <= sum(found) + tap.dropped() <= 2000
    assert (tap.take(1), tap.has_news) == ([], False)
