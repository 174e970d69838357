"""`python -m benchmarks.diagnosis`: what `/predict` costs beside `/diagnose`, written into docs/diagnosis.md.

Two servers, measured in turn while the other has no CPU: one that was never asked for a diagnosis, and one that was.
"""

from __future__ import annotations

import contextlib
import http.client
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from tqdm import tqdm

from benchmarks import beside, load, table
from benchmarks.beside import FACES
from benchmarks.bodies import Bodies, Requests
from benchmarks.cases import Case, pixels
from benchmarks.environments import BUILD
from benchmarks.load import Load
from benchmarks.ours import running
from benchmarks.processes import Server, ServerError

COMMAND = "python -m benchmarks.diagnosis"
CASES = (Case("raw", 1, 1), Case("raw", 1, 64), Case("json", 32, 8))
PAUSES = {
    "no diagnosis, ever": None,
    "one before": None,
    "one a second meanwhile": 1.0,
    "without a pause meanwhile": 0.0,
}
NEVER = "no diagnosis, ever"
ROWS = 1000  # of a diagnosis


class Asking:
    """Asks for diagnoses, one after the other with a pause between, until it is left; `answers` counts them."""

    def __init__(self, port: int, pause_s: float | None) -> None:
        self.answers = 0
        self._port = port
        self._pause_s = pause_s
        self._body = pixels(np.random.default_rng(0), ROWS).tobytes()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def once(self) -> None:
        """One diagnosis. Raises ServerError where it is not answered."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)) as connection:
            connection.request("POST", "/diagnose", self._body, {"Content-Type": "application/octet-stream"})
            answer = connection.getresponse()
            if answer.status != 200:
                raise ServerError(f"/diagnose answers {answer.status}: {answer.read()[:200]!r}")
            answer.read()
        self.answers += 1

    def _ask(self) -> None:
        while not self._ends.is_set():
            self.once()
            self._ends.wait(self._pause_s)

    def __enter__(self) -> Asking:
        if self._pause_s is not None:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        if self._thread.ident is not None:
            self._thread.join()


@dataclass(frozen=True, slots=True)
class Sample:
    """One load, the server's CPU seconds for 1,000 requests, and the diagnoses a second meanwhile."""

    load: Load
    cpu_s: float
    diagnoses: float


Seen = dict[tuple[Case, str], list[Sample]]


def measured(rounds: int, seconds: int) -> str:
    """The table. Raises LoadError and ServerError."""
    seen: Seen = {(case, state): [] for case in CASES for state in PAUSES}
    bodies = Bodies(BUILD / "bodies")
    with (
        running("plain") as plain,
        running("asked") as asked,
        tqdm(total=rounds * len(seen), unit="", leave=False) as progress,
    ):
        Asking(asked.port, None).once()
        plain.freeze()
        for case, state in [*seen] * rounds:
            progress.set_description_str(f"{case.name}: {state:<30}")
            server, other = (plain, asked) if state == NEVER else (asked, plain)
            other.freeze()
            server.thaw()
            seen[case, state].append(_loaded(server, case, bodies.requests(FACES[case.kind], case), state, seconds))
            progress.update()
    return render(seen)


def _loaded(server: Server, case: Case, requests: Requests, state: str, seconds: int) -> Sample:
    face = FACES[case.kind]
    url = f"http://127.0.0.1:{server.port}{face.path}"
    load.run(url, requests, case.connections, 1)
    before_s = server.cpu_s()
    with Asking(server.port, PAUSES[state]) as asking:
        found = load.run(url, requests, case.connections, seconds)
    if not found.is_clean:
        raise load.LoadError(f"{case.name}, {state}: {found.refused} refused, {found.broken} broken")
    return Sample(found, (server.cpu_s() - before_s) * 1000 / found.requests, asking.answers / seconds)


def render(seen: Seen) -> str:
    """One row for each case and state, with the ratio of throughputs to the server that was never asked."""
    columns = ["requests/s", "ratio", "p50, ms", "p99, ms", "CPU s for 1,000", "diagnoses/s"]
    header = ["`/predict`", f"diagnoses of {ROWS:,} rows", *columns]
    return table.markdown(header, [_row(seen, case, state) for case, state in seen])


def _row(seen: Seen, case: Case, state: str) -> list[str]:
    samples = seen[case, state]
    pairs = zip(samples, seen[case, NEVER], strict=True)
    ratios = [found.load.per_second / plain.load.per_second for found, plain in pairs]
    diagnoses = median(found.diagnoses for found in samples)
    return [
        case.name,
        state,
        f"{median(found.load.per_second for found in samples):,.0f}",
        f"{median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})",
        f"{median(found.load.p50_us for found in samples) / 1000:.2f}",
        f"{median(found.load.p99_us for found in samples) / 1000:.2f}",
        f"{median(found.cpu_s for found in samples):.3f}",
        f"{diagnoses:.1f}" if diagnoses else table.NOTHING,
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 where nothing could be measured."""
    return beside.main(COMMAND, __doc__, measured, arguments, rounds=5, seconds=5)


if __name__ == "__main__":
    sys.exit(main())
