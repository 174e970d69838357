"""The short way of hot requests and the long one, through the application, answer alike, byte for byte."""

from __future__ import annotations

import asyncio
import gc
import re
import resource
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import uvicorn

from service import protocol
from service.app import Parts, assemble
from service.exchange import Request, Response
from service.heads import Heads
from service.settings import Settings

TOKEN = "Authorization: Bearer right\r\n"
RELU = b'{"tensor": [-1, 2]}'
CHANGING = re.compile(rb"(date|x-request-id|server-timing): [^\r]*")
SILENT_S = 0.3  # a connection that says nothing for so long waits for more


def post(
    path: str = "/activate/relu",
    body: bytes = RELU,
    fields: str = "Content-Type: application/json\r\n",
    version: str = "1.1",
    length: str | None = None,
) -> bytes:
    length = str(len(body)) if length is None else length
    head = f"POST {path} HTTP/{version}\r\nHost: here\r\n{TOKEN}{fields}Content-Length: {length}\r\n\r\n"
    return head.encode() + body


class Server:
    """A server in this process, of one of the two ways."""

    def __init__(self, parts: Parts, heads: Heads) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = self._listener.getsockname()
        self.heads = heads
        config = uvicorn.Config(
            parts.app, loop="uvloop", http=protocol.made_for(heads, 30), ws="none", log_config=None, lifespan="off"
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._listener]})
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()

    def answers(self, chunks: Sequence[bytes], half_close: bool = False) -> tuple[bytes, bool]:
        """All that comes back until the server is silent, and whether it closed the connection."""
        with socket.create_connection(self.address) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for index, chunk in enumerate(chunks):
                time.sleep(0.02 if index else 0)
                connection.sendall(chunk)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            connection.settimeout(SILENT_S)
            found = b""
            try:
                while piece := connection.recv(1 << 16):
                    found += piece
            except TimeoutError:
                return CHANGING.sub(rb"\1: *", found), False
            return CHANGING.sub(rb"\1: *", found), True


def settings(**others: object) -> Settings:
    return Settings(api_token="right", max_body_bytes=100_000, **others)  # type: ignore[arg-type]


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def both(wanted: Settings) -> tuple[tuple[Server, Server], tuple[Parts, Parts]]:
    """A server of each way, and what they are made of."""
    parts, others = assemble(wanted), assemble(wanted)
    short = Server(parts, parts.heads)
    long = Server(others, Heads([], others.heads.front, others.heads.bursts, wanted.max_body_bytes))
    return (short, long), (parts, others)


@pytest.fixture(scope="module")
def ways() -> Iterator[tuple[Server, Server]]:
    servers, _ = both(settings())
    yield servers
    for server in servers:
        server.close()


CHUNKED = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"


def chunked(pieces: bytes) -> bytes:
    return f"POST /activate/relu HTTP/1.1\r\nHost: here\r\n{TOKEN}{CHUNKED}\r\n".encode() + pieces


