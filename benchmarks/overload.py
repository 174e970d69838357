"""`python -m benchmarks.overload`: goodput, statuses, probes and memory at few clients and at far too many."""

from __future__ import annotations

import argparse
import http.client
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from statistics import median
from typing import Any

from tqdm import tqdm

from benchmarks import faces, load, machine, table
from benchmarks.bodies import Bodies
from benchmarks.cases import Case
from benchmarks.environments import BUILD
from benchmarks.faces import Face
from benchmarks.ours import running
from benchmarks.peers import ROOT
from benchmarks.processes import Server

DOCUMENT = ROOT / "docs" / "performance.md"
COMMAND = "make bench-overload"
PROBE_EVERY_S = 0.02
ANSWERS = re.compile(r'actserve_requests_total\{[^}]*path="/predict",status="(\d+)"\} ([\d.]+)')
NAMED = ("httptools", "numpy", "onnxruntime", "pysimdjson", "uvicorn", "uvloop")


@dataclass(frozen=True, slots=True)
class Load:
    """Bodies of one kind, of so many rows, asked for by few clients and by many."""

    name: str
    kind: str
    face: Face
    rows: int
    few: int
    many: int


LOADS = [
    Load("JSON, 64 rows", "json", faces.ours("/predict"), 64, 4, 128),
    Load("raw float32, 64 rows", "raw", faces.raw("/predict"), 64, 4, 128),
    Load("JSON, 2,000 rows", "json", faces.ours("/predict"), 2000, 1, 8),
]


@dataclass(frozen=True, slots=True)
class Seen:
    """One load: rows answered in a second, CPU seconds for 1,000 requests, the probes' latencies in ms, memory then."""

    rows_per_second: float
    cpu_s_per_1000: float
    probe_p50_ms: float
    probe_p99_ms: float
    probe_max_ms: float
    resident_mib: float


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 where nothing could be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overload", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="at each number of clients (default %(default)s)")
    parser.add_argument("--seconds", type=int, default=4, help="length of one measurement (default %(default)s)")
    parser.add_argument("--look", action="store_true", help="print only, and leave the document as it is")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the server is stopped on the way out
    try:
        load.require()
        rows, statuses = _measure(options.rounds, options.seconds)
    except load.LoadError as error:
        print(error, file=sys.stderr)
        return 1
    versions = {name: metadata.version(name) for name in NAMED}
    measured = f"Rounds: {options.rounds}, of {options.seconds} s. {machine.sentence(_machine(), versions)}"
    text = "\n\n".join([measured, table.markdown(HEADER, rows), f"Statuses seen in all of it: {statuses}."])
    print(text)
    if not options.look:
        DOCUMENT.write_text(table.place(DOCUMENT.read_text(), text, COMMAND))
    return 0


HEADER = [
    "bodies", "clients", "rows/s", "ratio", "CPU s for 1,000 requests", "probe p50, ms", "p99, ms",
    "most, ms", "memory, MiB",
]  # fmt: skip


def _machine() -> dict[str, Any]:
    return machine.describe(load.version())


def _measure(rounds: int, seconds: int) -> tuple[list[list[str]], str]:
    """The rows of the table, and how often each status was answered."""
    bodies = Bodies(BUILD / "overload")
    rows = []
    with running("overload") as server, tqdm(total=2 * rounds * len(LOADS), unit="", leave=False) as progress:
        for one in LOADS:
            requests = bodies.requests(one.face, Case(one.kind, one.rows, one.few))
            seen: dict[int, list[Seen]] = {one.few: [], one.many: []}
            load.run(_url(server, one.face), requests, one.few, 1)
            for _ in range(rounds):
                for clients, found in seen.items():
                    progress.set_description_str(f"{one.name}, {clients} clients")
                    found.append(_load(server, one, requests, clients, seconds))
                    progress.update()
            rows += [row(one.name, clients, found, seen[one.few]) for clients, found in seen.items()]
        return rows, _statuses(server)


def _load(server: Server, bodies: Load, requests: Any, clients: int, seconds: int) -> Seen:
    before_s = server.cpu_s()
    with _probes(server.port) as latencies:
        found = load.run(_url(server, bodies.face), requests, clients, seconds)
    if found.broken:
        raise load.LoadError(f"{found.broken} connections broke or timed out")
    good = found.requests - found.refused
    cpu_s = (server.cpu_s() - before_s) * 1000 / found.requests
    ordered = sorted(latencies)
    p99 = ordered[len(ordered) * 99 // 100]
    rows_per_second = good * bodies.rows / (found.duration_us / 1e6)
    return Seen(rows_per_second, cpu_s, median(ordered), p99, ordered[-1], server.resident_mib())


def row(name: str, clients: int, found: Sequence[Seen], few: Sequence[Seen]) -> list[str]:
    """A row of the table: medians over rounds, and of what is worst the worst; `few` are the rounds at few clients."""
    ratio = median(one.rows_per_second / other.rows_per_second for one, other in zip(found, few, strict=True))
    return [
        name,
        str(clients),
        f"{median(one.rows_per_second for one in found):,.0f}",
        f"{ratio:.2f}",
        f"{median(one.cpu_s_per_1000 for one in found):.2f}",
        f"{median(one.probe_p50_ms for one in found):.1f}",
        f"{median(one.probe_p99_ms for one in found):.1f}",
        f"{max(one.probe_max_ms for one in found):.1f}",
        f"{max(one.resident_mib for one in found):.0f}",
    ]


@contextmanager
def _probes(port: int) -> Iterator[list[float]]:
    """Asks for liveness, each time on a new connection as a kubelet does; milliseconds until that was answered."""
    latencies: list[float] = []
    ended = threading.Event()

    def probe() -> None:
        while not ended.wait(PROBE_EVERY_S):
            asked = time.perf_counter()
            if _is_live(port):
                latencies.append((time.perf_counter() - asked) * 1e3)

    thread = threading.Thread(target=probe)
    thread.start()
    try:
        yield latencies
    finally:
        ended.set()
        thread.join()


def _is_live(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/health/live")
        answer = connection.getresponse()
        answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise load.LoadError(f"a probe got {answer.status}")
    return True


def _statuses(server: Server) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", "/metrics")
    found = ANSWERS.findall(connection.getresponse().read().decode())
    connection.close()
    return ", ".join(f"{status} ({float(count):,.0f})" for status, count in sorted(found))


def _url(server: Server, face: Face) -> str:
    return f"http://127.0.0.1:{server.port}{face.path}"


if __name__ == "__main__":
    sys.exit(main())
