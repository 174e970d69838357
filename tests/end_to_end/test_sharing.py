"""Which worker has which connection, as the kernel tells it: even whatever comes, goes, dies or stands still.

The kernel names the worker by the inode of the server's end of a connection (/proc/net/tcp), which is among the open
files of that worker (/proc/PID/fd).
"""

from __future__ import annotations

import contextlib
import http.client
import os
import resource
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

BODY = b'{"tensor": [-1, 2]}'
ASKED = (
    b"POST /activate/relu HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s"
)
KEPT = ASKED % (len(BODY), b"", BODY)
ONCE = ASKED % (len(BODY), b"Connection: close\r\n", BODY)
LONG_S = 60.0
LISTENS = "0A"
SOME = 20


@dataclass
class Service:
    """A server with several workers, and connections to it."""

    server: Any
    wait_until: Callable[[Callable[[], object], str], None]
    opened: list[socket.socket] = field(default_factory=list)

    def open(self, count: int) -> list[socket.socket]:
        """So many connections at once, each of which has been answered and stays."""
        new = self.connect(count)
        for one in new:
            one.sendall(KEPT)
        for one in new:
            assert is_answered(one)
        return new

    def connect(self, count: int) -> list[socket.socket]:
        new = [socket.socket() for _ in range(count)]
        self.opened += new
        for one in new:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", self.server.port))
        for one in new:
            one.settimeout(LONG_S)
        return new

    def close(self, connections: list[socket.socket]) -> None:
        """Returns when the workers have closed them too."""
        gone = {port_of(one) for one in connections}
        for one in connections:
            self.opened.remove(one)
            one.close()
        self.wait_until(lambda: not gone & self.holders().keys(), "a worker keeps connections that were closed")

    def holders(self) -> dict[int, int]:
        """The worker of each connection that one has let in, by the client's port."""
        inodes = {}
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            _, local, remote, state, *_, inode = line.split()[:10]
            if int(local.rpartition(":")[2], 16) == self.server.port and state != LISTENS:
                inodes[f"socket:[{inode}]"] = int(remote.rpartition(":")[2], 16)
        files = ((pid, file) for pid in self.server.workers() for file in open_files(pid))
        return {inodes[file]: pid for pid, file in files if file in inodes}

    def shares(self) -> dict[int, int]:
        """How many of the connections each worker has."""
        holders = self.holders()
        counts = Counter(holders[port_of(one)] for one in self.opened)
        return {pid: counts[pid] for pid in self.server.workers()}

    def of(self, pid: int) -> list[socket.socket]:
        """The connections that a worker has."""
        holders = self.holders()
        return [one for one in self.opened if holders.get(port_of(one)) == pid]

    def until_all_let_in(self, count: int) -> None:
        """Until so many workers let connections in, and none is left of those that were opened to see it."""

        def let_in() -> bool:
            probes = self.open(2 * count)
            found = list(self.shares().values())
            self.close(probes)
            return len(found) == count and 0 not in found

        self.wait_until(let_in, "not every worker lets connections in")

    def kill(self, pid: int) -> int:
        """Kills a worker; the process id of the one that is started for it."""
        before = self.server.workers()
        os.kill(pid, signal.SIGKILL)
        self.wait_until(lambda: self.server.workers() - before, "no worker was started in its place")
        (new,) = self.server.workers() - before
        return int(new)


def port_of(connection: socket.socket) -> int:
    return int(connection.getsockname()[1])


def open_files(pid: int) -> Iterator[str]:
    with contextlib.suppress(FileNotFoundError):  # it has just ended
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                yield os.readlink(f"/proc/{pid}/fd/{name}")


def is_answered(connection: socket.socket) -> bool:
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response.status == 200 and b'"tensor":[0.0,2.0]' in response.read()


def spread(shares: dict[int, int]) -> int:
    return max(shares.values()) - min(shares.values())


