"""Both loads against a server that answers as it is told: well, late, in part, or not at all."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvloop

from service.bench.connection import CLOSED, INCOMPLETE, MALFORMED, TIMEOUT, UNBOUNDED, Request
from service.bench.load import Load, Plan
from service.bench.loops import Closed, Open
from service.bench.outcome import CONNECT, STAGES, Outcome
from service.bench.target import parse
from service.exchange import STAGES as OF_THE_SERVICE
from service.exchange import Timings

Behaviour = Callable[[asyncio.Transport, int], Any]

TIMING = b"Server-Timing: decode;dur=1.000, queue;dur=2.000, compute;dur=3.000, encode;dur=0.500\r\n"
TICK_S, STOOD_STILL_S, TRIES = 0.01, 0.08, 5
QUICK: dict[str, Any] = {"duration_s": 0.3, "warm_up_s": 0.0, "timeout_s": 10.0, "seed": 1}


def answer(status: int = 200, body: bytes = b"{}", fields: bytes = TIMING, length: int | None = None) -> bytes:
    length = len(body) if length is None else length
    return b"HTTP/1.1 %d Said\r\nContent-Length: %d\r\n%b\r\n%b" % (status, length, fields, body)


GOOD = answer()
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + TIMING + b"\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"
LAST = answer(fields=b"Connection: close\r\n")


class Peer(asyncio.Protocol):
    """One connection of the server. Requests are small, so each comes in one piece."""

    def __init__(self, behaviour: Behaviour, count: Iterator[int]) -> None:
        self._behaviour = behaviour
        self._count = count

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        assert data.startswith(b"POST /predict HTTP/1.1\r\n")
        assert data.endswith(b"\r\n\r\n{}")
        self._behaviour(self._transport, next(self._count))  # type: ignore[arg-type]


def run(
    behaviour: Behaviour, kind: type[Load] = Closed, aside: Callable[[], Any] | None = None, **plan: Any
) -> Outcome:
    """The outcome of a load on a server that does `behaviour(transport, number)` for each request. Where the machine
    stood still meanwhile, which says nothing of the load, another is made."""
    for _ in range(TRIES):
        outcome, gap_s = uvloop.run(_loaded(behaviour, kind, aside, plan))
        if gap_s < STOOD_STILL_S:
            break
    return outcome


async def _loaded(
    behaviour: Behaviour, kind: type[Load], aside: Callable[[], Any] | None, plan: dict[str, Any]
) -> tuple[Outcome, float]:
    """The outcome, and the longest time in which the event loop did not come round."""
    loop = asyncio.get_running_loop()
    count = iter(range(10**9))
    server = await loop.create_server(lambda: Peer(behaviour, count), "127.0.0.1", 0)
    target = parse(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/predict")
    requests = [Request(target.data({}, b"{}"), 5)]
    settings = QUICK | {"connections": 2, "rate": 200.0 if kind is Open else None} | plan
    if aside is not None:
        loop.call_later(0.15, aside)
    gaps = [0.0]
    watching = asyncio.create_task(_watch(gaps))
    outcome = await asyncio.wait_for(kind(target.connect, requests, Plan(**settings)).run(lambda seconds: None), 20)
    watching.cancel()
    server.close()
    return outcome, max(gaps)


async def _watch(gaps: list[float]) -> None:
    while True:
        before = time.monotonic()
        await asyncio.sleep(TICK_S)
        gaps.append(time.monotonic() - before - TICK_S)


def later(seconds: float, data: bytes) -> Behaviour:
    """Answers so many seconds later."""
    return lambda transport, number: asyncio.get_running_loop().call_later(seconds, transport.write, data)


def closing(data: bytes) -> Behaviour:
    """Answers and closes."""

    def behave(transport: asyncio.Transport, number: int) -> None:
        transport.write(data)
        transport.close()

    return behave


def in_turn(*behaviours: Behaviour) -> Behaviour:
    return lambda transport, number: behaviours[number % len(behaviours)](transport, number)


def writing(data: bytes) -> Behaviour:
    return lambda transport, number: transport.write(data)


def silent(transport: asyncio.Transport, number: int) -> None:
    """Says nothing."""


def test_stages_are_those_of_the_service() -> None:
    assert STAGES == OF_THE_SERVICE
    timings = Timings()
    timings.decode = 0.00125
    outcome = run(writing(answer(fields=f"Server-Timing: {timings.header()}\r\n".encode())))
    assert outcome.stages["decode"].mean == pytest.approx(0.00125)


@pytest.mark.parametrize("data", [GOOD, CHUNKED, answer(204, b"", length=0), b"HTTP/1.1 100 Continue\r\n\r\n" + GOOD])
def test_whole_answers_are_counted_and_timed(data: bytes) -> None:
    outcome = run(writing(data))
    assert outcome.good == sum(outcome.statuses.values()) > 20
    assert not outcome.errors
    assert outcome.failed == 0
    assert (outcome.opened, outcome.closed_by_server) == (2, 0)
    assert outcome.rows == 5 * outcome.came_good
    assert outcome.received == len(data) * outcome.came_good
    assert outcome.latency.count == outcome.good
    assert 0 < outcome.latency.percentile(0.5) < 0.1
    assert outcome.window_s == pytest.approx(0.3)


def test_answer_in_small_pieces_is_one_answer() -> None:
    def behave(transport: asyncio.Transport, number: int) -> None:
        loop = asyncio.get_running_loop()
        for index in range(0, len(GOOD), 7):
            loop.call_later(index * 1e-4, transport.write, GOOD[index : index + 7])

    outcome = run(behave)
    assert outcome.good == sum(outcome.statuses.values()) > 2
    assert outcome.received == len(GOOD) * outcome.came_good


def test_time_of_an_answer_is_split_as_the_server_tells_it() -> None:
    outcome = run(later(0.020, GOOD), duration_s=0.5)
    told = {stage: latencies.mean for stage, latencies in outcome.stages.items()}
    assert told == pytest.approx({"decode": 0.001, "queue": 0.002, "compute": 0.003, "encode": 0.0005})
    assert outcome.elsewhere.mean == pytest.approx(outcome.latency.mean - 0.0065, abs=5e-4)
    assert outcome.elsewhere.count == outcome.good


@pytest.mark.parametrize("timing", [b"", b"Server-Timing: cache\r\n", b"Server-Timing: decode;dur=x, queue\r\n"])
def test_answer_without_our_timing_is_counted_and_not_split(timing: bytes) -> None:
    outcome = run(writing(answer(fields=timing)))
    assert outcome.good > 20
    assert outcome.elsewhere.count == 0


def test_other_statuses_are_counted_and_not_timed() -> None:
    outcome = run(in_turn(writing(GOOD), writing(answer(429, b'{"error": "full"}')), writing(answer(500))))
    assert set(outcome.statuses) == {200, 429, 500}
    assert outcome.good == outcome.statuses[200] == outcome.latency.count
    assert outcome.failed == outcome.statuses[429] + outcome.statuses[500] > 10


def test_redirects_are_not_followed() -> None:
    outcome = run(writing(answer(307, fields=b"Location: /elsewhere\r\n")))
    assert outcome.failed == outcome.statuses[307] > 10


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", CLOSED),
        (b"HTTP/1.1 200 OK\r\nContent-Le", INCOMPLETE),
        (answer(length=100), INCOMPLETE),
        (CHUNKED[:-5], INCOMPLETE),
        (b"HTTP/1.1 200 OK\r\n\r\n{}", UNBOUNDED),
        (b"HTTP/1.0 200 OK\r\n\r\n{}", UNBOUNDED),
        (b"SSH-2.0-OpenSSH_9.2\r\n", MALFORMED),
        (answer(length=1), MALFORMED),
        (GOOD + GOOD, MALFORMED),
        (GOOD + b"HTTP/1.1 200", MALFORMED),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", MALFORMED),
        (GOOD.replace(b"Content-Length: 2", b"Content-Length: two"), MALFORMED),
    ],
)
def test_broken_answers_are_counted_by_kind_and_never_as_good(data: bytes, kind: str) -> None:
    outcome = run(closing(data))
    assert outcome.good == outcome.came_good == 0
    assert outcome.errors.keys() == {kind}
    assert outcome.failed == outcome.errors[kind] > 2
    assert outcome.opened >= outcome.errors[kind]


def test_bytes_behind_an_answer_spoil_it_though_they_come_later() -> None:
    def behave(transport: asyncio.Transport, number: int) -> None:
        transport.write(GOOD)
        asyncio.get_running_loop().call_later(0.01, transport.write, b"more")

    outcome = run(behave, kind=Open, rate=20.0)
    assert outcome.errors[MALFORMED] > 0


def test_request_without_an_answer_in_time_is_a_timeout() -> None:
    outcome = run(in_turn(silent, writing(GOOD)), timeout_s=0.2, duration_s=0.6)
    assert outcome.errors.keys() == {TIMEOUT}
    assert 2 <= outcome.errors[TIMEOUT] <= 8
    assert outcome.good > 0
    assert outcome.unfinished == 0


def test_connections_that_the_server_closes_are_opened_again_and_counted() -> None:
    outcome = run(in_turn(writing(GOOD), closing(LAST)))
    assert outcome.failed == 0
    assert outcome.good > 20
    assert outcome.closed_by_server == pytest.approx(outcome.good / 2, abs=5)
    assert outcome.opened == pytest.approx(outcome.closed_by_server, abs=5)


def test_server_that_cannot_be_reached_is_counted_and_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    target = parse(f"http://127.0.0.1:{port}/predict")
    for kind, rate in ((Closed, None), (Open, 50.0)):
        plan = Plan(connections=2, rate=rate, **QUICK | {"duration_s": 0.5})
        outcome = uvloop.run(kind(target.connect, [Request(b"x", 1)], plan).run(lambda seconds: None))
        assert 2 <= outcome.errors[CONNECT] <= 40
        assert outcome.reason == "Connection refused"
        assert (outcome.good, outcome.failed, outcome.opened) == (0, 0, 0)


def test_server_that_stops_and_comes_back_is_asked_again() -> None:
    """It breaks off the tenth request; those after it are answered."""
    outcome = run(lambda transport, number: transport.abort() if number == 10 else transport.write(GOOD))
    assert sum(outcome.errors.values()) == outcome.errors[CLOSED] == 1
    assert outcome.opened == 3
    assert outcome.good > 20


def test_warm_up_is_not_counted() -> None:
    numbers: list[int] = []

    def behave(transport: asyncio.Transport, number: int) -> None:
        numbers.append(number)
        later(0.01, GOOD)(transport, number)

    outcome = run(behave, warm_up_s=0.5, duration_s=0.25)
    assert 0 < outcome.good < len(numbers) / 2
    assert outcome.window_s == pytest.approx(0.25)


@pytest.mark.parametrize("kind", [Closed, Open])
def test_every_request_is_accounted_for(kind: type[Load]) -> None:
    behaviours = [writing(GOOD), closing(LAST), closing(b""), writing(answer(503)), closing(answer(length=9))]
    outcome = run(in_turn(*behaviours), kind=kind, rate=400.0 if kind is Open else None)
    answered, broken = sum(outcome.statuses.values()), sum(outcome.errors.values())
    assert outcome.good == outcome.statuses[200]
    assert outcome.failed == outcome.statuses[503] + broken > 5
    assert outcome.errors.keys() == {CLOSED, INCOMPLETE}
    if kind is Open:
        assert outcome.arrivals == answered + broken + outcome.missed


def test_time_counts_from_when_a_request_was_due() -> None:
    """One connection and answers that take 50 ms: of 100 requests a second, 20 can be answered."""
    outcome = run(later(0.05, GOOD), kind=Open, connections=1, rate=100.0, duration_s=1.0)
    assert outcome.opened == 1
    assert outcome.missed > 30
    assert outcome.arrivals == outcome.good + outcome.missed
    assert outcome.late >= outcome.good - 5
    assert outcome.waiting.most > 0.5
    assert outcome.latency.most == pytest.approx(outcome.waiting.most + 0.05, abs=0.2)
    assert outcome.elsewhere.most < 0.2
    assert outcome.came_good <= 21


def test_connections_grow_up_to_the_bound_where_answers_take_long() -> None:
    outcome = run(later(0.2, GOOD), kind=Open, connections=40, rate=150.0, duration_s=1.0)
    assert 20 <= outcome.opened <= 40
    assert outcome.missed == 0
    assert outcome.latency.percentile(0.5) < 0.3


def test_open_loop_asks_as_often_as_it_says() -> None:
    outcome = run(writing(GOOD), kind=Open, rate=500.0, duration_s=1.0)
    assert outcome.good == outcome.arrivals == pytest.approx(500, abs=120)
    assert outcome.missed == outcome.unfinished == 0


def test_idle_connection_that_is_closed_is_replaced_without_an_error() -> None:
    def behave(transport: asyncio.Transport, number: int) -> None:
        transport.write(GOOD)
        asyncio.get_running_loop().call_later(0.005, transport.close)

    outcome = run(behave, kind=Open, rate=20.0, duration_s=1.0, connections=1)
    assert outcome.good > 5
    assert outcome.closed_by_server > 5
    assert sum(outcome.errors.values()) <= 3  # sent while it was being closed


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("kind", [Closed, Open])
def test_interrupt_ends_it_early_and_counts_what_was(kind: type[Load]) -> None:
    outcome = run(later(0.02, GOOD), kind=kind, aside=interrupt, duration_s=60.0)
    assert 0.05 < outcome.window_s < 1
    assert outcome.good > 3
    assert outcome.failed == outcome.unfinished == outcome.missed == 0


def test_second_interrupt_waits_for_nothing() -> None:
    async def twice() -> None:
        interrupt()
        await asyncio.sleep(0.1)
        interrupt()

    tasks: list[asyncio.Task[None]] = []
    outcome = run(silent, aside=lambda: tasks.append(asyncio.ensure_future(twice())), duration_s=60.0)
    assert outcome.unfinished == 2
    assert outcome.failed == 0
    assert outcome.window_s < 1


def test_interrupt_in_the_warm_up_counts_nothing() -> None:
    outcome = run(writing(GOOD), aside=interrupt, duration_s=60.0, warm_up_s=30.0)
    assert outcome.window_s == outcome.good == outcome.came_good == 0


def test_interrupts_are_python_s_own_again_afterwards() -> None:
    run(writing(GOOD))

    def wait() -> None:
        interrupt()
        time.sleep(1)

    with pytest.raises(KeyboardInterrupt):
        wait()
