"""What requests cost this service: measured by `actserve bench`, the process's CPU time and its own count of runs."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from statistics import NormalDist, mean, median
from typing import Any

import numpy as np

from benchmarks.peers import ROOT
from benchmarks.processes import Server
from benchmarks.queueing import Around, Costs, simulate

PATH = "/predict/fashion_mnist"
RUN_ROWS = re.compile(r'actserve_run_rows_(count|sum)\{[^}]*model="fashion_mnist"[^}]*\} ([\d.e+]+)')
MANY_CONNECTIONS = 256
WARM_UP_S = 0.5  # of an open loop, whose first requests wait for connections
P99_DEVIATIONS = NormalDist().inv_cdf(0.99)
SIMULATED = 20_000  # requests
COOLING_S = np.geomspace(1e-4, 1e-1, 31)  # among which the one is looked for that explains most


class DemandError(Exception):
    """The load did not run, or not every request was answered."""


@dataclass(frozen=True, slots=True)
class Point:
    """One load. Seconds of CPU and turns are for each request; latencies are seconds, `compute_s` the median that the
    server says of its runs; bytes are those of a request and of an answer, with their heads."""

    form: str
    rows: int
    per_second: float
    cpu_s: float
    turns: float
    busy: float
    mean_s: float
    p50_s: float
    p99_s: float
    compute_s: float
    sent: float
    received: float


def measure(
    server: Server, form: str, rows: int, seconds: float, *, connections: int = 1, rate: float = 0, port: int = 0
) -> Point:
    """One load of a server, or of the proxy before it on another port; closed unless it has a rate."""
    url = f"http://127.0.0.1:{port or server.port}{PATH}"
    loop = ["--rate", f"{rate:.1f}"] if rate else []
    loop += ["--connections", str(MANY_CONNECTIONS if rate else connections)]
    loop += ["--duration", str(seconds), "--warm-up", str(WARM_UP_S if rate else 0)]
    command = [sys.executable, "-m", "service", "bench", url, "--format", form, "--rows", str(rows), "--json", *loop]
    before_s, before = server.cpu_s(), _runs(server)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds + 60, check=False)
    cpu_s, after = server.cpu_s() - before_s, _runs(server)
    if done.returncode:
        raise DemandError(done.stderr.strip() or f"`actserve bench` ended with {done.returncode}")
    requests = (after["sum"] - before["sum"]) / rows
    turns = (after["count"] - before["count"]) / requests
    return _point(form, rows, json.loads(done.stdout), cpu_s / requests, turns)


def _point(form: str, rows: int, told: dict[str, Any], cpu_s: float, turns: float) -> Point:
    latency, window_s = told["latency_ms"], told["window_s"]
    came = max(1.0, told["per_second"] * window_s)
    return Point(
        form,
        rows,
        told["per_second"],
        cpu_s,
        turns,
        cpu_s * told["per_second"],
        latency["mean"] / 1e3,
        latency["p50"] / 1e3,
        latency["p99"] / 1e3,
        told["split_ms"]["compute"]["p50"] / 1e3,
        told["bytes"]["sent"] / came,
        told["bytes"]["received"] / came,
    )


def _runs(server: Server) -> dict[str, float]:
    """How many runs there were (`count`), and of how many rows (`sum`)."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request("GET", "/metrics")
        found = RUN_ROWS.findall(connection.getresponse().read().decode())
        return {name: sum(float(value) for of, value in found if of == name) for name in ("count", "sum")}
    finally:
        connection.close()


def fit(closed: Sequence[Point], lone: Sequence[Point]) -> Costs:
    """The costs that explain the CPU seconds of these loads best, by their relative errors; none is below 0. Closed
    loops hardly have pauses, so what lone requests cost more is what pauses add."""
    factors = [(point.turns, 1.0, point.rows) for point in closed]
    weights = [1 / point.cpu_s for point in closed]
    per_turn, per_request, per_row = _solve(factors, [point.cpu_s for point in closed], weights)[0]
    left = [point.cpu_s - per_turn * point.turns - per_request - per_row * point.rows for point in lone]
    weights = [1 / point.cpu_s for point in lone]
    found = {
        cooling_s: _solve([_cold(point, cooling_s) for point in lone], left, weights)
        for cooling_s in COOLING_S.tolist()
    }
    cooling_s = min(found, key=lambda cooling_s: found[cooling_s][1])
    cold_turn, cold_row = found[cooling_s][0]
    cold = {"cold_turn": cold_turn, "cold_row": cold_row, "cooling_s": cooling_s}
    return Costs(per_turn, per_request, per_row, **cold)


def _cold(point: Point, cooling_s: float) -> tuple[float, float]:
    """How many turns and rows of a request have all that a pause adds: one that comes at random finds the worker idle
    as often as it is, after pauses that are exponential."""
    turns = max(0.0, 1 - point.busy) / (1 + point.per_second * cooling_s)
    return turns, turns * point.rows


def _solve(
    factors: Sequence[tuple[float, ...]], seconds: Sequence[float], weights: Sequence[float]
) -> tuple[list[float], float]:
    """The costs, none below 0, that give these seconds best, and the square of what is left."""
    matrix, wanted = np.array(factors) * np.array(weights)[:, None], np.array(seconds) * np.array(weights)
    costs = np.zeros(matrix.shape[1])
    kept = list(range(len(costs)))
    while kept:
        found = np.linalg.lstsq(matrix[:, kept], wanted, rcond=None)[0]
        if (found >= 0).all():
            costs[kept] = found
            break
        kept.pop(int(found.argmin()))
    return costs.tolist(), float(np.square(matrix @ costs - wanted).sum())


def spread(lone: Sequence[Point]) -> float:
    """By how much the times of lone requests vary, by their median and 99th percentile; of some loads the one in the
    middle, as one long stall may be the percentile of a load."""
    return median(log(point.p99_s / point.p50_s) for point in lone) / P99_DEVIATIONS


def around(costs: Costs, lone: Sequence[Point], spread: float) -> Around:
    """What lone requests took longer than the simulation of their work has it, in the mean of the loads of a size."""
    alone = Around(spread=spread)
    beyond_s: dict[int, list[float]] = {}
    for point in lone:
        found = simulate(costs, point.per_second, np.full(SIMULATED, point.rows, np.int64), around=alone)
        beyond_s.setdefault(point.rows, []).append(point.mean_s - found.mean)
    return Around([(rows, max(0.0, mean(some))) for rows, some in sorted(beyond_s.items())], spread)
