"""From costs to machines: the tables of docs/scaling.md that `benchmarks.capacity` writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from tqdm import tqdm

from benchmarks import table
from benchmarks.demand import Point
from benchmarks.queueing import STEPS, STRIDES, Around, Costs, Sizes, most, simulate

FORMS = {"json": "JSON", "raw": "raw float32"}
FITTED = ((1, 1), (1, 64), (32, 1), (32, 8))  # rows, connections
SERVED = ((1, "json"), (1, "raw"), (32, "json"), (32, "raw"))
RATES = (10**3, 10**5, 10**7)
REQUESTS = 20_000  # simulated each time
FULL = 0.9  # of what a core can do at most; nearer to it a queue takes long to show how long it gets


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says: seconds of one load, cores of a machine, milliseconds that 99 of 100 may take."""

    seconds: float
    cores: int
    target_ms: float


@dataclass(frozen=True, slots=True)
class Checked:
    """A load that was simulated, and measured in some rounds: the one with the middle mean, and all."""

    measured: Point
    rounds: Sequence[Point]
    busy: float
    mean_s: float
    p50_s: float
    p99_s: float


@dataclass(frozen=True, slots=True)
class Measured:
    """All of it: the fitted loads, the costs of each form and what is around them, the checks, and the proxy's CPU
    seconds for each request."""

    points: dict[str, list[Point]]
    costs: dict[str, Costs]
    around: dict[str, Around]
    checks: list[Checked]
    proxy_s: dict[tuple[int, str], float]


def alone(fitted: Sequence[Point]) -> list[Point]:
    """Those of the fitted loads that have one connection."""
    return [point for (_, connections), point in zip(FITTED, fitted, strict=True) if connections == 1]


