"""When a draining process may close."""

from __future__ import annotations

import pytest

from service import lifecycle
from service.lifecycle import Lifecycle


class Clock:
    now = 100.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(lifecycle, "monotonic", lambda: made.now)
    return made


def test_it_never_closes_while_it_serves(clock: Clock) -> None:
    state = Lifecycle(20)
    clock.now += 1000
    assert not state.draining
    assert not state.may_close


def test_it_closes_once_nobody_sends_any_more(clock: Clock) -> None:
    state = Lifecycle(20)
    state.drain()
    assert state.draining
    assert not state.may_close
    clock.now += 0.9
    state.saw_request()
    clock.now += 0.9
    assert not state.may_close
    clock.now += 0.2
    assert state.may_close


def test_it_closes_after_half_of_the_drain_time_at_the_latest(clock: Clock) -> None:
    state = Lifecycle(20)
    state.drain()
    for _ in range(19):
        clock.now += 0.5
        state.drain()
        state.saw_request()
        assert not state.may_close
    clock.now += 0.5
    state.saw_request()
    assert state.may_close