def get(path: str, fields: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: here\r\n{fields}\r\n".encode()


LONG = b'{"tensor": [%s1]}' % (b"-1.5, " * 15_000)
VALUES = np.random.default_rng(8).random((8, 784), np.float32).tobytes()


def values(body: bytes) -> bytes:
    return post("/predict", body, "Content-Type: application/octet-stream\r\n")


CASES: dict[str, list[bytes]] = {
    "one": [post()],
    "three with one head": [post(), post(), post()],
    "one head, other bodies": [post(), post(body=b'{"tensor": [-3, 4]}'), post(body=b'{"tensor": [-5, "x"}')],
    "known head, long values": [values(VALUES), values(VALUES), values(VALUES[:3136]), values(VALUES)],
    "known head, long values that are no whole rows": [values(VALUES), values(VALUES[:-4]), values(VALUES)],
    "known head, body comes later": [post(), post()[:-5], post()[-5:]],
    "known head, another length": [post(), post(body=b'{"tensor": [-1, 2, 3]}'), post(body=b'{"tensor": []}')],
    "known head, a length too long": [post(), post(length="100001")],
    "known head, a length that is none": [post(), post(length="1x"), post()],
    "known head, a length with zeros before it": [post(), post(length="0019"), post()],
    "known head, a length in another field": [
        post(),
        post(fields="X-Note: Content-Length: 5\r\nContent-Type: application/json\r\n"),
        post(fields="X-Note: Content-Length: 7\r\nContent-Type: application/json\r\n"),
    ],
    "known head, two lengths": [post(), post(fields="Content-Length: 19\r\nContent-Type: application/json\r\n")],
    "body in many pieces": [post()[:-15], *(post()[-at:][:1] for at in range(15, 0, -1)), post()],
    "known head, body in many pieces": [post(), post()[:-15], *(post()[-at:][:1] for at in range(15, 0, -1)), post()],
    "known head, the next request comes with the end of the body": [post(), post()[:-5], post()[-5:] + post()],
    "long body, then another": [post(body=LONG)[:5000], post(body=LONG)[5000:40_000], post(body=LONG)[40_000:], post()],
    "known head, long body, then another": [post(), post(body=LONG)[:5000], post(body=LONG)[5000:], post()],
    "a probe": [get("/health/live"), get("/health/ready"), get("/health/live") + get("/v2/health/live")],
    "a probe with a body": [get("/health/live", "Content-Length: 3\r\n") + b"abc", get("/health/live")],
    "a probe by another method": [get("/health/live").replace(b"GET", b"HEAD"), get("/health/live")],
    "a probe by an older protocol": [get("/health/live").replace(b"HTTP/1.1", b"HTTP/1.0")],
    "known head, more behind it": [post(), post() + post() + post()[:40], post()[40:]],
    "pipelined": [post() + post(body=b'{"tensor": 7}') + post(path="/predict", body=b"{}")],
    "pipelined, the first one slow to come": [post()[:-1], post()[-1:] + post() * 3],
    "pipelined with a page between": [post() + b"GET /health/live HTTP/1.1\r\nHost: here\r\n\r\n" + post()],
    "head byte by byte": [bytes([byte]) for byte in post()],
    "line breaks before the request": [post(), b"\r\n\r\n" + post(), post()],
    "bare line feeds": [post(), post().replace(b"\r\n", b"\n"), post()],
    "HTTP/1.0": [post(version="1.0"), post()],
    "HTTP/1.0 kept alive": [post(version="1.0", fields="Connection: keep-alive\r\nContent-Type: application/json\r\n")],
    "HTTP/2.0": [post(version="2.0")],
    "connection closed by the caller": [post(fields="Connection: close\r\nContent-Type: application/json\r\n"), post()],
    "expects to be told to go on": [post(fields="Expect: 100-continue\r\nContent-Type: application/json\r\n")],
    "chunked": [chunked(b"5\r\n" + RELU[:5] + b"\r\n%x\r\n" % len(RELU[5:]) + RELU[5:] + b"\r\n0\r\n\r\n"), post()],
    "chunked and wrong": [chunked(b"zz\r\n")],
    "chunked and with a length": [post(fields=CHUNKED)],
    "two lengths": [post(fields="Content-Length: 3\r\nContent-Type: application/json\r\n")],
    "the same length twice": [post(fields=f"Content-Length: {len(RELU)}\r\nContent-Type: application/json\r\n")],
    "length with a sign": [post(length="+19")],
    "length below zero": [post(length="-19")],
    "length in hex": [post(length="0x13")],
    "length in other digits": [post(length="¹⁹")],
    "no length": [f"POST /activate/relu HTTP/1.1\r\nHost: here\r\n{TOKEN}\r\n".encode(), post()],
    "length too long": [post(length="100001")],
    "length for ever": [post(length="9" * 40)],
    "space before the colon": [post(fields="Content-Type : application/json\r\n")],
    "folded field": [post(fields="Content-Type:\r\n application/json\r\n"), post()],
    "upgrade offered": [post(fields="Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Type: application/json\r\n")],
    "no token": [post().replace(TOKEN.encode(), b""), post()],
    "wrong token": [post(), post().replace(b"right", b"wrong"), post()],
    "no type": [post(fields="")],
    "another type": [post(fields="Content-Type: text/plain\r\n")],
    "an answer nobody can write": [post(fields="Content-Type: application/json\r\nAccept: text/html\r\n")],
    "compressed answer": [
        post(
            body=b'{"tensor": [%s1]}' % (b"1, " * 2000),
            fields="Content-Type: application/json\r\nAccept-Encoding: gzip\r\n",
        )
    ],
    "unknown activation": [post(path="/activate/nothing"), post(path="/activate/nothing")],
    "unknown path": [post(path="/activated")],
    "query": [post(path="/activate/leaky_relu?negative_slope=0.5"), post(path="/activate/leaky_relu?negative_slope=x")],
    "encoded path": [post(path="/activate/re%6Cu"), post(path="/activate/re%2Flu")],
    "whole address": [post(path="http://here/activate/relu")],
    "other methods": [post().replace(b"POST", b"PUT"), post().replace(b"POST", b"HEAD")],
    "own request id": [post(fields="X-Request-Id: mine\r\nContent-Type: application/json\r\n")] * 2,
    "a field twice": [post(fields="Content-Type: application/json\r\nContent-Type: application/json\r\n")],
    "a length of the protocol twice": [
        post(
            path="/v2/models/relu/infer",
            fields="Inference-Header-Content-Length: 0\r\nInference-Header-Content-Length: 1\r\n",
        )
    ],
    "gradient": [post(path="/activate/relu/gradient")] * 2,
    "protocol": [
        post(
            path="/v2/models/relu/infer",
            body=b'{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [2]}]}',
        )
    ]
    * 2,
}


@pytest.mark.parametrize("case", CASES)
def test_both_ways_answer_alike(ways: tuple[Server, Server], case: str) -> None:
    short, long = (way.answers(CASES[case]) for way in ways)
    assert short == long
    assert short[0].startswith(b"HTTP/1.1 ")


@pytest.mark.parametrize("way", [0, 1])
def test_caller_who_only_listens_any_more_is_answered(ways: tuple[Server, Server], way: int) -> None:
    found, is_closed = ways[way].answers([post() + post(body=b'{"tensor": 7}')], half_close=True)
    assert found.count(b"HTTP/1.1 200") == 2
    assert is_closed


@pytest.mark.parametrize("way", [0, 1])
def test_caller_who_stops_in_the_middle_of_a_body_is_let_go_at_once(ways: tuple[Server, Server], way: int) -> None:
    assert ways[way].answers([post()[:-3]], half_close=True) == (b"", True)


@pytest.mark.parametrize("way", [0, 1])
def test_caller_who_stops_in_the_middle_of_a_long_body_is_let_go_at_once(ways: tuple[Server, Server], way: int) -> None:
    ways[way].answers([post()])  # the head is known from here on
    assert ways[way].answers([post(body=LONG)[:5000], post(body=LONG)[5000:9000]], half_close=True) == (b"", True)


def test_length_alone_sets_no_memory_aside() -> None:
    parts = assemble(Settings(max_body_bytes=1 << 32))
    server = Server(parts, parts.heads)
    head = b"POST /activate/relu HTTP/1.1\r\nHost: here\r\nContent-Type: application/x-npy\r\n"
    before = peak_bytes()
    for _ in range(4):
        assert server.answers([head + b"Content-Length: 4000000000\r\n\r\nabc", b"def"]) == (b"", False)
    assert peak_bytes() - before < 50 << 20
    server.close()


@pytest.mark.parametrize("rows", [60, 2000])
def test_body_is_let_go_with_its_answer(rows: int) -> None:
    parts = assemble(Settings())
    server = Server(parts, parts.heads)
    body = np.zeros((rows, 784), np.float32).tobytes()
    head = b"POST /predict HTTP/1.1\r\nHost: here\r\nContent-Type: application/octet-stream\r\n"
    connections = [socket.create_connection(server.address) for _ in range(4)]
    gc.collect()
    gc.disable()  # a circle would keep it until the collector comes by
    tracemalloc.start()
    try:
        for connection in connections * 2:
            connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            found = b""
            while len(found) < rows * 40:
                found += connection.recv(1 << 16)
        time.sleep(0.1)  # the connections are idle
        assert tracemalloc.get_traced_memory()[0] < len(body)
    finally:
        tracemalloc.stop()
        gc.enable()
        for connection in connections:
            connection.close()
        server.close()


def test_connection_is_closed_behind_each_answer_while_the_server_drains() -> None:
    servers, parts = both(settings())
    answers = []
    for server, one in zip(servers, parts, strict=True):
        server.answers([post()])  # the head is known from here on
        one.lifecycle.drain()
        answers.append(server.answers([post(), post()]))
        server.close()
    assert answers[0] == answers[1]
    assert answers[0][0].count(b"connection: close") == 1
    assert answers[0][1]


def test_answer_that_cannot_be_given_holds_up_no_other(caplog: pytest.LogCaptureFixture) -> None:
    parts = assemble(settings())
    route = next(route for route in parts.heads.hot if route.path == "/activate/{name}")
    given: list[Response] = []

    def broken(response: Response) -> None:
        raise OSError("the connection is gone")

    def request() -> Request:
        headers = {"content-type": "application/json", "authorization": "Bearer right"}
        return Request("POST", "/activate/relu", "", headers, "id", {"name": "relu"})

    async def main() -> None:
        for deliver in (broken, given.append, given.append):
            parts.heads.front.open(route, request(), deliver).start(RELU)
        while len(given) < 2:
            await asyncio.sleep(0.001)

    asyncio.run(asyncio.wait_for(main(), 10))
    assert [response.status for response in given] == [200, 200]
    assert "could not be given" in caplog.text
    parts.scheduler.close()


def test_field_that_comes_twice_is_a_list(ways: tuple[Server, Server]) -> None:
    assert b"is not a number" in ways[0].answers(CASES["a length of the protocol twice"])[0]
    assert b"415 " in ways[0].answers(CASES["a field twice"])[0]


def test_hot_requests_go_the_short_way_and_their_heads_are_known_again(ways: tuple[Server, Server]) -> None:
    short, long = ways
    short.answers([post(fields="Content-Type: application/json\r\nX-Seen: once\r\n")])
    assert any(b"X-Seen: once" in raw for raw in short.heads.known)
    assert not long.heads.known


def test_heads_are_known_only_as_the_standard_frames_them(ways: tuple[Server, Server]) -> None:
    short = ways[0]
    for case in ("line breaks before the request", "bare line feeds", "folded field"):
        short.answers(CASES[case])
    assert all(raw.startswith(b"POST ") and raw.endswith(b"\r\n\r\n") for raw in short.heads.known)
    assert all(raw.count(b"\n") == raw.count(b"\r\n") for raw in short.heads.known)


def test_slow_reader_of_a_long_answer_gets_all_of_it_and_the_next(ways: tuple[Server, Server]) -> None:
    body = b'{"tensor": [%s1]}' % (b"1.5, " * 15_000)
    answers = []
    for way in ways:
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(way.address)
            connection.sendall(post(body=body) * 8)
            time.sleep(0.2)
            connection.sendall(post(fields="Connection: close\r\nContent-Type: application/json\r\n"))
            found = b""
            while piece := connection.recv(1 << 14):
                found += piece
        answers.append(CHANGING.sub(rb"\1: *", found))
    assert answers[0] == answers[1]
    assert answers[0].count(b"HTTP/1.1 200") == 9
