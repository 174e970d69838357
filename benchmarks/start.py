"""`python -m benchmarks.start`: what a start costs, until `/health/ready` says 200, and what an idle worker holds."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from statistics import median

from tqdm import tqdm

from benchmarks import machine, table
from benchmarks.environments import BUILD
from benchmarks.peers import ROOT
from benchmarks.processes import free_port
from benchmarks.worker import Worker

DOCUMENT = ROOT / "docs" / "performance.md"
COMMAND = "make bench-start"
STARTS = 9
NAMED = ("click", "grpcio", "numpy", "onnxruntime", "prometheus_client", "protobuf", "starlette", "uvicorn")
LOG = BUILD / "logs" / "start.log"
SETTLE_S = 1.0  # readiness comes while the last threads start
HEADER = ["", "ready, s", "CPU, s", "resident, MiB", "share of it", "written"]


@dataclass(frozen=True, slots=True)
class Start:
    """One start, and the worker that came of it. Seconds and MiB: resident, of what is shared with other processes only
    its share, and what it has written."""

    ready_s: float
    cpu_s: float
    resident: float
    share: float
    written: float


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__)
    parser.add_argument("--starts", type=int, default=STARTS, help="of which medians are shown (default %(default)s)")
    starts = parser.parse_args(arguments).starts
    described = machine.describe("no load")
    rows = [_row("with gRPC", starts, grpc=True), _row("`--grpc-port 0`", starts, grpc=False)]
    versions = {name: metadata.version(name) for name in NAMED}
    about = f"Medians of {starts} starts with everything in the page cache, in brackets the least and the greatest."
    text = "\n\n".join([f"{about} {machine.sentence(described, versions)}", table.markdown(HEADER, rows)])
    print(text)
    if starts == STARTS:
        DOCUMENT.write_text(table.place(DOCUMENT.read_text(), text, COMMAND))
    return 0


def _row(name: str, starts: int, *, grpc: bool) -> list[str]:
    _start(grpc)  # not counted: it may find nothing compiled, and nothing in the page cache
    seen = [_start(grpc) for _ in tqdm(range(starts), desc=name, unit="", leave=False)]
    sizes = ([one.resident for one in seen], [one.share for one in seen], [one.written for one in seen])
    times = ([one.ready_s for one in seen], [one.cpu_s for one in seen])
    return [name, *map(_spread, times), *(f"{median(size):.1f}" for size in sizes)]


def _spread(seconds: Sequence[float]) -> str:
    return f"{median(seconds):.2f} ({min(seconds):.2f}–{max(seconds):.2f})"


def _start(grpc: bool) -> Start:
    with Worker(("--grpc-port", str(free_port() if grpc else 0)), LOG) as worker:
        time.sleep(SETTLE_S)
        memory = worker.memory_mib()
        return Start(worker.ready_s, worker.start_cpu_s, memory["Rss"], memory["Pss"], memory["Private_Dirty"])


if __name__ == "__main__":
    sys.exit(main())
