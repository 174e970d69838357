"""A server as a session of processes: started, asked, frozen while others are measured, stopped."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.cases import Rows
from benchmarks.faces import Face

START_S = 60.0
STOP_S = 10.0
POLL_S = 0.01
ANSWER_S = 20.0
TOLERANCE = 1e-5  # an answer may come from another thread count, and through decimal digits
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


class ServerError(Exception):
    """The server does not start, does not answer, or answers wrongly."""


class Server:
    """A running server on loopback. Its processes are those of the session that its first process leads."""

    def __init__(self, command: list[str], environment: dict[str, str], port: int, log: Path) -> None:
        self.port = port
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command, env=environment, stdout=output, stderr=output, cwd=log.parent, start_new_session=True
            )

    def wait(self, face: Face, rows: Rows, expected: Rows) -> float:
        """Seconds until the first answer, which must be right. Raises ServerError."""
        started = time.monotonic()
        seen: Exception = NotReady("no answer")
        while time.monotonic() - started < START_S and self._process.poll() is None:
            try:
                self.check(face, rows, expected)
                return time.monotonic() - started
            except (OSError, http.client.HTTPException, NotReady) as error:
                seen = error
                time.sleep(POLL_S)
        raise ServerError(f"it did not start ({seen}); see {self._log}")

    def check(self, face: Face, rows: Rows, expected: Rows) -> None:
        """Asks once. Raises ServerError where the scores are not the expected ones, NotReady for another status."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_S)
        try:
            connection.request("POST", face.path, face.write(rows), {"Content-Type": face.media_type})
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise NotReady(f"status {answer.status}: {body[:200]!r}")
        scores = face.read(body)
        if scores.shape != expected.shape or not np.allclose(scores, expected, rtol=0, atol=TOLERANCE):
            raise ServerError(f"it answers {face.path} wrongly ({len(body)} bytes)")

    def freeze(self) -> None:
        """Takes the CPU away from an idle server, some of which poll all the time."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """Asks it to end, and ends what has not within a bounded time."""
        self.thaw()
        self._process.terminate()
        deadline = time.monotonic() + STOP_S
        while any(self._pids()) and time.monotonic() < deadline:
            self._process.poll()
            time.sleep(0.05)
        self._signal(signal.SIGKILL)
        self._process.wait()

    def cpu_s(self) -> float:
        """CPU seconds that all its processes have used."""
        return sum(_cpu_ticks(pid) for pid in self._pids()) / TICKS_A_SECOND

    def memory_mib(self) -> float:
        """Resident memory of all its processes, what they share counted once."""
        return sum(_proportional_kib(pid) for pid in self._pids()) / 1024

    def _pids(self) -> Iterator[int]:
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal() and _session(int(entry.name)) == self._process.pid:
                yield int(entry.name)

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._pids():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue


class NotReady(ServerError):
    """An answer, but not the one that is waited for."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third (the state) on; empty where the process is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
    return [] if fields[0] == "Z" else fields


def _session(pid: int) -> int | None:
    fields = _stat(pid)
    return int(fields[3]) if fields else None


def _cpu_ticks(pid: int) -> int:
    fields = _stat(pid)
    return sum(map(int, fields[11:15])) if fields else 0


def _proportional_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
