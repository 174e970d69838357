"""How `make capacity` goes from loads to costs and from costs to machines."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.balancer import CONFIGURATION, _placed
from benchmarks.demand import RUNS, Point, _point, fit
from benchmarks.sizing import SERVED, Asked, Measured, check, machines, sections

POINT = Point("raw", 1, 1000.0, 2e-4, 1.0, 0.2, 3e-4, 3e-4, 4e-4, 3e-5, 3300.0, 300.0, 7)
LOADS = ((1, 1.0), (1, 0.02), (32, 1.0), (32, 0.5))


def _points(per_turn: float, per_request: float, per_row: float) -> list[Point]:
    costs = [(rows, turns, per_turn * turns + per_request + per_row * rows) for rows, turns in LOADS]
    return [replace(POINT, rows=rows, turns=turns, cpu_s=cpu_s) for rows, turns, cpu_s in costs]


def test_costs_that_made_the_loads_are_found_again() -> None:
    costs = fit(_points(1e-4, 2e-5, 3e-6))
    assert (costs.per_turn, costs.per_request, costs.per_row) == pytest.approx((1e-4, 2e-5, 3e-6))


def test_no_cost_is_below_nothing() -> None:
    costs = fit(_points(1e-4, -1e-6, 3e-6))
    assert costs.per_request == 0
    assert costs.per_turn > 0
    assert costs.per_row > 0


def test_lone_requests_of_the_check_take_what_they_took_alone() -> None:
    """At a thousandth of what a core can do nobody waits: the costs, and what lone requests took beyond theirs."""
    points = _points(1e-4, 2e-5, 3e-6)
    points = [replace(point, mean_s=point.cpu_s + 5e-5) for point in points]
    found = check(fit(points), points, 0.001, replace(POINT, rows=8, per_second=5.0))
    assert found.mean_s == pytest.approx(1e-4 + 2e-5 + 8 * 3e-6 + 5e-5, rel=0.01)
    assert found.busy == pytest.approx(5.0 * (1e-4 + 2e-5 + 8 * 3e-6), rel=0.05)


def test_report_of_the_load_test_makes_a_point() -> None:
    times = {"mean": 0.5, "p50": 0.25, "p99": 2.0}
    told = {
        "statuses": {"200": 2000},
        "latency_ms": times,
        "window_s": 2.0,
        "per_second": 1000.0,
        "split_ms": {"compute": {"p50": 0.25}},
        "arrivals": {"late": 7},
        "bytes": {"sent": 6_600_000, "received": 600_000},
    }
    expected = replace(POINT, cpu_s=2e-4, turns=0.5, compute_s=2.5e-4, mean_s=5e-4, p50_s=2.5e-4, p99_s=2e-3)
    assert _point("raw", 1, told, 0.4, 1000) == expected


def test_runs_are_read_from_the_metrics_of_the_model() -> None:
    text = (
        'actserve_run_rows_count{model="fashion_mnist",version="1"} 1234.0\n'
        'actserve_run_rows_count{model="relu",version="1"} 7.0\n'
    )
    assert RUNS.findall(text) == ["1234.0"]


@pytest.mark.parametrize(("cores", "expected"), [(1, 2), (8, 2), (9, 3)])
def test_one_machine_is_to_spare(cores: int, expected: int) -> None:
    assert machines(cores, 8) == expected


def test_shipped_balancer_is_placed_before_one_server() -> None:
    text = _placed(CONFIGURATION.read_text(), 1111, 2222, 3333)
    servers = [line.strip() for line in text.splitlines() if line.strip().startswith("server ")]
    assert servers == ["server a 127.0.0.1:3333"]
    assert text.count("bind 127.0.0.1:") == 2


def test_every_section_has_a_row_for_each_way_to_ask() -> None:
    points = _points(1e-4, 2e-5, 3e-6)
    costs = fit(points)
    checks = [check(costs, points, 0.5, replace(POINT, rows=8))]
    measured = Measured(
        {"json": points, "raw": points}, {"json": costs, "raw": costs}, checks, dict.fromkeys(SERVED, 2e-5)
    )
    found = sections(measured, Asked(1.0, 8, 10.0))
    tables = [part for part in found if part.startswith("|")]
    assert [len(part.splitlines()) - 2 for part in tables] == [2, 1, 4, 4, 4]
    assert "off by" in "".join(found)