def middle(rounds: Sequence[Point]) -> Point:
    """The one whose mean is between those of the others."""
    return sorted(rounds, key=lambda point: point.mean_s)[len(rounds) // 2]


def check(costs: Costs, around: Around, rounds: Sequence[Point]) -> Checked:
    """The same load simulated."""
    measured = middle(rounds)
    found = simulate(costs, measured.per_second, of(measured.rows), around=around)
    return Checked(measured, rounds, found.busy, found.mean, found.percentile(0.5), found.percentile(0.99))


def of(rows: int) -> Sizes:
    """Requests to be simulated."""
    return np.full(REQUESTS, rows, np.int64)


def sections(measured: Measured, asked: Asked) -> list[str]:
    """The generated part of the document."""
    rates = {key: _most(measured, *key, asked) for key in SERVED}
    return [
        "### What a request costs",
        table.markdown(*_costs(measured)),
        "The same for `python -m benchmarks.fleet`:",
        _flags(measured),
        "### The simulation beside a measured load",
        table.markdown(*_checks(measured.checks)),
        _error(measured.checks),
        "### Machines with CPUs",
        f"{asked.cores} cores each, a worker for each core, 99 of 100 requests answered within {asked.target_ms:g} ms.",
        table.markdown(*_machines(rates, measured, asked)),
        "### What a GPU could change",
        table.markdown(*_accelerated(rates, measured)),
        "### Price, network and load balancer",
        table.markdown(*_limits(rates, measured)),
    ]


Table = tuple[list[str], list[list[str]]]


def _most(measured: Measured, rows: int, form: str, asked: Asked) -> float:
    costs = measured.costs[form]
    with tqdm(total=STRIDES + STEPS, unit="", leave=False, desc=f"simulating requests of {rows} rows") as progress:
        found = most(costs, of(rows), asked.target_ms / 1e3, around=measured.around[form], tick=progress.update)
    return min(found, FULL / costs.least(rows))


def _costs(measured: Measured) -> Table:
    header = ["", "a turn, µs", "a request, µs", "a row, µs", "after a pause: a turn, µs", "a row, µs", "cooling, ms"]
    header += ["way of 1 row, µs", f"of {FITTED[-1][0]} rows, µs", "spread", "computing a row, µs"]
    rows = []
    for form, costs in measured.costs.items():
        large, around = measured.points[form][2], measured.around[form]
        times = [costs.per_turn, costs.per_request, costs.per_row, costs.cold_turn, costs.cold_row]
        cells = [*map(_micros, times), f"{costs.cooling_s * 1e3:.1f}", *(_micros(way_s) for _, way_s in around.ways)]
        rows.append([FORMS[form], *cells, f"{around.spread:.2f}", _micros(large.compute_s / large.rows)])
    return header, rows


def _flags(measured: Measured) -> str:
    lines = []
    for form, costs in measured.costs.items():
        around = measured.around[form]
        warm = ",".join(map(_micros, (costs.per_turn, costs.per_request, costs.per_row)))
        cold = f"{_micros(costs.cold_turn)},{_micros(costs.cold_row)},{costs.cooling_s * 1e3:.1f}"
        ways = ",".join(f"{rows}:{_micros(way_s)}" for rows, way_s in around.ways)
        lines.append(f"--costs {warm} --cold {cold} --way {ways} --spread {around.spread:.2f}  # {FORMS[form]}")
    return "\n".join(["```text", *lines, "```"])


def _micros(time_s: float) -> str:
    return f"{time_s * 1e6:.1f}"


def _checks(checks: Sequence[Checked]) -> Table:
    header = ["rows in a request", "a second", "busy", "measured", "mean, ms", "measured", "p50, ms", "measured"]
    header += ["p99, ms", "measured"]
    return header, [
        [
            f"{FORMS[one.measured.form]}, {one.measured.rows}",
            f"{one.measured.per_second:,.0f}",
            f"{one.busy:.0%}",
            f"{one.measured.busy:.0%}",
            f"{one.mean_s * 1e3:.2f}",
            _range(one, lambda point: point.mean_s),
            f"{one.p50_s * 1e3:.2f}",
            _range(one, lambda point: point.p50_s),
            f"{one.p99_s * 1e3:.2f}",
            _range(one, lambda point: point.p99_s),
        ]
        for one in checks
    ]


def _range(one: Checked, time_s: Callable[[Point], float]) -> str:
    found = sorted(time_s(point) * 1e3 for point in one.rounds)
    return f"{time_s(one.measured) * 1e3:.2f} ({found[0]:.2f}–{found[-1]:.2f})"


def _error(checks: Sequence[Checked]) -> str:
    def worst(simulated: Callable[[Checked], float], measured: Callable[[Point], float]) -> str:
        errors = [simulated(one) / measured(one.measured) - 1 for one in checks]
        return f"{min(errors):+.0%} to {max(errors):+.0%}"

    return (
        f"The simulation is off by {worst(lambda one: one.busy, lambda point: point.busy)} in how busy the worker is, "
        f"{worst(lambda one: one.mean_s, lambda point: point.mean_s)} in the mean, "
        f"{worst(lambda one: one.p50_s, lambda point: point.p50_s)} in the median and "
        f"{worst(lambda one: one.p99_s, lambda point: point.p99_s)} in the 99th percentile of the time of an answer."
    )


def _machines(rates: dict[tuple[int, str], float], measured: Measured, asked: Asked) -> Table:
    header = ["", "rows/s of a core", "busy then", *(f"{rate:,} rows/s: cores (machines)" for rate in RATES)]
    rows = []
    for (size, form), rate in rates.items():
        if not rate:
            rows.append([_name(size, form), "0", table.NOTHING, *(table.NOTHING for _ in RATES)])
            continue
        busy = simulate(measured.costs[form], rate, of(size), around=measured.around[form]).busy
        cells = [
            f"{count:,} ({machines(count, asked.cores):,})" for count in (ceil(one / rate / size) for one in RATES)
        ]
        rows.append([_name(size, form), f"{rate * size:,.0f}", f"{busy:.0%}", *cells])
    return header, rows


def machines(cores: int, of_one: int) -> int:
    """Machines with so many cores, and one more, so that one may be lost or restarted."""
    return ceil(cores / of_one) + 1


def _accelerated(rates: dict[tuple[int, str], float], measured: Measured) -> Table:
    header = ["", "computing, share of a core's time", "rows/s of a core at most, if computing cost nothing"]
    header += [f"cores for {rate:,} rows/s then" for rate in RATES]
    rows = []
    for (size, form), rate in rates.items():
        if not rate:
            rows.append([_name(size, form), *(table.NOTHING for _ in header[1:])])
            continue
        large = measured.points[form][2]
        busy_s = measured.costs[form].least(size) / size  # a row
        share = min(1.0, large.compute_s / large.rows / busy_s)
        freed = rate * size / max(1 - share, 1e-9)
        rows.append([_name(size, form), f"{share:.0%}", f"{freed:,.0f}", *(f"{ceil(one / freed):,}" for one in RATES)])
    return header, rows


def _limits(rates: dict[tuple[int, str], float], measured: Measured) -> Table:
    header = ["", "core-hours for 10⁶ rows", "bytes of a row", *(f"Gbit/s at {rate:,} rows/s" for rate in RATES)]
    header += ["HAProxy: µs for a request", "rows/s of one of its cores"]
    rows = []
    for (size, form), rate in rates.items():
        point = next(one for one in measured.points[form] if one.rows == size)
        a_row = (point.sent + point.received) / size
        hours = f"{1e6 / (rate * size) / 3600:.4f}" if rate else table.NOTHING
        proxy_s = measured.proxy_s[size, form]
        network = [f"{a_row * 8 * one / 1e9:,.2f}" for one in RATES]
        rows.append(
            [_name(size, form), hours, f"{a_row:,.0f}", *network, f"{proxy_s * 1e6:,.0f}", f"{size / proxy_s:,.0f}"]
        )
    return header, rows


def _name(rows: int, form: str) -> str:
    return f"{FORMS[form]}, {rows} row{'s' * (rows > 1)} in a request"
