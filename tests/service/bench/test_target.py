"""URLs and headers as a person writes them."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator

import pytest

from service import __version__
from service.bench.target import BenchError, Target, common_headers, parse


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "authority"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1", 8000, "/", "127.0.0.1:8000"),
        ("127.0.0.1:8000/predict", "127.0.0.1", 8000, "/predict", "127.0.0.1:8000"),
        ("http://there", "there", 80, "/", "there"),
        ("http://[::1]:8000/activate/elu?alpha=2", "::1", 8000, "/activate/elu?alpha=2", "[::1]:8000"),
        ("https://there/a%20b", "there", 443, "/a%20b", "there"),
        ("https://there:444/#top", "there", 444, "/", "there:444"),
    ],
)
def test_url_is_taken_apart(url: str, host: str, port: int, path: str, authority: str) -> None:
    target = parse(url)
    assert (target.host, target.port, target.path, target.authority) == (host, port, path, authority)
    assert (target.tls is not None) == url.startswith("https")


@pytest.mark.parametrize(
    "url",
    [
        *("", "http://", "ftp://there", "http://there/a b", "http://there/\r\nX: y", "http://there:port", "http://ä/"),
        *("http://me:secret@there/", "http://there:99999", "unix:///tmp/socket"),
    ],
)
def test_what_is_no_url_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(url)


def test_headers_are_those_given_over_our_own() -> None:
    assert common_headers((), None) == {"user-agent": f"actserve/{__version__}", "accept": "*/*"}
    given = ("Accept: application/json", "X-Empty:", "X-Several:  a: b\t")
    assert common_headers(given, "secret") == {
        "user-agent": f"actserve/{__version__}",
        "accept": "application/json",
        "authorization": "Bearer secret",
        "x-empty": "",
        "x-several": "a: b",
    }
    assert common_headers(("authorization: Basic x",), "secret")["authorization"] == "Basic x"


@pytest.mark.parametrize(
    ("given", "token"),
    [
        (("no colon",), None),
        ((": value",), None),
        (("a b: c",), None),
        (("X: a\r\nY: b",), None),
        (("X: \N{SNOWMAN}",), None),
        (("Content-Length: 5",), None),
        (("transfer-encoding: chunked",), None),
        ((), "two\nlines"),
    ],
)
def test_headers_that_would_break_a_request_are_refused(given: tuple[str, ...], token: str | None) -> None:
    with pytest.raises(ValueError, match=r"."):
        common_headers(given, token)


def test_request_is_whole_in_its_bytes() -> None:
    data = parse("http://there:8000/predict?top_k=1").data({"accept": "*/*", "x-name": "\xe4"}, b"\x00body")
    head, _, body = data.partition(b"\r\n\r\n")
    assert body == b"\x00body"
    assert head.split(b"\r\n") == [
        b"POST /predict?top_k=1 HTTP/1.1",
        b"host: there:8000",
        b"accept: */*",
        b"x-name: \xe4",
        b"content-length: 5",
    ]


class Handler(http.server.BaseHTTPRequestHandler):
    """Gives back what it was told, or breaks off."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200 if self.path == "/good" else 409)
        self.send_header("Content-Length", str(len(body) + (self.path == "/cut")))
        self.send_header("X-Was", self.headers["X-Is"])
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Into nothing."""


@pytest.fixture
def target() -> Iterator[Target]:
    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield parse(f"http://localhost:{server.server_port}/good")
    server.shutdown()
    thread.join()
    server.server_close()


def test_single_request_gives_the_whole_reply(target: Target) -> None:
    reached = target.reached(5)
    assert reached.address == "127.0.0.1"
    reply = reached.ask("POST", {"x-is": "this"}, b"body", 5)
    assert (reply.status, reply.headers["x-was"], reply.body) == (200, "this", b"body")
    assert reached.at("/bad").ask("POST", {"x-is": "this"}, b"body", 5).status == 409


def test_reply_that_is_not_whole_is_refused(target: Target) -> None:
    with pytest.raises(BenchError, match="gave no whole answer"):
        target.at("/cut").ask("POST", {"x-is": "this"}, b"body", 5)


def test_server_that_is_not_there_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(BenchError, match=rf"127.0.0.1:{port} cannot be reached: Connection refused\."):
        parse(f"127.0.0.1:{port}").reached(5)


def test_server_that_says_nothing_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        target = parse(f"127.0.0.1:{mute.getsockname()[1]}/predict").reached(5)
        with pytest.raises(BenchError, match="no answer in time"):
            target.ask("POST", {}, b"{}", 0.1)
