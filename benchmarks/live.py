"""`python -m benchmarks.live`: what sampling costs `/predict`, written into docs/diagnosis.md.

One server, whose sampling is turned on and off between loads; twice off, so that the noise is seen beside it. All of
sampling is done `FOLD` times as often as in service, and what that costs is divided by it.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice, permutations
from math import expm1, log, sqrt
from statistics import mean, median, stdev
from timeit import timeit

import numpy as np
from tqdm import tqdm

from benchmarks import beside, load, table
from benchmarks.beside import FACES
from benchmarks.bodies import Bodies, Requests
from benchmarks.cases import Case
from benchmarks.environments import BUILD
from benchmarks.ours import running
from benchmarks.processes import Server
from benchmarks.switched import FOLD
from service.settings import Settings
from service.tap import Tap
from service.tensors import BY_NAME, TensorSpec

COMMAND = "python -m benchmarks.live"
CASES = (Case("raw", 1, 1), Case("raw", 1, 64), Case("json", 1, 64), Case("json", 32, 8))
RUN_ROWS, RUNS = 64, 100  # of each trial of a tap
WARM_S = 3  # what measures a sample is loaded with the first rows
OFF, ON, AGAIN = "off", "on", "off again"
SIGNALS = {OFF: signal.SIGUSR2, ON: signal.SIGUSR1, AGAIN: signal.SIGUSR2}
ORDERS = list(permutations(SIGNALS))  # what comes first, and what behind what, should not matter


@dataclass(frozen=True, slots=True)
class Sample:
    """Requests a second, and the server's CPU milliseconds for one, `aside_ms` of them not in the loop's thread."""

    per_second: float
    cpu_ms: float
    aside_ms: float


Seen = dict[Case, dict[str, list[Sample]]]


def measured(rounds: int, seconds: int) -> str:
    """The table. Raises LoadError and ServerError."""
    usual = Settings()
    often = {
        "--activation-sample-rate": usual.activation_sample_rate * FOLD,
        "--activation-cpu-share": usual.activation_cpu_share * FOLD,
    }
    settings = [word for flag, value in often.items() for word in (flag, f"{value:g}")]
    seen: Seen = {case: {state: [] for state in SIGNALS} for case in CASES}
    bodies = Bodies(BUILD / "bodies")
    with (
        running("switched", *settings, module="benchmarks.switched") as server,
        tqdm(total=rounds * len(CASES) * len(SIGNALS), unit="", leave=False) as progress,
    ):
        for case in CASES:
            url = f"http://127.0.0.1:{server.port}{FACES[case.kind].path}"
            requests = bodies.requests(FACES[case.kind], case)
            server.send(SIGNALS[ON])
            load.run(url, requests, case.connections, WARM_S)
            for state in (state for order in islice(cycle(ORDERS), rounds) for state in order):
                server.send(SIGNALS[state])
                seen[case][state].append(_loaded(server, url, requests, case, seconds))
                progress.update()
            server.send(SIGNALS[OFF])
    aside = f"To set rows aside takes {aside_us():.1f} µs of a run of {RUN_ROWS} rows of 784 numbers, in the mean."
    return f"{render(seen)}\n\n{aside}"


def aside_us() -> float:
    """Of the event loop: what a tap at the default rate costs it for each run, room for what it takes being there."""
    tap = Tap()
    tap.open(Settings().activation_sample_rate, [TensorSpec("x", BY_NAME["FP32"], ("n", 784))], joinable=True)
    feeds = {"x": np.zeros((RUN_ROWS, 784), np.float32)}
    times = []
    for _ in range(200):
        tap.take(RUNS * RUN_ROWS)
        times.append(timeit(partial(tap.ran, feeds, RUN_ROWS), number=RUNS))
    return median(times) / RUNS * 1e6


def _loaded(server: Server, url: str, requests: Requests, case: Case, seconds: int) -> Sample:
    all_s, loop_s = server.precise_cpu_s(), server.first_threads_s()
    found = load.run(url, requests, case.connections, seconds)
    if not found.is_clean:
        raise load.LoadError(f"{case.name}: {found.refused} refused, {found.broken} broken")
    all_s, loop_s = server.precise_cpu_s() - all_s, server.first_threads_s() - loop_s
    return Sample(found.per_second, all_s * 1000 / found.requests, (all_s - loop_s) * 1000 / found.requests)


def render(seen: Seen) -> str:
    """One row for each case."""
    columns = ["CPU ms for a request", "measuring", "sampling", "nothing", "requests/s", "sampling", "nothing"]
    return table.markdown(["`/predict`", *columns], [_row(case, states) for case, states in seen.items()])


def _row(case: Case, states: Mapping[str, Sequence[Sample]]) -> list[str]:
    cpu = {state: [one.cpu_ms for one in samples] for state, samples in states.items()}
    speed = {state: [one.per_second for one in samples] for state, samples in states.items()}
    aside = {state: sum(one.aside_ms for one in samples) / sum(cpu[OFF]) for state, samples in states.items()}
    measuring = f"{(aside[ON] - aside[OFF]) / FOLD:+.2%}"
    return [case.name, f"{median(cpu[OFF]):.4f}", measuring, *_costs(cpu), f"{median(speed[OFF]):,.0f}", *_costs(speed)]


def _costs(found: Mapping[str, Sequence[float]]) -> Iterator[str]:
    """By how much more than off: once as often as in service, in the mean over the rounds, with its standard error."""
    for state in (ON, AGAIN):
        logs = [log(one / off) for one, off in zip(found[state], found[OFF], strict=True)]
        yield f"{expm1(mean(logs)) / FOLD:+.2%} ± {stdev(logs) / sqrt(len(logs)) / FOLD:.2%}"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 where nothing could be measured."""
    return beside.main(COMMAND, __doc__, measured, arguments, rounds=12, seconds=1)


if __name__ == "__main__":
    sys.exit(main())
