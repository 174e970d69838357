"""Bodies that are too long, requests that take too long, and tokens."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

LIMIT = 100_000
ENDLESS = 10**9
JSON = "application/json"
Receive = Callable[[socket.socket], bytes]


@pytest.fixture(scope="module")
def small_server(tmp_path_factory: pytest.TempPathFactory, server: Any) -> Iterator[Any]:
    """A server that takes bodies of 100,000 bytes."""
    folder = tmp_path_factory.mktemp("small")
    small = type(server)(("--max-body-bytes", str(LIMIT)), folder / "server.log", {}, measured=True)
    try:
        small.wait_until_live()
        yield small
    finally:
        status = small.stop()
    assert status == 0
    assert "Traceback" not in small.log


def head(path: str, *headers: str) -> bytes:
    lines = (f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Type: {JSON}", *headers)
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def is_alive(server: Any) -> bool:
    return bool(server.post("/activate/relu", {"tensor": [1]}).status == 200)


def test_too_long_body_is_refused_before_it_is_sent(small_server: Any, receive_all: Receive) -> None:
    with contextlib.ExitStack() as opened:
        connections = [opened.enter_context(small_server.connect()) for _ in range(3)]
        for connection, path in zip(connections, ("/predict", "/activate/relu", "/nowhere"), strict=True):
            connection.sendall(head(path, f"Content-Length: {LIMIT + 1}"))
        answers = [receive_all(connection) for connection in connections]  # no byte of a body was sent, yet it closes
    for answer in answers:
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"connection: close" in answer.lower()
        assert b"max-body-bytes" in answer
    assert is_alive(small_server)


def test_client_that_expects_100_continue_gets_413_instead(small_server: Any, receive_all: Receive) -> None:
    with small_server.connect() as connection:
        connection.sendall(head("/predict", f"Content-Length: {LIMIT * 10}", "Expect: 100-continue"))
        answer = receive_all(connection)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"100 Continue" not in answer


def test_client_that_expects_100_continue_is_told_to_go_on(small_server: Any, receive_all: Receive) -> None:
    body = b'{"tensor": [-1, 2]}'
    headers = (f"Content-Length: {len(body)}", "Expect: 100-continue", "Connection: close")
    with small_server.connect() as connection:
        connection.sendall(head("/activate/relu", *headers))
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 Continue")
        connection.sendall(body)
        assert b'"tensor":[0.0,2.0]' in receive_all(connection)


def test_chunked_body_that_never_ends_is_refused_at_the_limit(small_server: Any, receive_all: Receive) -> None:
    with small_server.connect() as connection:
        connection.sendall(head("/predict", "Transfer-Encoding: chunked"))
        for _ in range(LIMIT // 5000 + 1):
            connection.sendall(b"1388\r\n" + b" " * 5000 + b"\r\n")
        answer = receive_all(connection)  # the last chunk was never sent
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert is_alive(small_server)


def test_client_that_writes_all_before_it_reads_finds_the_answer(small_server: Any) -> None:
    answer = small_server.post("/predict", b" " * (LIMIT * 50))
    assert answer.status == 413


def test_body_of_exactly_the_limit_is_taken(small_server: Any) -> None:
    body = b'{"tensor": [1]}'.ljust(LIMIT)
    assert small_server.post("/activate/relu", body).status == 200
    assert small_server.post("/activate/relu", body + b" ").status == 413


def test_refused_bodies_do_not_stay_in_memory(small_server: Any) -> None:
    small_server.post("/predict", b" " * (8 << 20))
    before = small_server.status("VmRSS")
    for _ in range(20):
        assert small_server.post("/predict", b" " * (8 << 20)).status == 413
    assert small_server.status("VmRSS") - before < 30_000


def test_request_with_a_timeout_of_its_own_gets_504_after_it_and_counts_as_failed(
    serve: Any, slow_models: Path
) -> None:
    server = serve("--models", str(slow_models))
    count = {"name": "count", "shape": [], "datatype": "INT64", "data": ENDLESS}
    answer = server.post("/v2/models/slow/infer", {"inputs": [count], "parameters": {"timeout": 300_000}})
    assert (answer.status, answer.json()["error"]) == (504, "No answer within 0.3 s.")
    quick = {"inputs": [count | {"data": 1}], "parameters": {"timeout": 86_400_000_000}}  # longer than the server's own
    assert server.post("/v2/models/slow/infer", quick).status == 200
    (found,) = server.get("/v2/models/slow/stats").json()["model_stats"]
    assert found["inference_stats"]["fail"]["count"] == 1
    assert found["inference_stats"]["fail"]["ns"] >= 300_000_000
    assert found["inference_stats"]["success"]["count"] == 1


def test_request_that_takes_too_long_gets_504_while_others_are_answered(
    serve: Any, wait_until: Any, slow_models: Path
) -> None:
    server = serve("--models", str(slow_models), "--request-timeout-s", "1.5")
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(server.post, "/predict/slow", {"inputs": ENDLESS})
        wait_until(lambda: server.metrics()["actserve_requests_in_flight"] == 2, "the request did not arrive")
        assert is_alive(server)
        assert not asked.done()
        answer = asked.result()
    assert answer.status == 504
    assert "1.5 s" in answer.json()["error"]
    assert is_alive(server)
    assert server.post("/predict/slow", {"inputs": 1}).status == 200
    assert server.metrics()['actserve_errors_total{reason="deadline_passed"}'] == 1
    assert server.stop() == 0  # though the run itself would go on for hours


def test_heads_and_bodies_that_come_too_slowly_are_given_up(serve: Any, receive_all: Receive) -> None:
    server = serve("--request-timeout-s", "1")
    body, *heads = (
        head("/predict", "Content-Length: 1000") + b'{"inst',
        b"",
        b"POST /predict HT",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-A: ",
    )
    with contextlib.ExitStack() as opened:
        slow = [opened.enter_context(server.connect()) for _ in (body, *heads)]
        for connection, sent in zip(slow, (body, *heads), strict=True):
            connection.sendall(sent)
        answer, *closed = [receive_all(connection) for connection in slow]
    assert answer.startswith(b"HTTP/1.1 504 ")
    assert closed == [b""] * len(heads)
    assert is_alive(server)


def test_slow_client_is_answered_in_its_own_time(server: Any, receive_all: Receive) -> None:
    body = b'{"tensor": [-1, 2]}'
    request = head("/activate/relu", f"Content-Length: {len(body)}", "Connection: close") + body
    with server.connect() as connection:
        for byte in request:
            connection.sendall(bytes([byte]))
            time.sleep(0.001)
        assert receive_all(connection).startswith(b"HTTP/1.1 200 ")


def test_client_that_reads_slowly_gets_the_whole_answer(server: Any) -> None:
    with server.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        connection.sendall(b"GET /assets/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        parts = []
        while part := connection.recv(1 << 15):
            parts.append(part)
            if len(parts) < 20:
                time.sleep(0.01)
    top, _, content = b"".join(parts).partition(b"\r\n\r\n")
    declared = re.search(rb"content-length: (\d+)", top)
    assert declared is not None
    assert len(content) == int(declared[1]) > 1_000_000


def test_clients_that_leave_do_no_harm(server: Any, wait_until: Any) -> None:
    large = b'{"tensor": [' + b"1," * 200_000 + b"1]}"
    whole = head("/activate/relu", f"Content-Length: {len(large)}") + large
    for cut in (10, 60, 200, 5000, len(whole) - 1, len(whole)):
        for reset in (False, True):
            with server.connect() as connection:
                if reset:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
                with contextlib.suppress(ConnectionError):
                    connection.sendall(whole[:cut])
    assert is_alive(server)
    wait_until(lambda: server.metrics()["actserve_requests_in_flight"] == 1, "a request is still in flight")


def test_token_is_asked_of_everything_but_probes_and_pages(serve: Any, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("sesame\n")
    body = {"tensor": [1]}
    server = serve("--api-token-file", str(file))
    missing = server.post("/activate/relu", body)
    assert missing.status == 401
    assert missing.headers["www-authenticate"] == "Bearer"
    assert server.post("/activate/relu", body, Authorization="Basic sesame").status == 401
    assert server.post("/activate/relu", body, Authorization="Bearer wrong").status == 403
    assert server.post("/activate/relu", body, Authorization="Bearer \xe9").status == 403
    assert server.post("/activate/relu", body, Authorization="Bearer sesame").status == 200
    assert server.get("/models").status == 401
    for path in ("/", "/docs", "/health/live", "/health/ready", "/v2/health/ready", "/metrics"):
        assert server.get(path).status == 200
    assert "sesame" not in server.log


def test_token_in_a_variable_counts(serve: Any) -> None:
    server = serve(ACTSERVE_API_TOKEN="sesame")
    assert server.get("/models").status == 401
    assert server.get("/models", {"Authorization": "bearer sesame"}).status == 200


def test_others_are_answered_while_very_many_classes_are_named(server: Any) -> None:
    count = 1_000_000
    item = {"name": "x", "datatype": "FP32", "shape": [count], "parameters": {"binary_data_size": 4 * count}}
    wanted = [{"name": "y", "parameters": {"classification": count}}]
    text = json.dumps({"inputs": [item], "outputs": wanted}).encode()
    length = {"Inference-Header-Content-Length": str(len(text))}
    with ThreadPoolExecutor() as pool:
        began = time.monotonic()
        asked = pool.submit(server.ask, "POST", "/v2/models/relu/infer", text + bytes(4 * count), length)
        answered = [began]
        while not asked.done():
            assert is_alive(server)
            answered.append(time.monotonic())
    assert asked.result().status == 200
    longest = max(after - before for before, after in pairwise(answered))
    assert longest < (answered[-1] - began) / 2
