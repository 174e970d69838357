"""How `make capacity` goes from loads to costs and from costs to machines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import fleet
from benchmarks.balancer import CONFIGURATION, _placed
from benchmarks.demand import RUN_ROWS, Point, _point, around, fit, spread
from benchmarks.queueing import Around, Costs, simulate
from benchmarks.sizing import SERVED, Asked, Measured, _range, check, machines, of, sections

COSTS = Costs(1e-4, 2e-5, 3e-6, cold_turn=3e-4, cold_row=5e-6, cooling_s=2e-3)
AROUND = Around([(1, 2e-4), (32, 4e-4)], 0.4)
POINT = Point("raw", 1, 1000.0, 2e-4, 1.0, 0.2, 3e-4, 3e-4, 4e-4, 3e-5, 3300.0, 300.0)
ROUNDS = ((1e-3, 4e-3), (3e-3, 9e-3), (2e-3, 7e-3))
CLOSED = ((1, 1.0), (1, 0.02), (32, 1.0), (32, 0.5))


def _closed(costs: Costs) -> list[Point]:
    """Loads without pauses."""
    points = [replace(POINT, rows=rows, turns=turns, busy=1.0) for rows, turns in CLOSED]
    return [
        replace(point, cpu_s=costs.per_turn * point.turns + costs.per_request + costs.per_row * point.rows)
        for point in points
    ]


def _open(costs: Costs, rows: int, rate: float) -> Point:
    """What a load at random times would have shown, by the simulation."""
    found = simulate(costs, rate, of(rows), around=AROUND)
    point = replace(POINT, rows=rows, per_second=rate, turns=rows / found.rows_per_run, busy=found.busy)
    p50_s, p99_s = found.percentile(0.5), found.percentile(0.99)
    return replace(point, cpu_s=found.busy / rate, mean_s=found.mean, p50_s=p50_s, p99_s=p99_s)


def test_costs_that_made_the_loads_are_found_again() -> None:
    alone = [_open(COSTS, rows, rate) for rows in (1, 32) for rate in (50.0, 150.0, 400.0)]
    costs = fit(_closed(COSTS), alone)
    found = (costs.per_turn, costs.per_request, costs.per_row)
    assert found == pytest.approx((COSTS.per_turn, COSTS.per_request, COSTS.per_row), rel=0.05)
    assert costs.cold_turn == pytest.approx(COSTS.cold_turn, rel=0.1)
    assert costs.cooling_s == pytest.approx(COSTS.cooling_s, rel=0.3)


def test_no_cost_is_below_nothing() -> None:
    lone = [_open(COSTS, rows, 50.0) for rows in (1, 32)]
    costs = fit(_closed(replace(COSTS, per_request=-1e-6)), lone)
    assert costs.per_request == 0
    assert costs.per_turn > 0
    assert costs.per_row > 0


def test_ways_and_spread_are_found_again() -> None:
    lone = [_open(COSTS, rows, rate) for rows in (1, 32) for rate in (20.0, 60.0)]
    varied = spread([*lone, replace(POINT, p50_s=1e-4, p99_s=1.0)])
    assert varied == pytest.approx(AROUND.spread, rel=0.1)
    found = around(COSTS, lone, varied)
    assert [rows for rows, _ in found.ways] == [1, 32]
    assert [way_s for _, way_s in found.ways] == pytest.approx([2e-4, 4e-4], rel=0.1)


def test_lone_requests_of_the_check_take_what_they_take_alone() -> None:
    found = check(COSTS, AROUND, [replace(POINT, rows=32, per_second=1.0)])
    alone_s = COSTS.seconds(1, 32, 1.0)
    assert found.mean_s == pytest.approx(alone_s + 4e-4, rel=0.02)
    assert found.busy == pytest.approx(alone_s, rel=0.05)


def test_round_of_the_middle_mean_is_compared_and_all_are_shown() -> None:
    rounds = [replace(POINT, rows=8, per_second=500.0, mean_s=mean_s, p99_s=p99_s) for mean_s, p99_s in ROUNDS]
    found = check(COSTS, AROUND, rounds)
    assert found.measured == rounds[2]
    assert _range(found, lambda point: point.p99_s) == "7.00 (4.00–9.00)"


def test_report_of_the_load_test_makes_a_point() -> None:
    times = {"mean": 0.5, "p50": 0.25, "p99": 2.0}
    told = {
        "latency_ms": times,
        "window_s": 2.0,
        "per_second": 1000.0,
        "split_ms": {"compute": {"p50": 0.25}},
        "bytes": {"sent": 6_600_000, "received": 600_000},
    }
    expected = replace(POINT, turns=0.5, compute_s=2.5e-4, mean_s=5e-4, p50_s=2.5e-4, p99_s=2e-3)
    assert _point("raw", 1, told, 2e-4, 0.5) == expected


def test_runs_are_read_from_the_metrics_of_the_model() -> None:
    text = (
        'actserve_run_rows_count{model="fashion_mnist",version="1"} 1234.0\n'
        'actserve_run_rows_sum{model="fashion_mnist",version="1"} 2468.0\n'
        'actserve_run_rows_count{model="relu",version="1"} 7.0\n'
    )
    assert RUN_ROWS.findall(text) == [("count", "1234.0"), ("sum", "2468.0")]


@pytest.mark.parametrize(("cores", "expected"), [(1, 2), (8, 2), (9, 3)])
def test_one_machine_is_to_spare(cores: int, expected: int) -> None:
    assert machines(cores, 8) == expected


def test_shipped_balancer_is_placed_before_one_server() -> None:
    text = _placed(CONFIGURATION.read_text(), 1111, 2222, 3333)
    servers = [line.strip() for line in text.splitlines() if line.strip().startswith("server ")]
    assert servers == ["server a 127.0.0.1:3333"]
    assert text.count("bind 127.0.0.1:") == 2


def _sections(json: Around) -> list[str]:
    forms = ("json", "raw")
    points, costs = dict.fromkeys(forms, _closed(COSTS)), dict.fromkeys(forms, COSTS)
    checks = [check(COSTS, AROUND, [replace(POINT, rows=8, per_second=500.0)])]
    measured = Measured(points, costs, {"json": json, "raw": AROUND}, checks, dict.fromkeys(SERVED, 2e-5))
    return sections(measured, Asked(1.0, 8, 10.0))


def test_every_section_has_a_row_for_each_way_to_ask() -> None:
    found = _sections(AROUND)
    tables = [part for part in found if part.startswith("|")]
    assert [len(part.splitlines()) - 2 for part in tables] == [2, 1, 4, 4, 4]
    assert "off by" in "".join(found)
    assert "—" not in "".join(found)


def test_flags_of_the_report_simulate_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    (flags,) = (part for part in _sections(AROUND) if part.startswith("```"))
    line = flags.splitlines()[1].partition("#")[0].split()
    assert fleet.main(["--rate", "500", "--rows", "8", "--workers", "1", *line]) == 0
    found = simulate(COSTS, 500.0, np.full(fleet.REQUESTS, 8), around=AROUND)
    assert f"mean {found.mean * 1e3:.2f} ms" in capsys.readouterr().out


def test_target_that_is_not_met_leaves_its_cells_empty() -> None:
    rows = "\n".join(_sections(Around([(1, 1.0)]))).splitlines()
    assert [row.count("—") for row in rows if row.startswith("| JSON, 1 row in a request")] == [4, 5, 1]
    assert not any("—" in row for row in rows if row.startswith("| raw"))
