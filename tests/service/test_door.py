"""Doors of several workers at one socket, all in this process; and one where the other worker never looks."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from service import board
from service.board import Board, Connections, share
from service.door import PATIENCE, PAUSE_S, Door, admit_newcomers, hold_newcomers, waiting

LONG_S = 30.0
SHORT_WAIT_S = PATIENCE * PAUSE_S / 2  # a timer may be early, and is late on a busy machine


class Greeter(asyncio.Protocol):
    """Says which worker has the connection."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.transport.write(b"%d" % self.worker.place)
        self.worker.greeted += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self.worker.connections.discard(self)


class Worker:
    """A door with its board, and how many connections have come through it."""

    def __init__(self, listener: socket.socket, folder: Path, place: int) -> None:
        self.place = place
        self.greeted = 0
        self.listener = listener.dup()
        self.board = Board(folder, place)
        self.connections = Connections(self.board)
        self.door = Door(self.listener, self.board, self.connections, lambda: Greeter(self))

    def close(self) -> None:
        self.door.close()
        self.listener.close()
        for connection in self.connections:
            connection.transport.close()


@pytest.fixture(params=["127.0.0.1", "::1"])
def listener(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.create_server((request.param, 0), family=family, backlog=2048) as made:
        yield made


@pytest.fixture
def callers(listener: socket.socket) -> Iterator[Callable[[int], list[socket.socket]]]:
    """Connects so many, who wait in the socket's queue when this returns."""
    made: list[socket.socket] = []

    def connect(count: int) -> list[socket.socket]:
        new = [socket.create_connection(listener.getsockname()[:2], timeout=LONG_S) for _ in range(count)]
        made.extend(new)
        return new

    yield connect
    for one in made:
        one.close()


Play = Callable[[Callable[[list[Worker]], Coroutine[Any, Any, None]], int], None]


@pytest.fixture
def play(listener: socket.socket, tmp_path: Path) -> Play:
    """Runs a test in an event loop with so many workers, the first of them open; there is a place for one more."""

    def run(test: Callable[[list[Worker]], Coroutine[Any, Any, None]], count: int) -> None:
        async def main() -> None:
            workers = [Worker(listener, tmp_path, place) for place in range(count)]
            try:
                await asyncio.wait_for(test(workers), LONG_S)
            finally:
                for worker in workers:
                    worker.close()
                await asyncio.sleep(2 * PAUSE_S * PATIENCE)

        board.make(tmp_path, count + 1)
        uvloop.run(main())

    return run


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(PAUSE_S)


def greeted(workers: list[Worker]) -> list[int]:
    return [worker.greeted for worker in workers]


@pytest.mark.parametrize(("count", "expected"), [(8, [4, 4]), (65, [32, 33]), (600, [300, 300])])
def test_queue_of_callers_is_shared_evenly(play: Play, callers: Any, count: int, expected: list[int]) -> None:
    async def test(workers: list[Worker]) -> None:
        callers(count)
        for worker in workers:
            worker.door.open()
        await until(lambda: sum(greeted(workers)) == count)
        assert sorted(greeted(workers)) == expected

    play(test, 2)


def test_callers_who_come_one_by_one_are_shared_evenly_among_three(play: Play, callers: Any) -> None:
    async def test(workers: list[Worker]) -> None:
        for worker in workers:
            worker.door.open()
        for count in range(1, 31):
            callers(1)
            await until(lambda: sum(greeted(workers)) == count)  # noqa: B023
            assert max(greeted(workers)) - min(greeted(workers)) <= 1

    play(test, 3)


def test_place_of_those_who_left_is_filled_first(play: Play, callers: Any) -> None:
    async def test(workers: list[Worker]) -> None:
        first, second = workers
        first.door.open()
        callers(6)
        await until(lambda: first.greeted == 6)
        second.door.open()
        callers(4)
        await until(lambda: second.greeted == 4)
        for connection in list(first.connections)[:5]:
            connection.transport.close()
        await until(lambda: len(first.connections) == 1)
        callers(3)
        await until(lambda: sum(greeted(workers)) == 13)
        assert greeted(workers) == [9, 4]

    play(test, 2)


def test_worker_that_never_looks_is_waited_for_once(play: Play, callers: Any, tmp_path: Path) -> None:
    async def test(workers: list[Worker]) -> None:
        loop = asyncio.get_running_loop()
        other = Board(tmp_path, 1)
        other.open()
        (worker,) = workers
        worker.door.open()

        async def let_in(count: int) -> float:
            """Seconds until so many more are in."""
            began, before = loop.time(), worker.greeted
            callers(count)
            await until(lambda: worker.greeted == before + count)
            return loop.time() - began

        await let_in(1)
        assert await let_in(3) >= SHORT_WAIT_S  # its own share is in at once, the other's share is not
        assert share(*worker.board.look(), 1) == 1  # the next one is taken at once
        await let_in(20)
        other.look()
        assert share(*worker.board.look(), 1) == 0
        assert await let_in(1) >= SHORT_WAIT_S

    play(test, 1)


def test_connection_has_no_delay_and_closes_with_its_socket(play: Play, callers: Any) -> None:
    async def test(workers: list[Worker]) -> None:
        (worker,) = workers
        worker.door.open()
        (caller,) = callers(1)
        await until(lambda: worker.greeted == 1)
        (connection,) = worker.connections
        accepted = connection.transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        assert connection.transport.get_extra_info("peername")[:2] == caller.getsockname()[:2]
        assert caller.recv(10) == b"0"
        connection.transport.close()
        await until(lambda: not worker.connections)
        assert caller.recv(10) == b""

    play(test, 1)


def test_closed_door_lets_nobody_in_and_keeps_who_is_in(play: Play, callers: Any) -> None:
    async def test(workers: list[Worker]) -> None:
        (worker,) = workers
        worker.door.open()
        (caller,) = callers(1)
        await until(lambda: worker.greeted == 1)
        worker.door.close()
        worker.door.close()
        callers(1)
        await asyncio.sleep(5 * PAUSE_S)
        assert worker.greeted == 1
        assert waiting(worker.listener) == 1
        assert caller.recv(10) == b"0"

    play(test, 1)


def test_last_worker_clears_the_queue_and_holds_off_who_comes_later(play: Play, callers: Any, listener: Any) -> None:
    async def test(workers: list[Worker]) -> None:
        for worker in workers:
            worker.door.open()
            worker.board.leave()
        callers(9)
        workers[0].door.clear()
        assert waiting(listener) == 0
        with socket.socket(listener.family) as later:
            later.settimeout(0.1)
            with pytest.raises(TimeoutError):
                later.connect(listener.getsockname())
        admit_newcomers(listener)
        await until(lambda: sum(greeted(workers)) == 9)

    play(test, 2)


def test_worker_that_stops_alone_leaves_the_queue_to_the_others(play: Play, callers: Any) -> None:
    async def test(workers: list[Worker]) -> None:
        first, second = workers
        for worker in workers:
            worker.door.open()
        first.board.leave()
        callers(9)
        first.door.clear()
        first.door.close()
        await until(lambda: second.greeted == 9)
        assert first.greeted == 0

    play(test, 2)


def test_worker_that_leaves_takes_whom_nobody_else_takes(play: Play, callers: Any, tmp_path: Path) -> None:
    async def test(workers: list[Worker]) -> None:
        Board(tmp_path, 1).open()  # stopped, say
        (worker,) = workers
        worker.door.open()
        worker.board.leave()
        callers(3)
        await until(lambda: worker.greeted == 3)

    play(test, 1)


def test_queue_is_counted(listener: socket.socket, callers: Any) -> None:
    assert waiting(listener) == 0
    callers(7)
    assert waiting(listener) == 7
    hold_newcomers(listener)
    admit_newcomers(listener)
    callers(1)
    assert waiting(listener) == 8
