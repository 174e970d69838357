"""HTTP itself: what is not HTTP is refused, what is rare is answered, and connections are kept or closed as asked."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

Receive = Callable[[socket.socket], bytes]
BODY = b'{"tensor": [-1, 2]}'
GET = b"GET /health/live HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /activate/relu HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def answers(data: bytes) -> list[tuple[int, dict[str, str], bytes]]:
    """The answers that stand one behind the other in what came over a connection."""
    found = []
    while data:
        top, _, rest = data.partition(b"\r\n\r\n")
        status, *lines = top.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0))
        found.append((int(status.split()[1]), headers, rest[:length]))
        data = rest[length:]
    return found


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a TLS client
        b"hello\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / FTP/1.1\r\n\r\n",
        b"BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n",
        b"get / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /caf\xe9 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http:// HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nX-A: b\x00c\r\n\r\n",
        b"GET / HTTP/1.1\r\nX-A: b\r c\r\n\r\n",
        b"GET / HTTP/1.1\r\n: empty\r\n\r\n",
        b"GET / HTTP/1.1\r\n folded: first\r\n\r\n",
        POST + b"Content-Length: -1\r\n\r\n",
        POST + b"Content-Length: 1e3\r\n\r\n",
        POST + b"Content-Length: 99999999999999999999999999\r\n\r\n",
        POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: gzip\r\n\r\nabc",
        POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nabcde\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n",
    ],
)
def test_what_is_not_http_is_refused_or_closed(server: Any, sent: bytes) -> None:
    for status, headers, body in answers(server.exchange(sent)):
        assert 400 <= status < 500
        assert headers["connection"] == "close"
        assert json.loads(body).keys() == {"error", "details"}
        assert headers["x-request-id"]
        assert headers["server-timing"]
    assert server.get("/health/live").status == 200


@pytest.mark.parametrize(
    "bomb",
    [
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n",
        GET + b"X-Long: " + b"a" * 200_000,
        GET + b"X-Many: 1\r\n" * 50_000 + b"\r\n",
        GET + b"X-Folded: 1\r\n" + b" more\r\n" * 50_000,
    ],
    ids=["path", "one header", "many headers", "folded header"],
)
def test_head_without_end_is_refused_while_it_arrives(server: Any, bomb: bytes) -> None:
    before = server.status("VmRSS")
    for _ in range(10):
        received = server.exchange(bomb)
        assert not received or received.startswith(b"HTTP/1.1 4")
    assert server.status("VmRSS") - before < 30_000
    assert server.get("/health/live").status == 200


def test_connection_is_kept_for_many_requests(server: Any) -> None:
    with closing(server.client()) as client:
        client.connect()
        port = client.sock.getsockname()[1]
        for path in ("/health/live", "/nowhere", "/models", "/metrics") * 5:
            client.request("GET", path)
            response = client.getresponse()
            response.read()
            assert client.sock is not None
            assert client.sock.getsockname()[1] == port


def test_pipelined_requests_are_answered_in_order(server: Any) -> None:
    posts = [b'{"tensor": [%d]}' % number for number in range(20)]
    sent = b"".join(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body for body in posts)
    found = answers(server.exchange(sent + GET + b"Connection: close\r\n\r\n"))
    assert [status for status, _, _ in found] == [200] * 21
    assert [json.loads(body)["tensor"] for _, _, body in found[:-1]] == [[number] for number in range(20)]


def test_garbage_behind_a_good_request_does_not_cost_its_answer(server: Any) -> None:
    good = POST + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
    first, *_ = answers(server.exchange(good + b"\x00garbage\r\n\r\n"))
    assert first[0] == 200
    assert json.loads(first[2])["tensor"] == [0, 2]


def test_http_1_0_is_answered_and_closed(server: Any) -> None:
    ((status, _, body),) = answers(server.exchange(b"GET /health/live HTTP/1.0\r\n\r\n"))
    assert (status, json.loads(body)) == (200, {"live": True})


@pytest.mark.parametrize("path", [b"/health/live", b"/models", b"/docs", b"/nowhere"])
def test_head_is_get_without_the_body(server: Any, path: bytes) -> None:
    received = server.exchange(b"HEAD " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    top, _, body = received.partition(b"\r\n\r\n")
    got = server.get(path.decode())
    assert int(top.split()[1]) == got.status
    assert b"content-length: %d" % len(got.body) in top
    assert body == b""


def test_upgrade_that_is_not_spoken_is_answered_as_if_not_asked(server: Any, receive_all: Receive) -> None:
    for wanted in (b"websocket", b"h2c"):
        upgrade = b"Connection: Upgrade\r\nUpgrade: " + wanted + b"\r\n"
        with server.connect() as connection:
            connection.sendall(GET + upgrade + b"\r\n")
            assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
        with server.connect() as connection:
            connection.sendall(POST + upgrade + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY[:5])
            connection.sendall(BODY[5:])
            ((status, _, body),) = answers(receive_all(connection))
            assert (status, json.loads(body)["tensor"]) == (200, [0, 2])


def test_chunked_body_is_read(server: Any) -> None:
    chunks = b"".join(b"%x\r\n%s\r\n" % (1, BODY[i : i + 1]) for i in range(len(BODY)))
    sent = POST + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + chunks + b"0\r\nX-Trailer: 1\r\n\r\n"
    ((status, _, body),) = answers(server.exchange(sent))
    assert (status, json.loads(body)["tensor"]) == (200, [0, 2])


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../server.py",
        "/assets/..%2f..%2fetc%2fpasswd",
        "/models/..%2f..",
        "/models/%00",
        "/models/%ff%fe",
        "/models/a%0d%0aX-Forged:%201",
        "/activate/%0a",
        "//",
        "/predict/",
        "/%",
        "/activate/relu/gradient/more",
    ],
)
def test_odd_paths_are_not_found(server: Any, path: str) -> None:
    for method in ("GET", "POST"):
        answer = server.ask(method, path, b"{}", {"Content-Type": "application/json"})
        assert answer.status in (404, 405)
        assert answer.json()["error"]
        assert "x-forged" not in answer.headers


def test_body_of_a_request_that_is_refused_does_not_become_the_next_request(server: Any) -> None:
    hidden = GET + b"X-Request-Id: hidden\r\n\r\n"
    for path in (b"/nowhere", b"/models", b"/predict"):
        first = b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(hidden) + hidden
        found = answers(server.exchange(first + GET + b"Connection: close\r\n\r\n"))
        assert 400 <= found[0][0] < 500
        assert all(headers["x-request-id"] != "hidden" for _, headers, _ in found)


def test_many_connections_at_once_are_all_answered(server: Any) -> None:
    clients = [server.client() for _ in range(200)]
    for client in clients:
        client.request("POST", "/activate/relu", BODY, {"Content-Type": "application/json"})
    for client in clients:
        response: http.client.HTTPResponse = client.getresponse()
        assert json.loads(response.read())["tensor"] == [0, 2]
        client.close()
