"""What the service does over HTTP with its models on CUDA, and on the CPU: rows a second, and rows in one run."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Sequence

from tqdm import tqdm

from benchmarks import faces, load
from benchmarks.bodies import Bodies, Requests
from benchmarks.cases import Case
from benchmarks.environments import BUILD
from benchmarks.faces import Face
from benchmarks.ours import running
from benchmarks.processes import Server

CASES = (Case("json", 32, 8), Case("raw", 1, 64), Case("raw", 32, 8), Case("raw", 1024, 4))
FACES = {"json": faces.ours("/predict"), "raw": faces.raw("/predict")}
RUN_ROWS = re.compile(r'^actserve_run_rows_(sum|count)\{[^}]*model="fashion_mnist"[^}]*\} (\S+)', re.M)


def rows(providers: Sequence[str], seconds: int) -> tuple[list[str], list[list[str]]]:
    """A table: for each load the rows a second, and the rows that a run had. Raises LoadError, ServerError."""
    load.require()
    bodies = Bodies(BUILD / "bodies")
    columns = []
    for provider in providers:
        with running(f"served-{provider}", "--providers", provider) as server:
            cases = tqdm(CASES, desc=f"service, {provider}", unit="", leave=False)
            columns.append([_seen(server, FACES[c.kind], c, bodies.requests(FACES[c.kind], c), seconds) for c in cases])
    names = [name for provider in providers for name in (f"{provider.upper()}, rows/s", "rows in a run")]
    lines = [[case.name, *(cell for column in columns for cell in column[index])] for index, case in enumerate(CASES)]
    return ["`/predict`, one worker", *names], lines


def _seen(server: Server, face: Face, case: Case, requests: Requests, seconds: int) -> tuple[str, str]:
    url = f"http://127.0.0.1:{server.port}"
    load.run(f"{url}{face.path}", requests, case.connections, 1)
    rows_before, runs_before = _run_rows(url)
    found = load.run(f"{url}{face.path}", requests, case.connections, seconds)
    if not found.is_clean:
        raise load.LoadError(f"{case.name}: {found.refused} refused, {found.broken} broken")
    rows_after, runs_after = _run_rows(url)
    in_a_run = (rows_after - rows_before) / (runs_after - runs_before)
    return f"{found.per_second * case.rows:,.0f}", f"{in_a_run:,.1f}"


def _run_rows(url: str) -> tuple[float, float]:
    """Of all runs of the network so far: rows, and how many they were."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        found = dict(RUN_ROWS.findall(answer.read().decode()))
    return float(found["sum"]), float(found["count"])
