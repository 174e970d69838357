"""`python -m benchmarks.capacity`: from what a row and a request cost here to machines, for docs/scaling.md."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from importlib import metadata
from itertools import product

from tqdm import tqdm

from benchmarks import balancer, machine, table
from benchmarks.balancer import BalancerError
from benchmarks.demand import DemandError, Point, fit, measure
from benchmarks.ours import running
from benchmarks.peers import ROOT
from benchmarks.sizing import FITTED, FORMS, SERVED, Asked, Measured, check, sections

DOCUMENT = ROOT / "docs" / "scaling.md"
COMMAND = "make capacity"
CHECKED = {"json": 8, "raw": 64}  # sizes that the costs were not fitted to
CHECKED_AT = (0.25, 0.5)  # of what a core can do
ROUNDS = 2  # of a check, of which the one counts in which the client was disturbed less
NAMED = ("httptools", "numpy", "onnxruntime", "orjson", "pysimdjson", "uvicorn", "uvloop")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 where nothing could be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity", description=__doc__)
    parser.add_argument("--seconds", type=float, default=2, help="length of one load (default %(default)s)")
    parser.add_argument("--cores", type=int, default=8, help="of one machine (default %(default)s)")
    parser.add_argument("--target-ms", type=float, default=10, help="for 99 of 100 answers (default %(default)s)")
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


def _measure(seconds: float) -> Measured:
    loads = len(FORMS) * (len(FITTED) + len(CHECKED_AT)) + len(SERVED)
    with running("capacity") as server, tqdm(total=loads, unit="", leave=False, desc="loads") as progress:
        points: dict[str, list[Point]] = {}
        for form in FORMS:
            measure(server, form, 32, 0.5, connections=8)  # so that nothing is new to it
            points[form] = []
            for rows, connections in FITTED:
                points[form].append(measure(server, form, rows, seconds, connections=connections))
                progress.update()
        costs = {form: fit(found) for form, found in points.items()}
        checks = []
        for form, share in product(FORMS, CHECKED_AT):
            rate = share / costs[form].least(CHECKED[form])
            rounds = [measure(server, form, CHECKED[form], seconds, rate=rate) for _ in range(ROUNDS)]
            checks.append(check(costs[form], points[form], share, min(rounds, key=lambda found: found.late)))
            progress.update()
        proxy_s = {}
        with balancer.before(server.port) as proxy:
            for rows, form in SERVED:
                before_s = proxy.cpu_s()
                found = measure(server, form, rows, seconds, connections=8, port=proxy.port)
                proxy_s[rows, form] = (proxy.cpu_s() - before_s) / (found.per_second * seconds)
                progress.update()
    return Measured(points, costs, checks, proxy_s)


if __name__ == "__main__":
    sys.exit(main())
