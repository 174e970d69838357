"""Load by wrk: one thread, keep-alive connections, each with one request under way."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bodies import Requests

SCRIPT = Path(__file__).with_name("load.lua")
WHOLE = ".http"  # ends the names of files of whole requests, each behind a line with its length
REQUEST_TIMEOUT_S = 10
GRACE_S = 20


class LoadError(Exception):
    """wrk is missing, or did not measure."""


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk saw. `refused` counts answers that are not 2xx, `broken` connections that failed or timed out."""

    requests: int
    duration_us: int
    p50_us: int
    p99_us: int
    refused: int
    broken: int

    @property
    def per_second(self) -> float:
        return self.requests / (self.duration_us / 1e6)

    @property
    def is_clean(self) -> bool:
        return self.requests > 0 and not self.refused and not self.broken


def require() -> None:
    """Raises LoadError where wrk is not installed."""
    if shutil.which("wrk") is None:
        raise LoadError("The load comes from wrk, which is not installed; on Debian: apt-get install wrk")


def run(url: str, requests: Requests, connections: int, seconds: int) -> Load:
    """Sends the requests in turn for so many seconds. Raises LoadError."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", f"--timeout={REQUEST_TIMEOUT_S}s"]
    command += [f"--header={name}: {value}" for name, value in requests.headers.items()]
    command += [f"--script={SCRIPT}", url, "--", *map(str, requests.files)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + GRACE_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise LoadError("wrk did not end in time.") from error
    return parse(done.stdout)


def parse(output: str) -> Load:
    """The summary that the script prints last. Raises LoadError where there is none."""
    for line in reversed(output.splitlines()):
        if line.startswith("{"):
            return Load(**json.loads(line))
    raise LoadError(f"wrk printed no summary: {output.strip()[-200:] or 'nothing at all'}")


def version() -> str:
    """wrk's own version (it prints it with its usage and exits with 1)."""
    text = subprocess.run(["wrk", "--version"], capture_output=True, text=True, check=False).stdout
    return " ".join(text.split()[:2])