@pytest.fixture
def service(serve: Any, wait_until: Any) -> Iterator[Callable[..., Service]]:
    """Starts a server, of whose so many workers each lets connections in when this returns."""
    made: list[Service] = []

    def start(workers: int, *arguments: str) -> Service:
        started = Service(serve("--workers", str(workers), *arguments), wait_until)
        made.append(started)
        started.until_all_let_in(workers)
        return started

    yield start
    for one in made:
        for connection in one.opened:
            connection.close()


@pytest.mark.parametrize(("workers", "count"), [(2, 8), (2, 64), (3, 64)])
def test_connections_opened_at_once_are_spread_evenly(service: Any, workers: int, count: int) -> None:
    started = service(workers)
    for _ in range(5):
        connections = started.open(count)
        assert spread(started.shares()) <= 1, started.shares()
        started.close(connections)


def test_connections_are_even_again_after_some_have_gone(service: Any) -> None:
    started = service(2)
    started.open(16)
    first, second = started.shares()
    started.close(started.of(first))
    assert started.shares() == {first: 0, second: 8}
    started.open(6)
    assert started.shares() == {first: 6, second: 8}
    started.close(started.of(second)[:5])
    started.open(3)
    assert started.shares() == {first: 6, second: 6}
    assert all(is_answered(one) for one in started.opened if not one.sendall(KEPT))


def test_connections_stay_even_while_others_come_and_go(service: Any) -> None:
    started = service(2)
    stop = threading.Event()

    def come_and_go() -> int:
        asked = 0
        while not stop.is_set():
            assert started.server.exchange(ONCE).startswith(b"HTTP/1.1 200 ")
            asked += 1
        return asked

    with ThreadPoolExecutor(1) as threads:
        coming = threads.submit(come_and_go)
        try:
            for _ in range(10):
                first, second = started.server.workers()
                started.open(6)
                # 1 apart as ever, and 1 for the connection that was there at the time and has gone
                assert spread(started.shares()) <= 2, started.shares()
                started.close(started.of(first)[:4] + started.of(second)[:1])
        finally:
            stop.set()
    assert coming.result() > 0


def test_killed_worker_loses_its_own_connections_alone_and_newcomers_are_even_again(service: Any) -> None:
    started = service(2)
    kept = started.open(8)
    killed, living = started.shares()
    lost = set(started.of(killed))
    with ThreadPoolExecutor(12) as threads:
        stop = threading.Event()
        asking = {one: threads.submit(ask_until, stop, one) for one in kept}
        coming = [threads.submit(come_and_go_until, stop, started) for _ in range(4)]
        try:
            new = started.kill(killed)
            told = time.monotonic()
            started.wait_until(lambda: lets_one_in(started, new), "the new worker lets nobody in")
        finally:
            stop.set()
        assert {one for one in kept if not asking[one].result()} == lost
        answered, began_failing = zip(*(future.result() for future in coming), strict=True)
    assert min(answered) >= SOME
    failures = [moment for moments in began_failing for moment in moments]
    assert len(failures) <= 4  # what the dead worker had in hand, one for each who asked
    assert all(moment < told for moment in failures)
    started.close(list(lost))
    started.wait_until(lambda: set(started.holders()) == {port_of(one) for one in started.opened}, "somebody stays")
    started.open(8)
    assert started.shares() == {new: 6, living: 6}
    assert f"worker {killed} died" in started.server.log


def lets_one_in(started: Service, worker: int) -> bool:
    """Whether it is that one who takes the next connection; those that come and go are gone before one can look."""
    (one,) = started.open(1)
    found = started.holders().get(port_of(one))
    started.close([one])
    return found == worker


def ask_until(stop: threading.Event, connection: socket.socket) -> bool:
    """False when the connection fails before."""
    while not stop.is_set():
        try:
            connection.sendall(KEPT)
            assert is_answered(connection)
        except (ConnectionError, http.client.RemoteDisconnected):
            return False
    return True


