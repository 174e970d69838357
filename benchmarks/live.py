"""`python -m benchmarks.live`: what sampling costs `/predict`, written into docs/diagnosis.md.

Two servers, measured in turn while the other has no CPU: one with the default rate, and one that samples nothing.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from statistics import median

from tqdm import tqdm

from benchmarks import faces, load, machine, table
from benchmarks.bodies import Bodies, Requests
from benchmarks.cases import Case
from benchmarks.diagnosis import FACES, NAMED
from benchmarks.environments import BUILD
from benchmarks.ours import running
from benchmarks.peers import ROOT
from benchmarks.processes import Server, ServerError

DOCUMENT = ROOT / "docs" / "diagnosis.md"
COMMAND = "python -m benchmarks.live"
CASES = (Case("raw", 1, 1), Case("raw", 1, 64), Case("json", 1, 64), Case("json", 32, 8))
WARM_S = 4  # of a new server: what measures a sample is loaded with the first rows
OFF, DEFAULT = "--activation-sample-rate 0", "default"


@dataclass(frozen=True, slots=True)
class Sample:
    """Requests a second, and the server's CPU milliseconds for one."""

    per_second: float
    cpu_ms: float


Seen = dict[Case, dict[str, list[Sample]]]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 where nothing could be measured."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="times that all is measured (default %(default)s)")
    parser.add_argument("--seconds", type=int, default=4, help="of each load (default %(default)s)")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers are stopped on the way out
    try:
        load.require()
        seen = _measured(options.rounds, options.seconds)
    except (load.LoadError, ServerError) as error:
        print(error, file=sys.stderr)
        return 1
    described = machine.sentence(machine.describe(load.version()), {name: metadata.version(name) for name in NAMED})
    text = f"{described}\n\nMedians over {options.rounds} rounds of {options.seconds} s.\n\n{render(seen)}"
    print(text)
    DOCUMENT.write_text(table.place(DOCUMENT.read_text(), text, COMMAND))
    return 0


def _measured(rounds: int, seconds: int) -> Seen:
    """Both are started anew in each round: two processes of one program differ by several percent, by where things
    happen to lie in memory. Which of the two comes first changes from round to round."""
    seen: Seen = {case: {OFF: [], DEFAULT: []} for case in CASES}
    bodies = Bodies(BUILD / "bodies")
    with tqdm(total=rounds * len(CASES) * 2, unit="", leave=False) as progress:
        for index in range(rounds):
            with running("unsampled", *OFF.split()) as unsampled, running("sampled") as sampled:
                servers = {OFF: (unsampled, sampled), DEFAULT: (sampled, unsampled)}
                for case in CASES:
                    requests = bodies.requests(FACES[case.kind], case)
                    for state in (OFF, DEFAULT) if index % 2 else (DEFAULT, OFF):
                        server, other = servers[state]
                        other.freeze()
                        server.thaw()
                        warm_s = WARM_S if case is CASES[0] else 1
                        seen[case][state].append(_loaded(server, FACES[case.kind], case, requests, warm_s, seconds))
                        progress.update()
    return seen


def _loaded(server: Server, face: faces.Face, case: Case, requests: Requests, warm_s: int, seconds: int) -> Sample:
    url = f"http://127.0.0.1:{server.port}{face.path}"
    load.run(url, requests, case.connections, warm_s)
    before_s = server.cpu_s()
    found = load.run(url, requests, case.connections, seconds)
    if not found.is_clean:
        raise load.LoadError(f"{case.name}: {found.refused} refused, {found.broken} broken")
    return Sample(found.per_second, (server.cpu_s() - before_s) * 1000 / found.requests)


def render(seen: Seen) -> str:
    """One row for each case: both servers, and the ratios of the pairs."""
    header = ["`/predict`", "CPU ms for a request, off", "default", "ratio", "requests/s, off", "default", "ratio"]
    return table.markdown(header, [_row(case, states[OFF], states[DEFAULT]) for case, states in seen.items()])


def _row(case: Case, off: Sequence[Sample], sampled: Sequence[Sample]) -> list[str]:
    cpu = [one.cpu_ms / other.cpu_ms for one, other in zip(sampled, off, strict=True)]
    speed = [one.per_second / other.per_second for one, other in zip(sampled, off, strict=True)]
    return [
        case.name,
        f"{median(one.cpu_ms for one in off):.4f}",
        f"{median(one.cpu_ms for one in sampled):.4f}",
        _spread(cpu),
        f"{median(one.per_second for one in off):,.0f}",
        f"{median(one.per_second for one in sampled):,.0f}",
        _spread(speed),
    ]


def _spread(ratios: Sequence[float]) -> str:
    return f"{median(ratios):.3f} ({min(ratios):.3f}–{max(ratios):.3f})"


if __name__ == "__main__":
    sys.exit(main())
