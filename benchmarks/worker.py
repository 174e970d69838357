"""`actserve serve` as one process on loopback: started until it is ready, looked at, stopped."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from benchmarks.peers import ROOT
from benchmarks.processes import free_port

START_S = 60.0
STOP_S = 30.0
POLL_S = 0.005
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


class WorkerError(Exception):
    """It does not get ready."""


class Worker:
    """Running from `with` on, ready; `ready_s` and `start_cpu_s` are what that took."""

    def __init__(self, arguments: Sequence[str], log: Path) -> None:
        self.port = free_port()
        self._log = log
        self._command = [sys.executable, "-m", "service", "serve", "--port", str(self.port), *arguments]

    def __enter__(self) -> Worker:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        # Compiled modules are written by the first start, as an installation does, for those that are measured.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        began = time.monotonic()
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(self._command, env=environment, stdout=output, stderr=output, cwd=ROOT)
        try:
            self._wait()
        except WorkerError:
            self._stop()
            raise
        self.ready_s = time.monotonic() - began
        self.start_cpu_s = self.cpu_s()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()

    def cpu_s(self) -> float:
        """User and system seconds so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / TICKS_A_SECOND

    def memory_mib(self) -> dict[str, float]:
        """`Rss`, `Pss`, `Private_Dirty` and the other fields of /proc/PID/smaps_rollup."""
        lines = Path(f"/proc/{self._process.pid}/smaps_rollup").read_text().splitlines()[1:]
        return {name: int(size.split()[0]) / 1024 for name, _, size in (line.partition(":") for line in lines)}

    def _wait(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(OSError, http.client.HTTPException):
                if self.status("GET", "/health/ready", {}, b"") == 200:
                    return
            time.sleep(POLL_S)
        raise WorkerError(f"The server did not get ready; see {self._log}")

    def status(self, method: str, path: str, headers: dict[str, str], body: bytes) -> int:
        """That of the answer to one request, on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_S)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
