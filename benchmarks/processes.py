"""A server as a family of processes: started, asked, frozen while others are measured, stopped."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from benchmarks import procfs
from benchmarks.cases import Rows
from benchmarks.faces import Face, Message
from benchmarks.procfs import Process

START_S = 60.0
STOP_S = 10.0
POLL_S = 0.01
ANSWER_S = 20.0
TOLERANCE = 1e-5  # an answer may come from another thread count, and through decimal digits


class ServerError(Exception):
    """The server does not start, does not answer, or answers wrongly."""


class NotReady(ServerError):
    """An answer, but not the one that is waited for."""


class Server:
    """A running server on loopback: the process of `command` and those that it starts."""

    def __init__(self, command: list[str], environment: dict[str, str], port: int, log: Path) -> None:
        self.port = port
        self._log = log
        self._seen: set[tuple[int, int]] = set()
        self._is_asked = False
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
            except (OSError, NotReady) as error:
                seen = error
                time.sleep(POLL_S)
        raise ServerError(f"it did not start ({seen}); see {self._log}")

    def check(self, face: Face, rows: Rows, expected: Rows) -> float:
        """Asks once. Seconds until the answer was there. Raises ServerError where its values are not the expected ones,
        NotReady for another status."""
        message = face.write(rows)
        asked = time.monotonic()
        status, body = self._post(face.path, message)
        answer_s = time.monotonic() - asked
        if status != 200:
            raise NotReady(f"status {status}: {body[:200]!r}")
        if not _agree(face, body, expected):
            raise ServerError(f"it answers {face.path} wrongly ({len(body)} bytes)")
        return answer_s

    def _post(self, path: str, message: Message) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_S)
        try:
            connection.request("POST", path, message.body, dict(message.headers))
            answer = connection.getresponse()
            return answer.status, answer.read()
        except http.client.HTTPException as error:
            raise NotReady(f"no whole answer: {error!r}") from error
        finally:
            connection.close()

    def freeze(self) -> None:
        """Takes the CPU away from an idle server, some of which poll all the time."""
        self.send(signal.SIGSTOP)

    def thaw(self) -> None:
        self.send(signal.SIGCONT)

    def send(self, number: signal.Signals) -> None:
        """To all its processes."""
        for process in self._members():
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)

    def terminate(self) -> None:
        """Asks it to end."""
        self._is_asked = True
        self.thaw()
        self._process.terminate()

    def stop(self) -> None:
        """Asks it to end, if it was not asked yet, and ends what has not within a bounded time."""
        if not self._is_asked:
            self.terminate()
        self._wait_for_end()
        self.send(signal.SIGKILL)
        self._wait_for_end()  # who was killed is there for a moment yet
        self._process.wait()

    def _wait_for_end(self) -> None:
        deadline = time.monotonic() + STOP_S
        while self._members() and time.monotonic() < deadline:
            self._process.poll()
            time.sleep(0.05)

    def cpu_s(self) -> float:
        """CPU seconds that all its processes have used."""
        return sum(process.cpu_s for process in self._members())

    def precise_cpu_s(self) -> float:
        """CPU seconds that its processes have used, without those that have ended: for short times."""
        return sum(process.precise_cpu_s() for process in self._members())

    def first_threads_s(self) -> float:
        """Those of them that the first thread of each process has used."""
        return sum(process.first_thread_s() for process in self._members())

    def memory_mib(self) -> float:
        """Resident memory of all its processes, what they share counted once."""
        return self._sum_mib(Process.proportional_kib)

    def resident_mib(self) -> float:
        """Resident memory of all its processes, what they share counted for each: what a peak is compared with."""
        return self._sum_mib(Process.resident_kib)

    def peak_mib(self) -> float:
        """The greatest resident memory since `reset_peak`, summed over its processes."""
        return self._sum_mib(Process.peak_kib)

    def reset_peak(self) -> None:
        for process in self._members():
            with suppress(OSError):
                process.reset_peak()

    def _sum_mib(self, size_kib: Callable[[Process], int]) -> float:
        return sum(map(size_kib, self._members())) / 1024

    def _members(self) -> list[Process]:
        """Those seen once are remembered: they no longer descend from the first one when that has ended."""
        members = procfs.family(self._process.pid, procfs.running(), self._seen)
        self._seen |= {(process.pid, process.started) for process in members}
        return members


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _agree(face: Face, body: bytes, expected: Rows) -> bool:
    try:
        values = face.read(body)
    except (ValueError, LookupError, TypeError):
        return False
    return values.shape == expected.shape and np.allclose(values, expected, rtol=0, atol=TOLERANCE)
