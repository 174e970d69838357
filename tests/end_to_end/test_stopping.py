"""SIGTERM, SIGINT and what becomes of the requests that were accepted before."""

from __future__ import annotations

import http.client
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

BODY = json.dumps({"tensor": [[-1, 2]], "parameters": {"negative_slope": 0.2}}).encode()
JSON = {"Content-Type": "application/json"}
SOME = 20
ENDLESS = 10**9


@dataclass
class Load:
    """Clients that ask without a pause until they cannot connect any more, or are told to stop."""

    server: Any
    answers: int = 0
    failures: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def ask_on_kept_connections(self) -> None:
        client = self.server.client()
        while not self.stop.is_set() and self._ask(client, {}):
            pass
        client.close()

    def ask_on_new_connections(self) -> None:
        while not self.stop.is_set():
            client = self.server.client()
            answered = self._ask(client, {"Connection": "close"})
            client.close()
            if not answered:
                return

    def _ask(self, client: http.client.HTTPConnection, headers: dict[str, str]) -> bool:
        """False when the server listens no more. Anything else than an answer is a failure."""
        try:
            if client.sock is None:
                client.connect()
        except ConnectionRefusedError:
            return False
        try:
            client.request("POST", "/activate/leaky_relu", BODY, JSON | headers)
            response = client.getresponse()
            content = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.failures.append(repr(error))
            return False
        self.answers += 1
        if response.status != 200 or content["shape"] != [1, 2]:
            self.failures.append(f"{response.status} {content}")
        return True

    def has_grown(self) -> Callable[[], bool]:
        """True once some more answers have come than there are now."""
        before = self.answers
        return lambda: self.answers >= before + SOME or bool(self.failures)


@contextmanager
def steady_load(server: Any) -> Iterator[Load]:
    load = Load(server)
    with ThreadPoolExecutor(8) as threads:
        asking = [load.ask_on_kept_connections] * 4 + [load.ask_on_new_connections] * 4
        running = [threads.submit(ask) for ask in asking]
        try:
            yield load
        finally:
            load.stop.set()
    for done in running:
        done.result()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sigterm_under_load_loses_no_request(serve: Any, wait_until: Any, workers: str) -> None:
    server = serve("--workers", workers, "--drain-timeout-s", "4")
    with steady_load(server) as load:
        wait_until(load.has_grown(), "no answers came")
        told = time.monotonic()
        server.signal(signal.SIGTERM)
        wait_until(lambda: server.get("/health/ready").status == 503, "readiness did not fall")
        refused = server.get("/v2/health/ready")
        wait_until(load.has_grown(), "nothing was answered while draining")
        assert server.wait() == 0
        took = time.monotonic() - told
    assert load.failures == []
    assert refused.status == 503
    assert refused.headers["retry-after"].isdecimal()
    assert refused.headers["connection"] == "close"
    assert "stopping" in refused.json()["error"]
    assert took < 4 + 3  # the drain time, and what a busy machine needs to end a process
    assert "Traceback" not in server.log


def test_sigint_ends_with_status_0_and_frees_the_port(serve: Any) -> None:
    first = serve()
    first.signal(signal.SIGINT)
    assert first.wait() == 0
    assert "Traceback" not in first.log
    second = serve("--port", str(first.port))
    assert second.get("/health/ready").status == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_slow_request_in_flight_is_answered(serve: Any, wait_until: Any, slow_models: Path, number: int) -> None:
    server = serve("--models", str(slow_models))
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(server.post, "/predict/slow", {"inputs": 2000})
        wait_until(lambda: in_flight(server) == 1, "the request did not arrive")
        server.signal(number)
        answer = asked.result()
    assert answer.status == 200, answer.body
    assert answer.json()["outputs"] > 0
    assert server.wait() == 0


def test_second_sigterm_closes_at_once(serve: Any, wait_until: Any) -> None:
    server = serve("--drain-timeout-s", "600")
    with steady_load(server) as load:  # without a pause, so that one signal would drain for 300 s
        wait_until(load.has_grown(), "no answers came")
        server.signal(signal.SIGTERM)
        wait_until(lambda: server.get("/health/ready").status == 503, "readiness did not fall")
        wait_until(load.has_grown(), "nothing was answered while draining")
        assert server.metrics()["actserve_ready"] == 0
        assert server.get("/health/live").status == 200
        assert server.process.poll() is None
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
    assert load.failures == []


def test_endless_request_is_cut_off_with_503_when_the_drain_time_is_over(
    serve: Any, wait_until: Any, slow_models: Path
) -> None:
    server = serve("--models", str(slow_models), "--drain-timeout-s", "2")
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(server.post, "/predict/slow", {"inputs": ENDLESS})
        wait_until(lambda: in_flight(server) == 1, "the request did not arrive")
        server.signal(signal.SIGTERM)
        answer = asked.result()
    assert answer.status == 503
    assert answer.json()["error"]
    assert server.wait() == 0
    assert "Traceback" not in server.log


def in_flight(server: Any) -> float:
    """Requests being answered, the one for `/metrics` left out."""
    return server.metrics()["actserve_requests_in_flight"] - 1
