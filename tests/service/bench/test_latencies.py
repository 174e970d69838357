"""Percentiles against sorted values."""

from __future__ import annotations

from math import ceil
from random import Random

import pytest

from service.bench.latencies import LEAST_S, MOST_S, PERCENTILES, Latencies

RANDOM = Random(7)
SAMPLES = {
    "one": [0.25],
    "two": [0.001, 0.3],
    "equal": [0.004] * 1000,
    "even": [RANDOM.uniform(1e-5, 2e-3) for _ in range(5000)],
    "long tail": [RANDOM.lognormvariate(-7, 1.5) for _ in range(20_000)],
    "two humps": [RANDOM.gauss(mean, mean / 20) for mean in (1e-4, 3e-2) for _ in range(3000)],
}


def added(seconds: list[float]) -> Latencies:
    latencies = Latencies()
    for value in seconds:
        latencies.add(value)
    return latencies


@pytest.mark.parametrize("name", SAMPLES)
def test_percentiles_are_within_half_a_percent_of_the_exact_ones(name: str) -> None:
    seconds = SAMPLES[name]
    latencies = added(seconds)
    for share in (*PERCENTILES.values(), 0.001, 0.25, 1.0):
        exact = sorted(seconds)[max(1, ceil(share * len(seconds))) - 1]
        assert latencies.percentile(share) == pytest.approx(exact, rel=0.005), share


def test_mean_and_max_are_exact() -> None:
    seconds = SAMPLES["long tail"]
    told = added(seconds).as_dict()
    assert told["count"] == len(seconds)
    assert told["mean"] == pytest.approx(sum(seconds) / len(seconds) * 1e3, abs=1e-6)
    assert told["max"] == pytest.approx(max(seconds) * 1e3, abs=1e-6)


def test_no_percentile_is_above_the_greatest_value() -> None:
    for most in (RANDOM.uniform(0.001, 1) for _ in range(100)):
        assert added([most / 3, most]).percentile(1) <= most


def test_nothing_added_is_nothing_told() -> None:
    assert set(Latencies().as_dict().values()) == {0}


def test_stages_without_any_time_count_as_nothing() -> None:
    latencies = added([0.0] * 90 + [LEAST_S / 2] * 9 + [0.5])
    assert latencies.percentile(0.99) == 0
    assert latencies.percentile(1) == pytest.approx(0.5, rel=0.005)


@pytest.mark.parametrize("seconds", [LEAST_S, LEAST_S * (1 + 1e-12), MOST_S * (1 - 1e-12), MOST_S, MOST_S * 1e9])
def test_values_at_the_ends_are_counted(seconds: float) -> None:
    latencies = added([seconds, seconds])
    assert latencies.count == 2
    assert latencies.percentile(0.5) == pytest.approx(min(seconds, MOST_S), rel=0.011)


def test_memory_does_not_grow_with_what_is_added() -> None:
    latencies = Latencies()
    before = len(latencies._counts)
    for value in SAMPLES["long tail"]:
        latencies.add(value)
    assert len(latencies._counts) == before < 3000
