"""While a single client asks one thing after another the event loop looks for the next request instead of sleeping."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from time import perf_counter

import pytest

from service import cores
from service.polling import MOMENT_S, BusyPolling


class Watched(selectors.DefaultSelector):
    """Writes down for how long the loop may sleep, each time it looks at its sockets; 0 where it may not."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[float | None] = []

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.seen.append(timeout)
        return super().select(timeout)


def looks(answers: Callable[[BusyPolling], None], workers: int = 1) -> list[float | None]:
    """How the loop looked after `answers`, until long after the last of them."""
    selector = Watched()
    loop = asyncio.SelectorEventLoop(selector)
    try:
        loop.run_until_complete(_answering(selector, answers, workers))
    finally:
        loop.close()
    return selector.seen


async def _answering(selector: Watched, answers: Callable[[BusyPolling], None], workers: int) -> None:
    answers(BusyPolling(workers))
    selector.seen.clear()
    await asyncio.sleep(MOMENT_S * 50)


def one_after_another(polling: BusyPolling) -> None:
    polling.answered(perf_counter())
    polling.answered(perf_counter())


def now_and_then(polling: BusyPolling) -> None:
    polling.answered(perf_counter())
    polling.answered(perf_counter() + 2 * MOMENT_S)


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "available", lambda: 2)


def slept(seen: list[float | None]) -> bool:
    """Whether the loop was ready to sleep at its first look."""
    return seen[0] is None or seen[0] > 0


def test_what_follows_within_a_moment_is_awaited_without_sleep() -> None:
    assert not slept(looks(one_after_another))


def test_it_ends_when_nothing_follows() -> None:
    assert any(slept([look]) for look in looks(one_after_another))


def test_now_and_then_is_no_reason() -> None:
    assert slept(looks(now_and_then))


def test_a_single_request_is_no_reason() -> None:
    assert slept(looks(lambda polling: polling.answered(perf_counter())))


def test_many_answers_poll_once_at_a_time() -> None:
    """What is due does not grow with each answer."""

    async def count() -> int:
        polling = BusyPolling(1)
        for _ in range(100):
            polling.answered(perf_counter())
        ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]
        return len(ready)

    assert asyncio.run(count()) == 1


def test_a_core_that_none_of_the_workers_needs_is_asked_for() -> None:
    assert slept(looks(one_after_another, workers=2))
