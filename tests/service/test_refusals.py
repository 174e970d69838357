"""Refusals for a full queue are spaced, so that they take little of the time however many come."""

from __future__ import annotations

from time import sleep

import pytest

from service.refusals import BYTES_PER_S, MOST_S, REFUSAL_S, SHARE, Refusals


def test_the_first_is_told_at_once() -> None:
    assert Refusals().hold_s(1 << 20) == 0


def test_those_behind_it_are_spaced_by_what_they_cost() -> None:
    refusals = Refusals()
    size = 200_000
    held = [refusals.hold_s(size) for _ in range(20)]
    spacing = (REFUSAL_S + size / BYTES_PER_S) / SHARE
    assert held == pytest.approx([number * spacing for number in range(20)], abs=spacing)
    assert held == sorted(held)


def test_none_is_held_for_longer_than_it_asks_its_caller_to_wait() -> None:
    refusals = Refusals()
    assert max(refusals.hold_s(10_000_000) for _ in range(50)) == MOST_S


def test_after_a_pause_the_next_is_told_at_once() -> None:
    refusals = Refusals()
    refusals.hold_s(0)
    sleep(2 * REFUSAL_S / SHARE)
    assert refusals.hold_s(0) == 0