def come_and_go_until(stop: threading.Event, started: Service) -> tuple[int, list[float]]:
    """How many requests were answered, each on a connection of its own, and when those were begun that were not."""
    answered, failed = 0, []
    while not stop.is_set():
        began = time.monotonic()
        if started.server.exchange(ONCE).startswith(b"HTTP/1.1 200 "):
            answered += 1
        else:
            failed.append(began)
    return answered, failed


def test_worker_that_still_starts_gets_no_connection(service: Any) -> None:
    started = service(2)
    killed, living = started.shares()
    loaded = started.server.log.count("models,")
    new = started.kill(killed)
    os.kill(new, signal.SIGSTOP)
    assert started.server.log.count("models,") == loaded  # it has not loaded its models
    started.open(8)
    assert started.shares() == {living: 8, new: 0}
    os.kill(new, signal.SIGCONT)
    started.wait_until(lambda: started.server.log.count("models,") > loaded, "it does not go on")
    started.until_all_let_in(2)
    started.open(8)
    assert started.shares() == {living: 8, new: 8}


def test_who_waits_when_a_worker_dies_is_taken_in_by_another(service: Any) -> None:
    started = service(2)
    killed, living = started.shares()
    for pid in (killed, living):
        os.kill(pid, signal.SIGSTOP)
    waiting = started.connect(8)
    for one in waiting:
        one.sendall(KEPT)
    os.kill(killed, signal.SIGKILL)
    os.kill(living, signal.SIGCONT)
    assert all(is_answered(one) for one in waiting)


def test_worker_that_stands_still_holds_nobody_up_and_is_even_again_when_it_goes_on(service: Any) -> None:
    started = service(2)
    still, living = started.shares()
    os.kill(still, signal.SIGSTOP)
    try:
        for _ in range(4):
            started.open(2)
        assert started.shares() == {still: 0, living: 8}
    finally:
        os.kill(still, signal.SIGCONT)
    started.until_all_let_in(2)
    started.open(8)
    assert started.shares() == {still: 8, living: 8}


def test_worker_stopped_alone_under_load_fails_nobody_and_holds_nobody_off(service: Any) -> None:
    started = service(2)
    stopped = min(started.server.workers())
    with ThreadPoolExecutor(4) as threads:
        stop = threading.Event()
        coming = [threads.submit(come_and_go_until, stop, started) for _ in range(4)]
        os.kill(stopped, signal.SIGTERM)
        slowest_s = 0.0
        while stopped in started.server.workers():
            began = time.monotonic()
            socket.create_connection(("127.0.0.1", started.server.port), timeout=LONG_S).close()
            slowest_s = max(slowest_s, time.monotonic() - began)
            time.sleep(0.02)
        stop.set()
        answered, failed = zip(*(future.result() for future in coming), strict=True)
    assert min(answered) >= SOME
    assert not any(failed)
    assert slowest_s < 0.9  # after 1 s the kernel knocks again at a door where it was not heard


def test_workers_without_file_descriptors_rest_and_take_up_again(service: Any, cpu_s: Any) -> None:
    started = service(2)
    limits = {}
    for pid in started.server.workers():
        limits[pid] = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        used = max(int(name) for name in os.listdir(f"/proc/{pid}/fd"))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 1, limits[pid][1]))
    kept = []
    while "EMFILE" not in started.server.log:  # numbers below the highest may be free
        kept += started.connect(1)
        kept[-1].sendall(KEPT)
        time.sleep(0.05)
    began, used_s = time.monotonic(), {pid: cpu_s(pid) for pid in limits}
    time.sleep(2)
    busy = sum(cpu_s(pid) - used_s[pid] for pid in limits) / (time.monotonic() - began)
    assert busy < 0.5  # one that looked all the time would have a core to itself
    for pid, found in limits.items():
        resource.prlimit(pid, resource.RLIMIT_NOFILE, found)
    assert all(is_answered(one) for one in kept)
