"""The folder that the workers of one service share: sockets, metrics, copies of models. Nobody else can enter it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "actserve-"
ALIVE = "alive.lock"  # locked as long as its owner lives, which no signal can prevent from being undone


@contextmanager
def folder() -> Iterator[Path]:
    """A new one, removed at the end. Those whose owners were killed are removed at the beginning: they may hold copies
    of large models."""
    _remove_orphans()
    found = Path(tempfile.mkdtemp(prefix=PREFIX))
    lock = os.open(found / "draft", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (found / "draft").rename(found / ALIVE)  # locked before anybody can see it
        yield found
    finally:
        shutil.rmtree(found, ignore_errors=True)
        os.close(lock)


def _remove_orphans() -> None:
    for alive in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{ALIVE}"):
        with contextlib.suppress(OSError), alive.open("rb+") as file:  # not ours, or just removed, or its owner lives
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(alive.parent, ignore_errors=True)
