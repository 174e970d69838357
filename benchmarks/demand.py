"""What requests cost this service: measured by `actserve bench`, the process's CPU time and its own count of runs."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.peers import ROOT
from benchmarks.processes import Server
from benchmarks.queueing import Costs

PATH = "/predict/fashion_mnist"
RUNS = re.compile(r'actserve_run_rows_count\{[^}]*model="fashion_mnist"[^}]*\} ([\d.e+]+)')
MANY_CONNECTIONS = 256


class DemandError(Exception):
    """The load did not run, or not every request was answered."""


@dataclass(frozen=True, slots=True)
class Point:
    """One load. Seconds of CPU and turns are for each request; latencies are seconds, `compute_s` the median that the
    server says of its runs; bytes are those of a request and of an answer, with their heads; `late`
    counts what an open loop sent too late: the client was disturbed."""

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
    late: int


def measure(
    server: Server, form: str, rows: int, seconds: float, *, connections: int = 1, rate: float = 0, port: int = 0
) -> Point:
    """One load of a server, or of the proxy before it on another port; closed unless it has a rate."""
    url = f"http://127.0.0.1:{port or server.port}{PATH}"
    loop = (
        ["--rate", f"{rate:.1f}", "--connections", str(MANY_CONNECTIONS)]
        if rate
        else ["--connections", str(connections)]
    )
    command = [sys.executable, "-m", "service", "bench", url, "--format", form, "--rows", str(rows), "--json", *loop]
    before_s, before = server.cpu_s(), _runs(server)
    command += ["--duration", str(seconds), "--warm-up", "0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds + 60, check=False)
    cpu_s, runs = server.cpu_s() - before_s, _runs(server) - before
    if done.returncode:
        raise DemandError(done.stderr.strip() or f"`actserve bench` ended with {done.returncode}")
    return _point(form, rows, json.loads(done.stdout), cpu_s, runs)


def _point(form: str, rows: int, told: dict[str, Any], cpu_s: float, runs: float) -> Point:
    count = sum(told["statuses"].values())
    latency, window_s = told["latency_ms"], told["window_s"]
    came = max(1.0, told["per_second"] * window_s)
    return Point(
        form,
        rows,
        told["per_second"],
        cpu_s / count,
        runs / count,
        cpu_s / window_s,
        latency["mean"] / 1e3,
        latency["p50"] / 1e3,
        latency["p99"] / 1e3,
        told["split_ms"]["compute"]["p50"] / 1e3,
        told["bytes"]["sent"] / came,
        told["bytes"]["received"] / came,
        told["arrivals"]["late"] if told["arrivals"] else 0,
    )


def _runs(server: Server) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request("GET", "/metrics")
        return sum(map(float, RUNS.findall(connection.getresponse().read().decode())))
    finally:
        connection.close()


def fit(points: Sequence[Point]) -> Costs:
    """The three costs that explain the CPU seconds of these loads best, by their relative errors; none is below 0."""
    factors = np.array([[point.turns, 1.0, point.rows] for point in points])
    weighted = factors / np.array([point.cpu_s for point in points])[:, None]
    kept = [0, 1, 2]
    while True:
        found = np.linalg.lstsq(weighted[:, kept], np.ones(len(points)), rcond=None)[0]
        if (found >= 0).all():
            break
        kept.pop(int(found.argmin()))
    costs = dict(zip(kept, found.tolist(), strict=True))
    return Costs(costs.get(0, 0.0), costs.get(1, 0.0), costs.get(2, 0.0))
