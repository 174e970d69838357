"""What the service does over HTTP with its models on CUDA, and on the CPU: rows a second, and rows in one run."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from statistics import median

from tqdm import tqdm

from benchmarks import faces, load
from benchmarks.bodies import Bodies, Requests
from benchmarks.cases import Case
from benchmarks.environments import BUILD
from benchmarks.faces import Face
from benchmarks.ours import running
from benchmarks.processes import Server

CASES = (Case("json", 32, 8), Case("raw", 1, 64), Case("raw", 32, 8), Case("raw", 1024, 4))
ROUNDS = 3
FACES = {"json": faces.ours("/predict"), "raw": faces.raw("/predict")}
RUN_ROWS = re.compile(r'^actserve_run_rows_(sum|count)\{[^}]*model="fashion_mnist"[^}]*\} (\S+)', re.M)


def rows(providers: Sequence[str], seconds: int) -> tuple[list[str], list[list[str]]]:
    """A table: for each load the rows a second and the rows that a run had, medians over the rounds. The servers are
    measured in turn, while the others have no CPU. Raises LoadError, ServerError."""
    load.require()
    bodies = Bodies(BUILD / "bodies")
    seen: dict[tuple[Case, str], list[tuple[float, float]]] = {}
    with ExitStack() as stack:
        servers = {name: stack.enter_context(running(f"served-{name}", "--providers", name)) for name in providers}
        loads = [(case, name) for _ in range(ROUNDS) for case in CASES for name in providers]
        for case, name in tqdm(loads, desc="service", unit="", leave=False):
            for other, server in servers.items():
                server.thaw() if other == name else server.freeze()
            found = _seen(servers[name], FACES[case.kind], case, bodies.requests(FACES[case.kind], case), seconds)
            seen.setdefault((case, name), []).append(found)
    lines = [[case.name, *(cell for name in providers for cell in _shown(seen[case, name]))] for case in CASES]
    names = [part for name in providers for part in (f"{name.upper()}, rows/s", "rows in a run")]
    return ["`/predict`, one worker", *names], lines


def _shown(found: Sequence[tuple[float, float]]) -> tuple[str, str]:
    return f"{median(speed for speed, _ in found):,.0f}", f"{median(in_a_run for _, in_a_run in found):,.1f}"


def _seen(server: Server, face: Face, case: Case, requests: Requests, seconds: int) -> tuple[float, float]:
    url = f"http://127.0.0.1:{server.port}"
    load.run(f"{url}{face.path}", requests, case.connections, 1)
    rows_before, runs_before = _run_rows(url)
    found = load.run(f"{url}{face.path}", requests, case.connections, seconds)
    if not found.is_clean:
        raise load.LoadError(f"{case.name}: {found.refused} refused, {found.broken} broken")
    rows_after, runs_after = _run_rows(url)
    return found.per_second * case.rows, (rows_after - rows_before) / (runs_after - runs_before)


def _run_rows(url: str) -> tuple[float, float]:
    """Of all runs of the network so far: rows, and how many they were."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        found = dict(RUN_ROWS.findall(answer.read().decode()))
    return float(found["sum"]), float(found["count"])
