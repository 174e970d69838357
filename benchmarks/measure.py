"""Rounds of measurements: every peer is started, every case asked of each in turn, every peer stopped; then again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import sleep

import onnxruntime

from benchmarks import load
from benchmarks.cases import CASES, Case, Rows
from benchmarks.environments import BUILD
from benchmarks.faces import Face
from benchmarks.figures import Report, Sample, Start
from benchmarks.peers import ROOT, Peer, environment
from benchmarks.processes import Server, ServerError, free_port

MODEL = ROOT / "models" / "repository" / "fashion_mnist" / "1" / "model.onnx"
LOGS = BUILD / "logs"
WARM_UP_S = 1
SETTLE_S = 0.2

Tick = Callable[[str], object]


class Bench:
    """Measures peers whose environments (their `bin` folders) are ready, into `report`."""

    def __init__(self, peers: dict[str, tuple[Peer, Path]], report: Report, seconds: int, tick: Tick) -> None:
        self._peers = peers
        self._report = report
        self._seconds = seconds
        self._tick = tick
        self._bodies = Bodies(BUILD / "bodies")
        self._session = onnxruntime.InferenceSession(MODEL)

    def round(self, number: int) -> None:
        """One round. A peer that does not start or answers wrongly is out of it, with its reason in the report."""
        with self._servers(number) as servers:
            for case in self._report.cases:
                for name, server in servers.items():
                    if face := self._peers[name][0].faces.get(case.kind):
                        self._case(number, name, server, face, case)

    @contextmanager
    def _servers(self, number: int) -> Iterator[dict[str, Server]]:
        servers: dict[str, Server] = {}
        start_s: dict[str, float] = {}
        try:
            for name in self._peers:
                self._tick(f"starting {name}")
                self._start(name, servers, start_s)
            yield {name: servers[name] for name in start_s}
            for name, seconds in start_s.items():
                self._report.starts.append(Start(name, number, seconds, servers[name].memory_mib()))
        finally:
            for server in servers.values():
                server.stop()

    def _start(self, name: str, servers: dict[str, Server], start_s: dict[str, float]) -> None:
        peer, folder = self._peers[name]
        port = free_port()
        command = [part.format(bin=folder, port=port) for part in peer.command]
        LOGS.mkdir(parents=True, exist_ok=True)
        server = servers[name] = Server(command, environment(peer, port, MODEL), port, LOGS / f"{name.lower()}.log")
        rows = CASES[0].batches()[0]
        try:
            start_s[name] = server.wait(peer.faces["json"], rows, self._expected(rows))
        except ServerError as error:
            self._report.problems.append(f"{name}: {error}")
        sleep(SETTLE_S)
        server.freeze()

    def _case(self, number: int, name: str, server: Server, face: Face, case: Case) -> None:
        self._tick(f"{name}: {case.name}")
        server.thaw()
        try:
            rows = case.batches()[0]
            server.check(face, rows, self._expected(rows))
            self._report.samples.append(self._sample(number, name, server, face, case))
        except (ServerError, load.LoadError, OSError) as error:
            self._report.problems.append(f"{name}, {case.name}: {error}")
        finally:
            server.freeze()

    def _sample(self, number: int, name: str, server: Server, face: Face, case: Case) -> Sample:
        url = f"http://127.0.0.1:{server.port}{face.path}"
        bodies = self._bodies.files(face, case)
        load.run(url, face.media_type, bodies, case.connections, WARM_UP_S)
        before_s = server.cpu_s()
        seen = load.run(url, face.media_type, bodies, case.connections, self._seconds)
        cpu_s = server.cpu_s() - before_s
        if not seen.is_clean:
            raise load.LoadError(f"{seen.refused} refused, {seen.broken} broken of {seen.requests} requests")
        per_1000 = cpu_s * 1000 / seen.requests
        return Sample(name, case, number, seen.per_second, per_1000, seen.p50_us, seen.p99_us)

    def _expected(self, rows: Rows) -> Rows:
        """The answer of onnxruntime itself, run here."""
        scores: Rows = self._session.run(["probabilities"], {"input": rows})[0]
        return scores


class Bodies:
    """Request bodies as files for wrk; those of one form are written once and shared by the peers that take it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: dict[tuple[object, Case], Sequence[Path]] = {}

    def files(self, face: Face, case: Case) -> Sequence[Path]:
        key = (face.write, case)
        if key not in self._written:
            folder = self._folder / str(len(self._written))
            folder.mkdir(parents=True, exist_ok=True)
            self._written[key] = [_written(folder / str(n), face.write(rows)) for n, rows in enumerate(case.batches())]
        return self._written[key]


def _written(file: Path, body: bytes) -> Path:
    file.write_bytes(body)
    return file
