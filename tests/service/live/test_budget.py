"""CPU seconds by the share: used up by work, not by waiting, and given back with time."""

from __future__ import annotations

import time

from service.live.budget import SAVED_S, Budget


def burn(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def test_work_is_spent_and_waiting_is_not() -> None:
    budget = Budget(0.001)
    with budget.spending() as spent:
        time.sleep(0.05)
    assert spent() < 0.02
    assert budget.left() > 0
    with budget.spending():
        burn(0.05)
    assert budget.left() < 0


def test_what_is_overdrawn_is_made_up_for_with_time() -> None:
    budget = Budget(0.01)
    with budget.spending():
        burn(0.01 * SAVED_S + 0.02)
    left = budget.left()
    assert left < 0
    time.sleep(0.5)
    assert left + 0.004 < budget.left() <= 0.01 * SAVED_S
