"""From costs to machines: the tables of docs/scaling.md that `benchmarks.capacity` writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from tqdm import tqdm

from benchmarks import table
from benchmarks.demand import Point
from benchmarks.queueing import STEPS, Costs, Sizes, most, simulate

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
    """A load that was simulated and measured. The simulation's times have what a lone request takes beyond its CPU."""

    form: str
    share: float
    rate: float
    measured: Point
    busy: float
    mean_s: float
    p50_s: float
    p99_s: float


@dataclass(frozen=True, slots=True)
class Measured:
    """All of it: the fitted loads and costs of each form, the checks, and the proxy's CPU seconds for each request."""

    points: dict[str, list[Point]]
    costs: dict[str, Costs]
    checks: list[Checked]
    proxy_s: dict[tuple[int, str], float]


def check(costs: Costs, points: Sequence[Point], share: float, measured: Point) -> Checked:
    """The same load simulated. What a request takes beyond its CPU (network, kernel, the client) is that of the lone
    connections that the costs were measured with, in the mean."""
    alone = [point for (_, connections), point in zip(FITTED, points, strict=True) if connections == 1]
    beyond_s = sum(point.mean_s - point.cpu_s for point in alone) / len(alone)
    found = simulate(costs, measured.per_second, _of(measured.rows))
    times = (found.mean, found.percentile(0.5), found.percentile(0.99))
    return Checked(
        measured.form, share, measured.per_second, measured, found.busy, *(time_s + beyond_s for time_s in times)
    )


def _of(rows: int) -> Sizes:
    return np.full(REQUESTS, rows, np.int64)


def sections(measured: Measured, asked: Asked) -> list[str]:
    """The generated part of the document."""
    rates = {key: _most(measured.costs[key[1]], key[0], asked) for key in SERVED}
    return [
        "### What a request costs",
        table.markdown(*_costs(measured)),
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


def _most(costs: Costs, rows: int, asked: Asked) -> float:
    with tqdm(total=STEPS, unit="", leave=False, desc=f"simulating requests of {rows} rows") as progress:
        found = most(costs, _of(rows), asked.target_ms / 1e3, tick=progress.update)
    return min(found, FULL / costs.least(rows))


def _costs(measured: Measured) -> Table:
    header = ["", "a turn, µs", "a request, µs", "a row, µs", "of it computing, µs", "bytes of a row, 32 in a request"]
    rows = []
    for form, costs in measured.costs.items():
        large = measured.points[form][2]
        times = (costs.per_turn, costs.per_request, costs.per_row, large.compute_s / large.rows)
        rows.append([FORMS[form], *(f"{time_s * 1e6:.1f}" for time_s in times), f"{large.sent / large.rows:,.0f}"])
    return header, rows


def _checks(checks: Sequence[Checked]) -> Table:
    header = ["rows in a request", "a second", "busy", "measured", "mean, ms", "measured", "p50, ms", "measured"]
    header += ["p99, ms", "measured"]
    return header, [
        [
            f"{FORMS[one.form]}, {one.measured.rows}",
            f"{one.rate:,.0f}",
            f"{one.busy:.0%}",
            f"{one.measured.busy:.0%}",
            *(f"{time_s * 1e3:.2f}" for time_s in (one.mean_s, one.measured.mean_s)),
            *(f"{time_s * 1e3:.2f}" for time_s in (one.p50_s, one.measured.p50_s)),
            *(f"{time_s * 1e3:.2f}" for time_s in (one.p99_s, one.measured.p99_s)),
        ]
        for one in checks
    ]


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
        busy = simulate(measured.costs[form], rate, _of(size)).busy
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
