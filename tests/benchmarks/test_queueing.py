"""The simulation against what queueing theory says exactly, and against a case that can be done by hand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.queueing import Costs, Replicas, most, simulate

MANY = 200_000
CLOSE = 0.04  # of a mean over so many requests, which depend on each other


@pytest.mark.parametrize("busy", [0.3, 0.6, 0.8])
def test_equal_requests_wait_as_long_as_theory_says(busy: float) -> None:
    """M/D/1: the mean wait is s·ρ / (2(1−ρ))."""
    found = simulate(Costs(0, 1.0, 0, max_batch_size=1), busy, np.ones(MANY, np.int64))
    assert found.mean - 1 == pytest.approx(busy / (2 * (1 - busy)), rel=CLOSE)
    assert found.busy == pytest.approx(busy, rel=CLOSE)
    assert found.rows_per_run == 1


@pytest.mark.parametrize("busy", [0.4, 0.7])
def test_unequal_requests_wait_as_long_as_theory_says(busy: float) -> None:
    """M/G/1, Pollaczek and Khinchine: the mean wait is λ·E[s²] / (2(1−ρ))."""
    rows = np.random.default_rng(7).choice([1, 9], MANY, p=[0.75, 0.25])
    mean, square = 0.75 * 1 + 0.25 * 9, 0.75 * 1 + 0.25 * 81
    rate = busy / mean
    found = simulate(Costs(0, 0, 1.0, max_batch_size=1), rate, rows)
    assert found.mean - mean == pytest.approx(rate * square / (2 * (1 - busy)), rel=2 * CLOSE)


def test_least_loaded_of_several_replicas_waits_between_two_bounds() -> None:
    """Requests that go to the least loaded of three replicas wait longer than in one queue before all (M/D/3, which is
    at least half of M/M/3), and not as long as where each has a third of them by chance (M/D/1)."""
    busy = 0.8
    found = simulate(Costs(0, 1.0, 0, max_batch_size=1), 3 * busy, np.ones(MANY, np.int64), replicas=3)
    erlang = 0.6472  # the probability to wait in M/M/3 at 0.8, by Erlang's formula
    assert erlang / (3 * (1 - busy)) / 2 < found.mean - 1 < busy / (2 * (1 - busy))


def test_erlang_formula_gives_the_probability_used_here() -> None:
    offered = 3 * 0.8
    last = offered**3 / 6 / (1 - 0.8)
    assert last / (1 + offered + offered**2 / 2 + last) == pytest.approx(0.6472, abs=1e-4)


def test_what_waits_is_joined_up_to_the_limit() -> None:
    """By hand: the first runs alone from 0 to 1.3; the next two wait and run together, four rows, 1.3 to 2.9; the last
    would be a fifth row, so it runs after them, 2.9 to 4.1."""
    costs = Costs(per_turn=1.0, per_request=0.1, per_row=0.1, max_batch_size=4)
    replicas = Replicas(costs, 1, [0.0, 0.5, 0.6, 0.7], [2, 2, 2, 1])
    replicas.run()
    assert replicas.latencies == pytest.approx([1.3, 2.4, 2.3, 3.4])
    assert replicas.runs == 3


def test_joining_lets_more_through_than_a_replica_could_answer_singly() -> None:
    costs = Costs(per_turn=1.0, per_request=0.01, per_row=0.01)
    found = simulate(costs, 5.0, np.ones(20_000, np.int64))
    assert found.rows_per_run > 4
    assert found.percentile(0.99) < 4


def test_request_larger_than_a_run_takes_several() -> None:
    costs = Costs(per_turn=1.0, per_request=0.0, per_row=0.0, max_batch_size=64)
    assert costs.seconds(1, 150) == 3.0


@pytest.mark.parametrize("replicas", [1, 4])
def test_most_that_is_found_meets_the_target_and_a_little_more_does_not(replicas: int) -> None:
    costs, rows = Costs(1e-4, 1e-4, 1e-5), np.full(20_000, 8)
    rate = most(costs, rows, 2e-3, replicas)
    assert simulate(costs, rate, rows, replicas).percentile(0.99) <= 2e-3
    assert simulate(costs, rate * 1.02, rows, replicas).percentile(0.99) > 2e-3


def test_target_that_one_request_misses_is_met_by_no_rate() -> None:
    assert most(Costs(0, 1.0, 0), np.ones(1000, np.int64), 0.5) == 0
