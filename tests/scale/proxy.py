"""HAProxy with the file that the repository ships."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path

import hosts
import network

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "haproxy" / "haproxy.cfg"


class Proxy:
    """Running from `start` to `stop`."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "haproxy.log"

    def start(self) -> None:
        with self._log.open("wb") as output:
            command = [*network.inside("proxy"), "haproxy", "-db", "-f", str(CONFIGURATION)]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        hosts.until(self._answers, "HAProxy does not answer")

    def _answers(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        with suppress(OSError):
            return self.ask("GET", "/health/ready")[0] == 200
        return False

    def ask(self, method: str, path: str) -> tuple[int, bytes]:
        """Status and body of one request."""
        return hosts.ask(network.PROXY, method, path)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
