"""Where and when a run was made."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.peers import ROOT

BUSY = 0.5


def describe(tool: str) -> dict[str, Any]:
    """Processor, cores, memory, system, versions of Python and the tool that makes the load, the commit, the date and
    the load before the run."""
    return {
        "processor": _field("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(_field("/proc/meminfo", "MemTotal").split()[0]) / 2**20),
        "system": f"{platform.freedesktop_os_release()['PRETTY_NAME']}, Linux {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "tool": tool,
        "commit": _commit(),
        "date": datetime.now(UTC).date().isoformat(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def sentence(machine: dict[str, Any], versions: dict[str, str]) -> str:
    """The same for a reader."""
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    busy = " Other work was running on the machine, so the figures are noisy." * (machine["load_before"] > BUSY)
    return (
        f"{machine['date']}, commit {machine['commit']}: {machine['processor']}, {machine['cores']} cores shared by "
        f"server and load, {machine['memory_gib']} GiB, {machine['system']}, Python {machine['python']}, "
        f"{machine['tool']}, {listed}.{busy}"
    )


def _field(file: str, name: str) -> str:
    lines = Path(file).read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "0 unknown")


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or "unknown"
