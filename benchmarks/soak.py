"""`python -m benchmarks.soak`: a million requests of mixed kinds and sizes; does a worker's memory stay where it is?"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from statistics import median
from tempfile import NamedTemporaryFile
from typing import Any

from tqdm import tqdm

from benchmarks import load, machine, table
from benchmarks.bodies import Requests
from benchmarks.environments import BUILD
from benchmarks.mixture import Asked, mixture
from benchmarks.peers import ROOT
from benchmarks.processes import free_port
from benchmarks.worker import Worker, WorkerError

DOCUMENT = ROOT / "docs" / "performance.md"
COMMAND = "make soak"
REQUESTS = 1_000_000
LOG = BUILD / "logs" / "soak.log"
CONNECTIONS = 16
ROUND_S = 15
REST_S = 3.0  # a worker gives back what large bodies held when nobody has asked for a second
WARM_UP = 0.1  # of the requests: each graph is loaded, each buffer has had its largest request
BOUND = 0.05
HEADER = ["resident, MiB", "first", "median", "greatest", "last", "growth"]
NAMED = ("numpy", "onnxruntime", "orjson", "pysimdjson", "uvloop")


@dataclass(frozen=True, slots=True)
class Seen:
    """How many requests there were so far, and MiB resident behind the last of them and after a rest."""

    requests: int
    busy: float
    resting: float


class WrongStatus(Exception):
    """An answer has another status than its request must have."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 where memory grew by more than 5 % or an answer was wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--requests", type=int, default=REQUESTS, help="at least so many (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the first round; each next one has the next")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the server is stopped on the way out
    try:
        load.require()
        described = machine.describe(load.version())
        with Worker(("--grpc-port", str(free_port())), LOG) as worker:
            idle = worker.memory_mib()["Rss"]
            seen = list(_rounds(worker, options.requests, options.seed))
    except (load.LoadError, WorkerError, WrongStatus) as error:
        print(error, file=sys.stderr)
        return 1
    warm = [one for one in seen if one.requests >= options.requests * WARM_UP]
    text = "\n\n".join([_sentence(seen, idle, described), table.markdown(HEADER, _rows(warm))])
    print(text)
    if options.requests == REQUESTS:
        DOCUMENT.write_text(table.place(DOCUMENT.read_text(), text, COMMAND))
    return 0 if _growth([one.resting for one in warm]) <= BOUND else 1


def _rounds(worker: Worker, requests: int, seed: int) -> Iterator[Seen]:
    models, activations = _served(worker.port)
    done = 0
    with tqdm(total=requests, unit="", unit_scale=True) as progress:
        while done < requests:
            asked = mixture(models, activations, seed)
            _check(worker, asked)
            done += len(asked) + _load(worker.port, asked)
            busy = worker.memory_mib()["Rss"]
            time.sleep(REST_S)
            seen = Seen(done, busy, worker.memory_mib()["Rss"])
            progress.set_postfix_str(f"{seen.busy:.1f} MiB busy, {seen.resting:.1f} MiB at rest")
            progress.update(min(done, requests) - progress.n)
            yield seen
            seed += 1


def _served(port: int) -> tuple[list[str], list[str]]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/models") as answer:
        found = json.load(answer)
    return [model["name"] for model in found["models"]], found["activations"]


def _check(worker: Worker, asked: Sequence[Asked]) -> None:
    """Each once. Raises WrongStatus."""
    for one in asked:
        status = worker.status(one.method, one.path, one.headers, one.body)
        if status != one.status:
            raise WrongStatus(f"{one.method} {one.path} ({len(one.body)} bytes): {status} instead of {one.status}")


def _load(port: int, asked: Sequence[Asked]) -> int:
    """All of them in turn for a while, over connections that stay open; how many that were. Raises LoadError."""
    with NamedTemporaryFile(suffix=load.WHOLE) as file:
        for request in (one.raw() for one in asked):
            file.write(b"%d\n" % len(request) + request)
        file.flush()
        seen = load.run(f"http://127.0.0.1:{port}", Requests({}, [Path(file.name)]), CONNECTIONS, ROUND_S)
    if seen.broken:
        raise load.LoadError(f"{seen.broken} connections broke or timed out.")
    return seen.requests


def _sentence(seen: Sequence[Seen], idle: float, described: dict[str, Any]) -> str:
    return (
        f"{seen[-1].requests:,} requests, a tenth of them to warm up; {idle:.1f} MiB before the first."
        f" {machine.sentence(described, {name: metadata.version(name) for name in NAMED})}"
    )


def _rows(warm: Sequence[Seen]) -> list[list[str]]:
    return [
        _row("as a round of requests ends", [one.busy for one in warm]),
        _row(f"{REST_S:g} s later", [one.resting for one in warm]),
    ]


def _row(when: str, sizes: Sequence[float]) -> list[str]:
    figures = (sizes[0], median(sizes), max(sizes), sizes[-1])
    return [when, *(f"{figure:.1f}" for figure in figures), f"{_growth(sizes):+.1%}"]


def _growth(sizes: Sequence[float]) -> float:
    """The share by which the greatest is more than the first."""
    return max(sizes) / sizes[0] - 1


if __name__ == "__main__":
    sys.exit(main())
