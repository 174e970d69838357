"""Workers that ask one another, as processes of their own."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from service.errors import DeadlinePassed, Detail, Internal, Unfit
from service.workers import Workers, socket_name

WORKER = """
import asyncio, os, sys
from pathlib import Path
from service.errors import Detail, Unfit
from service.workers import Workers

async def main():
    workers = Workers(Path(sys.argv[1]))

    async def echo(content): return {"pid": os.getpid(), **content}
    async def refuse(content): raise Unfit("No.", Detail("a", "b", "c"), headers=(("Retry-After", "1"),))
    async def fail(content): raise ZeroDivisionError
    async def sleep(content): await asyncio.sleep(600)
    async def die(content): os.kill(os.getpid(), 9)
    async def close(content): await workers.close(); return {}

    for handler in (echo, refuse, fail, sleep, die, close):
        workers.on(handler.__name__, handler)
    await workers.start()
    print("listening", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""
LONG_S = 30.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Its path alone is longer than that of a Unix socket may be."""
    made = tmp_path / ("long" * 40)
    made.mkdir()
    return made


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[[], int]]:
    """Starts a worker, waits until it listens, and gives its process id."""
    started: list[subprocess.Popen[str]] = []

    def make() -> int:
        worker = subprocess.Popen([sys.executable, "-c", WORKER, folder], stdout=subprocess.PIPE, text=True)
        started.append(worker)
        assert worker.stdout is not None
        assert worker.stdout.readline() == "listening\n"
        return worker.pid

    yield make
    for worker in started:
        worker.kill()
        worker.communicate()


def ask(folder: Path | None, verb: str, timeout_s: float = LONG_S, **content: Any) -> list[dict[str, Any]]:
    """What a worker in this process is answered, which listens itself as well."""

    async def main() -> list[dict[str, Any]]:
        workers = Workers(folder)
        await workers.start()
        try:
            return await workers.ask(verb, content, timeout_s)
        finally:
            await workers.close()

    return asyncio.run(main())


def test_every_other_worker_answers_and_the_asking_one_does_not(folder: Path, start: Callable[[], int]) -> None:
    pids = {start(), start()}
    answers = ask(folder, "echo", text="ü", numbers=[1, 2**60])
    assert {answer.pop("pid") for answer in answers} == pids
    assert answers == [{"text": "ü", "numbers": [1, 2**60]}] * 2


def test_answer_of_many_megabytes_comes_whole(folder: Path, start: Callable[[], int]) -> None:
    start()
    (answer,) = ask(folder, "echo", text="x" * 5_000_000)
    assert len(answer["text"]) == 5_000_000


def test_only_worker_asks_nobody() -> None:
    assert ask(None, "echo") == []


def test_refusal_comes_back_as_the_same_error(folder: Path, start: Callable[[], int]) -> None:
    start()
    with pytest.raises(Unfit, match=r"^No\.$") as found:
        ask(folder, "refuse")
    assert found.value.details == (Detail("a", "b", "c"),)
    assert found.value.headers == (("Retry-After", "1"),)


@pytest.mark.parametrize("verb", ["fail", "unknown"])
def test_fault_comes_back_as_a_fault_of_ours(folder: Path, start: Callable[[], int], verb: str) -> None:
    start()
    with pytest.raises(Internal):
        ask(folder, verb)


def test_worker_that_is_too_slow_is_named_as_the_reason(folder: Path, start: Callable[[], int]) -> None:
    start()
    with pytest.raises(DeadlinePassed, match=r"Another worker .* within 0\.2 s\."):
        ask(folder, "sleep", timeout_s=0.2)


def test_stopped_worker_is_too_slow_and_not_a_hang(folder: Path, start: Callable[[], int]) -> None:
    os.kill(start(), signal.SIGSTOP)
    with pytest.raises(DeadlinePassed):
        ask(folder, "echo", timeout_s=0.2)


def test_worker_that_dies_meanwhile_is_left_out(folder: Path, start: Callable[[], int]) -> None:
    start()
    assert ask(folder, "die") == []


def test_socket_that_outlived_its_worker_is_passed_over(folder: Path, start: Callable[[], int]) -> None:
    dead, living = start(), start()
    os.kill(dead, signal.SIGKILL)
    assert [answer["pid"] for answer in ask(folder, "echo")] == [living]
    assert (folder / socket_name(dead)).is_socket()


def test_worker_that_closed_is_left_out_and_takes_its_socket_away(folder: Path, start: Callable[[], int]) -> None:
    closed = start()
    assert ask(folder, "close") == [{}]
    assert ask(folder, "echo") == []
    assert not (folder / socket_name(closed)).exists()


def test_questions_asked_at_once_by_each_other_are_answered(folder: Path, start: Callable[[], int]) -> None:
    start()

    async def main() -> list[list[dict[str, Any]]]:
        workers = Workers(folder)
        await workers.start()
        asked: list[Coroutine[Any, Any, list[dict[str, Any]]]] = [
            workers.ask("echo", {"number": number}, LONG_S) for number in range(50)
        ]
        found = await asyncio.gather(*asked)
        await workers.close()
        return found

    assert [answer["number"] for (answer,) in asyncio.run(main())] == list(range(50))
