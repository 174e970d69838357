"""The random times of an open loop, and the clock that keeps them."""

from __future__ import annotations

import asyncio
from time import perf_counter

import numpy as np
import pytest
import uvloop

from service.bench.arrivals import HAS_TIMERS, Alarm, poisson


@pytest.mark.parametrize(("rate", "seconds"), [(1000.0, 20.0), (0.5, 4000.0), (20_000.0, 1.0)])
def test_times_are_those_of_a_poisson_process(rate: float, seconds: float) -> None:
    times = np.array(poisson(rate, seconds, 3))
    gaps = np.diff(times, prepend=0)
    assert 0 < times[0] <= times[-1] < seconds
    assert (gaps >= 0).all()
    assert len(times) == pytest.approx(rate * seconds, abs=5 * (rate * seconds) ** 0.5)
    # Gaps of an exponential distribution: mean and deviation are equal, and 1/e of them are longer.
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.1)
    assert (gaps > gaps.mean()).mean() == pytest.approx(np.exp(-1), abs=0.03)


def test_times_are_the_same_for_the_same_seed() -> None:
    assert poisson(100, 3, 1) == poisson(100, 3, 1)
    assert poisson(100, 3, 1) != poisson(100, 3, 2)


def test_rate_so_small_that_nothing_is_due_gives_no_times() -> None:
    assert len(poisson(1e-6, 0.001, 0)) == 0


def rings(is_fine: bool, waits: list[float]) -> list[float]:
    """How late an alarm rang after each of the waits, in seconds."""

    async def main() -> list[float]:
        late: list[float] = []
        over = asyncio.get_running_loop().create_future()
        left = list(waits)
        due = 0.0

        def ring() -> None:
            late.append(perf_counter() - due)
            over.set_result(None) if not left else set_next()

        def set_next() -> None:
            nonlocal due
            due = perf_counter() + left.pop(0)
            alarm.set(due)

        alarm = Alarm(ring, is_fine)
        alarm.set(perf_counter() + 3600)  # forgotten
        set_next()
        await asyncio.wait_for(over, 20)
        alarm.close()
        return late

    return uvloop.run(main())


def test_alarm_rings_in_time_and_never_before() -> None:
    late = rings(HAS_TIMERS, [0.0, -1.0, *[0.0007] * 200, 1.05])
    assert min(late) >= 0
    assert sorted(late)[len(late) // 4] < 0.0003  # a timer of the event loop is a millisecond off


def test_alarm_rings_where_the_system_has_no_fine_timers() -> None:
    late = rings(False, [0.0, 0.003, 0.02])
    assert min(late) >= -0.0015  # what the event loop rounds away
    assert len(late) == 3
