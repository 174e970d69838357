"""What `make bench-ray` makes of its samples."""

from __future__ import annotations

from benchmarks.load import Load
from benchmarks.ray import Seen, row


def seen(requests: int, p50_us: int, cpu_s: float) -> Seen:
    return Seen(Load(requests, 2_000_000, p50_us, 2 * p50_us, 0, 0), cpu_s)


def test_ratios_are_those_of_each_round_and_the_rest_are_medians() -> None:
    plain = [seen(2000, 1000, 0.5), seen(4000, 1200, 0.7)]
    proxy = [seen(200, 9000, 5), seen(800, 11000, 7)]
    own = [seen(1000, 2000, 1), seen(2000, 2000, 2)]
    rates = ["1,500", "250", "0.15", "750", "0.50"]
    assert row("JSON", plain, proxy, own) == ["JSON", *rates, "1.1", "10.0", "2.0", "0.60", "6.00", "1.50"]
