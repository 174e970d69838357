"""What `make bench-overload` makes of its samples and of the server's own counts."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, generate_latest

from benchmarks.overload import ANSWERS, Seen, row


def test_medians_and_the_worst_make_a_row() -> None:
    few = [Seen(1000, 1.0, 2.0, 3.0, 4.0, 100), Seen(2000, 2.0, 2.0, 3.0, 5.0, 120)]
    many = [Seen(900, 1.5, 6.0, 7.0, 8.0, 150), Seen(2200, 2.5, 8.0, 9.0, 70.0, 140)]
    assert row("JSON", 4, few, few) == ["JSON", "4", "1,500", "1.00", "1.50", "2.0", "3.0", "5.0", "120"]
    assert row("JSON", 128, many, few) == ["JSON", "128", "1,550", "1.00", "2.00", "7.0", "8.0", "70.0", "150"]


def test_statuses_are_read_from_the_metrics_of_one_path() -> None:
    registry = CollectorRegistry()
    counter = Counter("actserve_requests_total", "Requests.", ("method", "path", "status"), registry=registry)
    counter.labels("POST", "/predict", "200").inc(1500)
    counter.labels("POST", "/predict", "429").inc(2)
    counter.labels("GET", "/health/live", "200").inc(7)
    assert sorted(ANSWERS.findall(generate_latest(registry).decode())) == [("200", "1500.0"), ("429", "2.0")]
