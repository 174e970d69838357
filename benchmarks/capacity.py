"""`python -m benchmarks.capacity`: from what a row and a request cost here to machines, for docs/scaling.md."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import metadata
from itertools import product
from typing import NamedTuple

from tqdm import tqdm

from benchmarks import balancer, machine, table
from benchmarks.balancer import BalancerError
from benchmarks.demand import DemandError, Point, around, fit, measure, spread
from benchmarks.ours import running
from benchmarks.peers import ROOT
from benchmarks.processes import Server
from benchmarks.queueing import rate_for
from benchmarks.sizing import FITTED, FORMS, SERVED, Asked, Measured, alone, check, middle, of, sections

DOCUMENT = ROOT / "docs" / "scaling.md"
COMMAND = "make capacity"
LONE = (0.05, 0.2)  # of the rate at which requests follow each other on one connection
SIZES = (1, 32)  # rows of the lone requests
CHECKED = (("json", 1), ("json", 8), ("raw", 1), ("raw", 48))
CHECKED_AT = (0.3, 0.5)  # of the time, as it is simulated
ROUNDS = 3  # of each open load, of which the one counts whose mean is between those of the others
NAMED = ("httptools", "numpy", "onnxruntime", "orjson", "pysimdjson", "uvicorn", "uvloop")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 where nothing could be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.5, help="length of one load (default %(default)s)")
    parser.add_argument("--cores", type=int, default=8, help="of one machine (default %(default)s)")
    parser.add_argument("--target-ms", type=float, default=20, help="for 99 of 100 answers (default %(default)s)")
    parser.add_argument("--look", action="store_true", help="print only, and leave the document as it is")
    options = parser.parse_args(arguments)
    asked = Asked(options.seconds, options.cores, options.target_ms)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers are stopped on the way out
    described = machine.describe("actserve bench")
    try:
        measured = _measure(asked.seconds)
    except (BalancerError, DemandError) as error:
        print(error, file=sys.stderr)
        return 1
    versions = {name: metadata.version(name) for name in NAMED}
    text = "\n\n".join([machine.sentence(described, versions), *sections(measured, asked)])
    print(text)
    if not options.look:
        DOCUMENT.write_text(table.place(DOCUMENT.read_text(), text, COMMAND))
    return 0


class Rate(NamedTuple):
    """Requests of so many rows, so many a second."""

    form: str
    rows: int
    per_second: float


class _Loads:
    """Loads of one server, each of so many seconds."""

    def __init__(self, server: Server, seconds: float, tick: Callable[[], object]) -> None:
        self._server = server
        self._seconds = seconds
        self._tick = tick

    def fitted(self, form: str) -> list[Point]:
        measure(self._server, form, 32, 0.5, connections=8)  # so that nothing is new to it
        return [self._load(form, rows, connections=connections) for rows, connections in FITTED]

    def rounds(self, rates: Sequence[Rate]) -> list[list[Point]]:
        """Of each load some, one load after the other, so that what disturbs the machine for a while meets one of each.
        One may fail: at times others take so much of the machine that the queue gets full."""
        found: list[list[Point]] = [[] for _ in rates]
        for _, (points, (form, rows, rate)) in product(range(ROUNDS), zip(found, rates, strict=True)):
            with suppress(DemandError):
                points.append(self._load(form, rows, rate=rate))
        for points, (form, rows, rate) in zip(found, rates, strict=True):
            if len(points) <= ROUNDS // 2:
                raise DemandError(f"{rate:.0f} requests a second of {rows} rows as {form} were not all answered.")
        return found

    def balanced(self) -> dict[tuple[int, str], float]:
        """The CPU seconds of a proxy before the server, for each request."""
        proxy_s = {}
        with balancer.before(self._server.port) as proxy:
            for rows, form in SERVED:
                before_s = proxy.cpu_s()
                found = self._load(form, rows, connections=8, port=proxy.port)
                proxy_s[rows, form] = (proxy.cpu_s() - before_s) / (found.per_second * self._seconds)
        return proxy_s

    def _load(self, form: str, rows: int, *, connections: int = 1, rate: float = 0, port: int = 0) -> Point:
        self._tick()
        return measure(self._server, form, rows, self._seconds, connections=connections, rate=rate, port=port)


def _lone(points: Mapping[str, Sequence[Point]]) -> list[Rate]:
    every = product(LONE, FORMS, SIZES)
    seconds = {(form, point.rows): point.cpu_s for form, fitted in points.items() for point in alone(fitted)}
    return [Rate(form, rows, share / seconds[form, rows]) for share, form, rows in every]


def _measure(seconds: float) -> Measured:
    rates = len(FORMS) * len(LONE) * len(SIZES) + len(CHECKED) * len(CHECKED_AT)
    count = len(FORMS) * len(FITTED) + rates * ROUNDS + len(SERVED)
    with running("capacity") as server, tqdm(total=count, unit="", leave=False, desc="loads") as progress:
        loads = _Loads(server, seconds, progress.update)
        points = {form: loads.fitted(form) for form in FORMS}
        rounds = loads.rounds(_lone(points))
        lone = [middle(some) for some in rounds]
        varied = spread([point for some in rounds for point in some])
        of_form = {form: [point for point in lone if point.form == form] for form in FORMS}
        costs = {form: fit(points[form], of_form[form]) for form in FORMS}
        surroundings = {form: around(costs[form], of_form[form], varied) for form in FORMS}
        checked = [
            Rate(form, rows, rate_for(costs[form], of(rows), busy))
            for (form, rows), busy in product(CHECKED, CHECKED_AT)
        ]
        found = zip(checked, loads.rounds(checked), strict=True)
        checks = [check(costs[rate.form], surroundings[rate.form], some) for rate, some in found]
        return Measured(points, costs, surroundings, checks, loads.balanced())


if __name__ == "__main__":
    sys.exit(main())
