"""One virtual environment for each peer under `build/bench`, made when it is first needed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.peers import ROOT, Peer

BUILD = ROOT / "build" / "bench"
INSTALL_TIMEOUT_S = 600


class NotInstalled(Exception):
    """A peer's packages cannot be had here; the message is pip's last line."""


def ready(peer: Peer) -> Path:
    """The environment's `bin` folder. Raises NotInstalled."""
    folder = BUILD / peer.home
    stamp = folder / "made-from.txt"
    if not stamp.is_file() or stamp.read_text() != _recipe(peer):
        shutil.rmtree(folder, ignore_errors=True)
        _run(sys.executable, "-m", "venv", str(folder))
        _run(str(folder / "bin/pip"), "install", "--quiet", "--disable-pip-version-check", *peer.requirements)
        stamp.write_text(_recipe(peer))
    return folder / "bin"


def versions(folder: Path) -> dict[str, str]:
    """Every package in an environment and its version."""
    listed = _run(str(folder / "python"), "-m", "pip", "list", "--format=json", "--disable-pip-version-check")
    return {package["name"]: package["version"] for package in json.loads(listed)}


def _recipe(peer: Peer) -> str:
    return "\n".join([*peer.requirements, *((ROOT / file).read_text() for file in peer.depends_on)])


def _run(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=True)
    except subprocess.CalledProcessError as error:
        raise NotInstalled((error.stderr.strip().splitlines() or ["it failed"])[-1]) from error
    except subprocess.TimeoutExpired as error:
        raise NotInstalled(f"not done within {INSTALL_TIMEOUT_S} s") from error
    return done.stdout
