"""A host: the service's real process in its namespace, and its own folder of models."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import network

ACTSERVE = Path(sys.executable).with_name("actserve")
PATIENCE_S = 90.0  # a busy machine; nothing here is about speed
TWO_WORKERS = "a"  # the others have one
STOP_S = 25.0  # the drain time is 20


class Host:
    """`deploy/haproxy/haproxy.cfg` knows it by this name and this address."""

    def __init__(self, name: str, folder: Path, models: Path) -> None:
        self.name = name
        self.address = network.HOSTS[name]
        self.models = folder / name
        self.log = folder / f"{name}.log"
        shutil.copytree(models, self.models)

    def start(self) -> None:
        command = [*network.inside(self.name), ACTSERVE, "serve", "--host", self.address, "--models", self.models]
        command += ["--workers", "2"] if self.name == TWO_WORKERS else []
        command += ["--model-control", "explicit", "--load-model", "*", "--intra-op-threads", "1"]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ACTSERVE_")}
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(command, env=kept, stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def wait_until_ready(self) -> None:
        until(self._is_ready, f"host {self.name} is not ready: {self.log.read_text()[-2000:]}")

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, self.log.read_text()[-2000:]
        with suppress(OSError, http.client.HTTPException):
            return self.ask("GET", "/health/ready")[0] == 200
        return False

    def ask(self, method: str, path: str) -> tuple[int, bytes]:
        """Status and body of one request to this host itself."""
        return ask(self.address, method, path)

    def restart(self) -> int:
        """Asks it to stop, starts another, and returns when that one is ready: the exit status of the first."""
        self._process.send_signal(signal.SIGTERM)
        status = self._process.wait(STOP_S)
        self.start()
        self.wait_until_ready()
        return status

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(STOP_S)

    def stop(self) -> None:
        """At once, however it is."""
        if self._process.poll() is None:
            self.kill()


def ask(address: str, method: str, path: str) -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection(address, 8000, timeout=PATIENCE_S)) as client:
        client.request(method, path)
        answer = client.getresponse()
        return answer.status, answer.read()


def until(condition: Callable[[], object], otherwise: str) -> None:
    """Waits for a condition; fails the test when it is not met in time."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.02)
