"""What the workers have agreed to serve: written in a file that they share, or kept in memory where there is one."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from service.state import State

TURN_S = 0.02  # between two tries to be the one whose turn it is


class Ledger:
    """`folder` is the workers' own. Whoever changes the state has the lock; reading needs none."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._state: State | None = None
        self._mark: tuple[int, int] | None = None
        self._turn = asyncio.Lock()
        self._leading: int | None = None

    def read(self) -> State | None:
        """The state, None before the first worker has written one."""
        if self.folder is not None and (mark := self._found()) != self._mark:
            self._state, self._mark = State.from_dict(json.loads((self.folder / "models.json").read_bytes())), mark
        return self._state

    def write(self, state: State) -> None:
        """From its return on this holds for all."""
        if self.folder is None:
            self._state = state
            return
        draft = self.folder / f"models.{os.getpid()}.draft"
        draft.write_text(json.dumps(state.as_dict()))
        draft.replace(self.folder / "models.json")

    @property
    def is_news(self) -> bool:
        """True when another worker has written since this one has read."""
        return self.folder is not None and self._found() != self._mark

    def leads(self) -> bool:
        """True in one worker of all, and in another when that one is gone."""
        if self.folder is not None and self._leading is None:
            self._leading = _locked(self.folder / "leader.lock", fcntl.LOCK_NB)
        return self.folder is None or self._leading is not None

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Only one worker, and only one task in it, is in here at a time."""
        async with self._turn:
            if self.folder is None:
                yield
                return
            while (lock := _locked(self.folder / "turn.lock", fcntl.LOCK_NB)) is None:
                await asyncio.sleep(TURN_S)
            try:
                yield
            finally:
                os.close(lock)

    @contextmanager
    def first_turn(self) -> Iterator[None]:
        """The same before there is an event loop."""
        lock = None if self.folder is None else _locked(self.folder / "turn.lock", 0)
        try:
            yield
        finally:
            if lock is not None:
                os.close(lock)

    def close(self) -> None:
        if self._leading is not None:
            os.close(self._leading)

    def _found(self) -> tuple[int, int] | None:
        assert self.folder is not None
        with contextlib.suppress(FileNotFoundError):
            found = (self.folder / "models.json").stat()
            return (found.st_mtime_ns, found.st_ino)
        return None


def _locked(path: Path, how: int) -> int | None:
    """An open file that holds the lock until it is closed, or its process ends; None where another has it."""
    file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | how)
    except BlockingIOError:
        os.close(file)
        return None
    return file
