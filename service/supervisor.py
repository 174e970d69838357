"""Several workers on one socket: starts them, starts another where one died, stops them together.

Each has a place on their board, which the one that is started for it takes over."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from types import FrameType

from service import board, logs
from service.board import Board
from service.door import admit_newcomers
from service.errors import ModelError, SettingsError
from service.metrics import SHARED_FOLDER
from service.server import Listeners, serve
from service.settings import Settings
from service.workers import socket_name

log = logging.getLogger("actserve.supervisor")

START_FAILED = 3
POLL_S = 0.5
STRAGGLERS_S = 5.0  # for a worker that has not stopped when its drain time is over
SHORT_LIFE_S = 5.0  # a worker that dies sooner is not started again at once


@dataclass(frozen=True, slots=True)
class Post:
    place: int
    since: float  # when its worker was started


class Supervisor:
    """Keeps `settings.worker_count` workers alive until a signal comes."""

    def __init__(self, settings: Settings, listeners: Listeners, folder: Path) -> None:
        self._settings = settings
        self._listeners = listeners
        self._context = multiprocessing.get_context("spawn")
        self._failures = self._context.SimpleQueue()
        self._workers: dict[SpawnProcess, Post] = {}
        self._signal: int | None = None
        self._failed = False
        self._folder = folder  # what the workers share

    def run(self) -> int:
        """The exit status: 0 after a signal, 3 when a worker could not start at all."""
        logs.configure(self._settings.log_format, self._settings.log_level)
        os.environ[SHARED_FOLDER] = str(self._folder)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        board.make(self._folder, self._settings.worker_count)
        for place in range(self._settings.worker_count):
            self._start(place, announce=place == 0)
        while self._signal is None and not self._failed:
            self._replace_dead()
        self._stop()
        return START_FAILED if self._failed else 0

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._signal = number
        for worker in list(self._workers):
            _send(worker, number)

    def _start(self, place: int, *, announce: bool = False) -> None:
        """Starts a worker, unless the supervisor was told to stop meanwhile."""
        if self._signal is not None:
            return
        admit_newcomers(self._listeners.http)  # a worker that stopped alone has held them
        arguments = (self._settings, self._listeners, self._folder, place, self._failures, announce)
        worker = self._context.Process(target=_work, args=arguments, name="actserve-worker")
        worker.start()
        self._workers[worker] = Post(place, time.monotonic())
        if self._signal is not None:  # it came before the worker was in the list
            _send(worker, self._signal)

    def _replace_dead(self) -> None:
        wait([worker.sentinel for worker in self._workers], timeout=POLL_S)
        for worker, post in list(self._workers.items()):
            if worker.is_alive() or self._signal is not None:
                continue
            del self._workers[worker]
            _forget(self._folder, worker.pid, post.place)
            if worker.exitcode == START_FAILED:
                self._failed = True
                print(f"actserve: {self._failures.get()}", file=sys.stderr)
                return
            log.error("worker %s died (exit status %s); starting another", worker.pid, worker.exitcode)
            if time.monotonic() - post.since < SHORT_LIFE_S:
                time.sleep(1)
            self._start(post.place)

    def _stop(self) -> None:
        """Waits for the workers, which drain by themselves, and ends those that take longer than they may."""
        self._listeners.close()  # or connections would be taken in here when no worker is left to answer them
        if self._failed:
            self._on_signal(signal.SIGTERM, None)
        deadline = time.monotonic() + self._settings.drain_timeout_s + STRAGGLERS_S
        for worker in self._workers:
            worker.join(max(0.0, deadline - time.monotonic()))
            if worker.is_alive():
                log.error("worker %s did not stop in time; killing it", worker.pid)
                worker.kill()
                worker.join()


def _send(worker: SpawnProcess, number: int) -> None:
    if worker.pid is not None and worker.is_alive():
        os.kill(worker.pid, number)


def _work(
    settings: Settings, listeners: Listeners, folder: Path, place: int, failures: SimpleQueue[str], announce: bool
) -> None:
    """A worker's whole life."""
    os.setpgid(0, 0)  # Ctrl-C reaches the whole group of the terminal; the supervisor alone hands it on, once
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    try:
        serve(settings, listeners, folder, Board(folder, place), announce=announce)
    except (ModelError, SettingsError) as error:
        failures.put(str(error))
        sys.exit(START_FAILED)


def _stop_with_parent() -> None:
    """Drains and ends this worker when the supervisor was killed and cannot tell it any more."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)


def _forget(folder: Path, pid: int | None, place: int) -> None:
    """Takes a dead worker off the board, its socket away and its gauges out of the sums; its counters stay."""
    Board(folder, place).close()
    for file in (*folder.glob(f"gauge_live*_{pid}.db"), folder / socket_name(pid)):
        file.unlink(missing_ok=True)
