"""Rounds of measurements: every peer is started, every case asked of each in turn, every peer stopped; then again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import ceil
from pathlib import Path
from time import sleep

from benchmarks import load
from benchmarks.bodies import Bodies
from benchmarks.cases import Case
from benchmarks.environments import BUILD
from benchmarks.figures import Report, Sample, Start
from benchmarks.oracle import MODEL, Oracle
from benchmarks.peers import Peer, environment
from benchmarks.plan import Lengths, Phase
from benchmarks.processes import Server, ServerError, free_port

LOGS = BUILD / "logs"
SETTLE_S = 0.2
LEAST_REQUESTS = 16  # in one measurement; slow cases are measured longer for them,
LONGEST = 3  # but not longer than so many times

Tick = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Started:
    """A server that has answered rightly, how long that took, and its resident memory then."""

    server: Server
    start_s: float
    idle_mib: float


class Bench:
    """Measures peers, whose environments' `bin` folders are given by name, into `report`."""

    def __init__(self, phases: Sequence[Phase], folders: Mapping[str, Path], report: Report, lengths: Lengths) -> None:
        self._phases = phases
        self._folders = folders
        self._report = report
        self._lengths = lengths
        self._bodies = Bodies(BUILD / "bodies")
        self._oracle = Oracle()

    def run(self, tick: Tick) -> None:
        """All rounds; `tick` is told of each start and each measurement. A peer that does not start or answers wrongly
        is out of it, with its reason in the report."""
        for number in range(self._lengths.rounds):
            for phase in self._phases:
                self._phase(number, phase, tick)

    def _phase(self, number: int, phase: Phase, tick: Tick) -> None:
        with self._servers(phase.peers, tick) as servers:
            for case, peer in phase.questions:
                tick(f"{peer.name}: {case.name}")
                if started := servers.get(peer.name):
                    self._case(number, peer, started, case)
            if not phase.questions[0][0].is_activation:
                self._report.starts += [_start(name, number, started) for name, started in servers.items()]

    @contextmanager
    def _servers(self, peers: Sequence[Peer], tick: Tick) -> Iterator[dict[str, Started]]:
        servers: list[Server] = []
        started: dict[str, Started] = {}
        try:
            for peer in peers:
                tick(f"starting {peer.name}")
                servers.append(self._process(peer))
                self._wait(peer, servers[-1], started)
            yield started
        finally:
            for server in servers:
                server.terminate()
            for server in servers:
                server.stop()

    def _process(self, peer: Peer) -> Server:
        port = free_port()
        command = [part.format(bin=self._folders[peer.name], port=port) for part in peer.command]
        LOGS.mkdir(parents=True, exist_ok=True)
        return Server(command, environment(peer, port, MODEL), port, LOGS / f"{peer.slug}.log")

    def _wait(self, peer: Peer, server: Server, started: dict[str, Started]) -> None:
        first = Case(next(iter(peer.faces)), 1, 1)
        try:
            start_s = server.wait(peer.faces[first.kind], first.batches()[0], self._oracle.expected(first))
            sleep(SETTLE_S)
            started[peer.name] = Started(server, start_s, server.resident_mib())
        except ServerError as error:
            self._report.problems.append(f"{peer.name}: {error}")
        finally:
            server.freeze()

    def _case(self, number: int, peer: Peer, started: Started, case: Case) -> None:
        face, server = peer.faces[case.kind], started.server
        server.thaw()
        try:
            answer_s = server.check(face, case.batches()[0], self._oracle.expected(case))
            seconds = self._length_s(answer_s, case.connections)
            self._report.samples.append(self._sample(number, peer, started, case, seconds))
        except (ServerError, load.LoadError, OSError) as error:
            self._report.problems.append(f"{peer.name}, {case.name}: {error}")
        finally:
            server.freeze()

    def _length_s(self, answer_s: float, connections: int) -> int:
        """wrk does not count what it has not the whole answer of in the end, which matters where requests are slow."""
        wanted_s = ceil(LEAST_REQUESTS * answer_s / connections)
        return min(max(self._lengths.seconds, wanted_s), LONGEST * self._lengths.seconds)

    def _sample(self, number: int, peer: Peer, started: Started, case: Case, seconds: int) -> Sample:
        face, server = peer.faces[case.kind], started.server
        requests = self._bodies.requests(face, case)
        ask = partial(load.run, f"http://127.0.0.1:{server.port}{face.path}", requests, case.connections)
        if self._lengths.warm_up_s:
            ask(self._lengths.warm_up_s)
        server.reset_peak()
        before_s = server.cpu_s()
        seen = ask(seconds)
        cpu_s = server.cpu_s() - before_s
        peak_mib = server.peak_mib() - started.idle_mib
        if not seen.is_clean:
            raise load.LoadError(f"{seen.refused} refused, {seen.broken} broken of {seen.requests} requests")
        per_1000 = cpu_s * 1000 / seen.requests
        times = (seen.p50_us, seen.p99_us)
        return Sample(peer.name, case, number, seen.per_second, per_1000, *times, requests.body_bytes, peak_mib)


def _start(name: str, number: int, started: Started) -> Start:
    return Start(name, number, started.start_s, started.server.memory_mib())
