"""HAProxy with the file that the repository ships, before one server on this machine: what a request costs it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path

from benchmarks import procfs
from benchmarks.environments import BUILD
from benchmarks.peers import ROOT
from benchmarks.processes import free_port

CONFIGURATION = ROOT / "deploy" / "haproxy" / "haproxy.cfg"
FETCHED = ROOT / "build" / "haproxy" / "root"
START_S = 10.0


class BalancerError(Exception):
    """It is not there, or does not answer."""


class Balancer:
    """Where it listens, and the CPU it has used."""

    def __init__(self, port: int, pid: int) -> None:
        self.port = port
        self._pid = pid

    def cpu_s(self) -> float:
        return next(process.cpu_s for process in procfs.running() if process.pid == self._pid)


@contextmanager
def before(port: int) -> Iterator[Balancer]:
    """The shipped file with the addresses of this machine instead of its own. Raises BalancerError."""
    name = shutil.which("haproxy", path=f"{FETCHED / 'usr' / 'sbin'}:{os.environ.get('PATH', '')}")
    if name is None:
        raise BalancerError("HAProxy is not here; `make test-scale` fetches it, or apt-get install haproxy.")
    own, rpc = free_port(), free_port()
    file = BUILD / "haproxy.cfg"
    file.write_text(_placed(CONFIGURATION.read_text(), own, rpc, port))
    libraries = FETCHED / "usr" / "lib" / f"{platform.machine()}-linux-gnu"
    environment = dict(os.environ) | {"LD_LIBRARY_PATH": str(libraries)}
    with (BUILD / "haproxy.log").open("wb") as output:
        process = subprocess.Popen([name, "-db", "-f", file], env=environment, stdout=output, stderr=output)
    try:
        _wait(own, process)
        yield Balancer(own, process.pid)
    finally:
        process.kill()
        process.wait()


def _placed(text: str, own: int, rpc: int, port: int) -> str:
    """One server for HTTP and none for gRPC."""
    text = text.replace("bind :8000", f"bind 127.0.0.1:{own}").replace("bind :8001", f"bind 127.0.0.1:{rpc}")
    text = re.sub(r"^ +server \w+ \S+:8001 .*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"^ +server [b-z] .*\n", "", text, flags=re.MULTILINE)
    return re.sub(r"server a \S+:8000", f"server a 127.0.0.1:{port}", text)


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        connection = HTTPConnection("127.0.0.1", port, timeout=START_S)
        with suppress(OSError):
            connection.request("GET", "/health/ready")
            if connection.getresponse().status == 200:
                return
        connection.close()
        time.sleep(0.02)
    raise BalancerError(f"HAProxy does not answer; see {Path(BUILD / 'haproxy.log')}")
