"""The simulation against what queueing theory says exactly, and against a case that can be done by hand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.queueing import Around, Costs, Replicas, most, simulate

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


@pytest.mark.parametrize("rate", [0.2, 0.45])
def test_turns_after_pauses_cost_as_much_more_as_theory_says(rate: float) -> None:
    """M/G/1 whose first request after a pause takes another time (Welch, 1964). Pauses are exponential, so the moments
    of 1 − e^(−pause/cooling) are known."""
    cold, cooling = 0.8, 2.0
    costs = Costs(0, 1.0, 0, max_batch_size=1, cold_turn=cold, cooling_s=cooling)
    once = 1 / (1 + rate * cooling)
    twice = 1 - 2 * rate / (rate + 1 / cooling) + rate / (rate + 2 / cooling)
    first, square = 1 + cold * once, 1 + 2 * cold * once + cold**2 * twice
    idle = (1 - rate) / (1 - rate + rate * first)  # what share of requests finds the worker so
    wait = rate / (2 * (1 - rate)) + rate * (square - 1) / (2 * (1 - rate + rate * first))
    found = simulate(costs, rate, np.ones(MANY, np.int64))
    assert found.mean == pytest.approx(wait + idle * first + 1 - idle, rel=CLOSE / 2)
    assert found.busy == pytest.approx(rate * (idle * first + 1 - idle), rel=CLOSE / 2)


def test_all_that_a_pause_can_add_is_added_by_a_long_one() -> None:
    costs = Costs(1.0, 0.1, 0.01, cold_turn=2.0, cold_row=0.1, cooling_s=3.0)
    assert costs.seconds(2, 8, costs.coldness(1e9)) - costs.seconds(2, 8) == pytest.approx(2.0 + 8 * 0.1)
    assert costs.coldness(3.0) == pytest.approx(0.632, rel=1e-3)
    assert costs.coldness(0.0) == 0


@pytest.mark.parametrize("spread", [0.5, 1.0])
def test_times_that_vary_make_others_wait_as_long_as_theory_says(spread: float) -> None:
    """M/G/1 again: the second moment of log-normal times of a second is e^spread². The way has no part in waiting."""
    around = Around([(1, 0.25)], spread)
    found = simulate(Costs(0, 1.0, 0, max_batch_size=1), 0.5, np.ones(MANY, np.int64), around=around)
    assert found.mean == pytest.approx(0.25 + 1 + 0.5 * np.exp(spread**2) / (2 * (1 - 0.5)), rel=CLOSE)
    assert found.busy == pytest.approx(0.5, rel=CLOSE)


def test_way_is_in_proportion_between_sizes_that_are_known() -> None:
    around = Around([(1, 0.1), (33, 0.5)])
    assert around.way_s(np.array([1, 17, 33, 99])) == pytest.approx([0.1, 0.3, 0.5, 0.5])


def test_pauses_and_factors_make_turns_longer() -> None:
    """By hand: a second of work and a way of half a second. The first comes after a long pause, the second after one of
    the time of cooling and takes twice as long, the last waits for it."""
    costs = Costs(0, 1.0, 0, max_batch_size=1, cold_turn=2.0, cooling_s=2.0)
    replicas = Replicas(costs, 1, [0.0, 5.0, 5.5], [1, 1, 1], [0.5, 0.5, 0.5], [1.0, 2.0, 1.0])
    replicas.run()
    work = 2 * (1 + 2 * (1 - np.exp(-1)))
    assert replicas.latencies == pytest.approx([3.5, work + 1.0, work - 0.5 + 1.5])


def test_least_loaded_of_several_replicas_waits_between_two_bounds() -> None:
    """Requests that go to the least loaded of three replicas wait longer than in one queue before all (M/D/3, which is
    at least half of M/M/3), and not as long as where each has a third of them by chance (M/D/1)."""
    busy = 0.8
    found = simulate(Costs(0, 1.0, 0, max_batch_size=1), 3 * busy, np.ones(MANY, np.int64), replicas=3)
    erlang = 0.6472  # the probability to wait in M/M/3 at 0.8, by Erlang's formula
    assert erlang / (3 * (1 - busy)) / 2 < found.mean - 1 < busy / (2 * (1 - busy))


def test_replicas_chosen_by_chance_wait_as_each_does_alone() -> None:
    """A share of a Poisson process by chance is one too: M/D/1 for each."""
    costs = Costs(0, 1.0, 0, max_batch_size=1)
    found = simulate(costs, 3 * 0.6, np.ones(MANY, np.int64), replicas=3, by_chance=True)
    assert found.mean - 1 == pytest.approx(0.6 / (2 * (1 - 0.6)), rel=CLOSE)


def test_erlang_formula_gives_the_probability_used_here() -> None:
    offered = 3 * 0.8
    last = offered**3 / 6 / (1 - 0.8)
    assert last / (1 + offered + offered**2 / 2 + last) == pytest.approx(0.6472, abs=1e-4)


def test_what_waits_is_joined_up_to_the_limit() -> None:
    """By hand: the first runs alone from 0 to 1.3; the next two wait and run together, four rows, 1.3 to 2.9; the last
    would be a fifth row, so it runs after them, 2.9 to 4.1."""
    costs = Costs(per_turn=1.0, per_request=0.1, per_row=0.1, max_batch_size=4)
    replicas = Replicas(costs, 1, [0.0, 0.5, 0.6, 0.7], [2, 2, 2, 1], [0.0] * 4, [1.0] * 4)
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


def test_most_is_found_though_rare_requests_miss_the_target() -> None:
    """After a long pause a turn takes 6 ms, without one half a millisecond."""
    costs, rows = Costs(0, 5e-4, 0, max_batch_size=1, cold_turn=5.5e-3, cooling_s=1e-2), np.ones(20_000, np.int64)
    assert simulate(costs, 20.0, rows).percentile(0.99) > 5.9e-3
    assert most(costs, rows, 5.5e-3) > 1000


def test_target_that_one_request_misses_is_met_by_no_rate() -> None:
    assert most(Costs(0, 1.0, 0), np.ones(1000, np.int64), 0.5) == 0
