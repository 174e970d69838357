"""`actserve bench` against servers of another kind: what is asked, what is said, and the exit status."""

from __future__ import annotations

import http.server
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from service.cli import main

QUICK = ("--duration", "0.3", "--warm-up", "0.1", "--connections", "2")


class Handler(http.server.BaseHTTPRequestHandler):
    """Keeps what it is asked; answers as the path says."""

    protocol_version = "HTTP/1.1"
    asked: list[tuple[str, dict[str, str], bytes]]

    def do_GET(self) -> None:
        self.asked.append((self.path, {}, b""))
        self._answer(200 if self.path.startswith("/text") else 404, b"This is a page.")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        match self.path:
            case "/refusing":
                self._answer(422, json.dumps({"error": "`input`: expected more."}).encode())
            case "/plain":
                self._answer(500, b"<h1>Sorry</h1>")
            case "/moved":
                self._answer(308, b"", Location="/good")
            case "/failing" if len(self.asked) > 3:
                self._answer(503, b"{}")
            case "/dying" if len(self.asked) > 3:
                self.close_connection = True
            case _:
                self._answer(200, b"{}")

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Into nothing."""


class Peer:
    """Such a server on a free port."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], bytes]] = []
        handler = type("Told", (Handler,), {"asked": self.asked})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def peer() -> Iterator[Peer]:
    found = Peer()
    yield found
    found.close()


@pytest.fixture
def body(tmp_path: Path) -> Path:
    file = tmp_path / "body.json"
    file.write_text('{"instances": [[1], [2]]}')
    return file


def run(*arguments: object, **variables: str) -> Result:
    return CliRunner().invoke(main, ["bench", *map(str, arguments)], env=variables)


def test_file_is_posted_and_all_answers_are_good(peer: Peer, body: Path) -> None:
    done = run(f"{peer.url}/good", "--data", body, *QUICK)
    assert done.exit_code == 0, done.output
    assert "body.json: application/json, 25 B" in done.stdout
    assert "errors       none" in done.stdout
    assert done.stderr == ""
    assert {(path, sent) for path, _, sent in peer.asked} == {("/good", body.read_bytes())}


def test_json_is_all_there_is_on_stdout(peer: Peer, body: Path) -> None:
    done = run(f"{peer.url}/good", "--data", body, "--json", *QUICK)
    told = json.loads(done.stdout)
    assert told["statuses"] == {"200": told["requests"]["answered"]}
    assert told["rows_per_second"] == pytest.approx(2 * told["per_second"], rel=0.001)
    assert told["sent"] == {
        "url": f"{peer.url}/good",
        "about": "body.json",
        "media_type": "application/json",
        "bytes": 25,
        "bodies": 1,
    }


def test_files_are_posted_in_turn_with_their_types(peer: Peer, body: Path, tmp_path: Path) -> None:
    (tmp_path / "raw.bin").write_bytes(b"\x00\x01")
    done = run(f"{peer.url}/good", "--data", body, "--data", tmp_path / "raw.bin", *QUICK)
    assert done.exit_code == 0, done.output
    sent = [(headers["content-type"], content) for _, headers, content in peer.asked]
    kinds = {("application/json", body.read_bytes()), ("application/octet-stream", b"\x00\x01")}
    assert set(sent[:2]) == set(sent) == kinds
    assert sum(kind == "application/json" for kind, _ in sent) == pytest.approx(len(sent) / 2, abs=3)


def test_headers_and_token_are_sent(peer: Peer, body: Path) -> None:
    options = ("-H", "X-Mine: 1", "-H", "content-type: text/x-own", "--data", body, *QUICK)
    assert run(f"{peer.url}/good", *options, ACTSERVE_API_TOKEN="from outside").exit_code == 0
    for _, headers, _ in peer.asked:
        assert headers["authorization"] == "Bearer from outside"
        assert (headers["x-mine"], headers["content-type"]) == ("1", "text/x-own")
    assert run(f"{peer.url}/good", "--token", "given", *options, ACTSERVE_API_TOKEN="no").exit_code == 0
    assert peer.asked[-1][1]["authorization"] == "Bearer given"


def test_base_url_is_the_path_of_the_default_model(peer: Peer, body: Path) -> None:
    assert run(peer.url, "--data", body, *QUICK).exit_code == 0
    assert run(f"{peer.url}/?top_k=1", "--data", body, *QUICK).exit_code == 0
    assert {path for path, _, _ in peer.asked} == {"/predict", "/predict?top_k=1"}


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/refusing", "answers 422: `input`: expected more."),
        ("/plain", "answers 500: <h1>Sorry</h1>"),
        ("/moved", "is moved to /good (308)"),
    ],
)
def test_first_request_that_is_refused_ends_it(peer: Peer, body: Path, path: str, says: str) -> None:
    done = run(peer.url + path, "--data", body, *QUICK)
    assert done.exit_code == 1
    assert says in done.stderr
    assert done.stdout == ""
    assert len(peer.asked) == 1


@pytest.mark.parametrize("options", [(), ("--rate", "50")])
@pytest.mark.parametrize("path", ["/failing", "/dying"])
def test_requests_that_fail_are_told_with_status_1(peer: Peer, body: Path, path: str, options: Any) -> None:
    done = run(peer.url + path, "--data", body, *QUICK, *options)
    assert done.exit_code == 1
    assert ("with 503" if path == "/failing" else "closed before the answer") in done.stdout
    assert "requests failed" in done.stderr


@pytest.mark.parametrize(
    ("path", "says"),
    [("/predict/x", "answers 404: This is a page."), ("/text/predict/x", "not answered in JSON"), ("/x", "--data")],
)
def test_server_that_describes_nothing_needs_a_body(peer: Peer, path: str, says: str) -> None:
    done = run(peer.url + path, *QUICK)
    assert done.exit_code == 1
    assert says in done.stderr


def test_server_that_is_not_there_is_told_with_status_1(body: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    done = run(f"127.0.0.1:{port}", "--data", body, *QUICK)
    assert done.exit_code == 1
    assert f"Error: 127.0.0.1:{port} cannot be reached: Connection refused." in done.stderr


MISUSE: tuple[tuple[tuple[str, ...], str], ...] = (
    (("ftp://there",), "expected http://HOST"),
    (("127.0.0.1", "--duration", "0"), "duration"),
    (("127.0.0.1", "--duration", "nan"), "not a number"),
    (("127.0.0.1", "--duration", "1e9"), "duration"),
    (("127.0.0.1", "--rate", "-1"), "rate"),
    (("127.0.0.1", "--rate", "nan"), "not a number"),
    (("127.0.0.1", "--rate", "1e6", "--duration", "3600"), "10,000,000"),
    (("127.0.0.1", "--connections", "0"), "connections"),
    (("127.0.0.1", "--rows", "0"), "rows"),
    (("127.0.0.1", "--format", "xml"), "xml"),
    (("127.0.0.1", "-H", "nothing"), "Name: value"),
    (("127.0.0.1", "-H", "Content-Length: 1"), "set by the load itself"),
    (("127.0.0.1", "--content-type", "text/plain"), "--content-type is of files"),
    (("127.0.0.1", "--data", "{body}", "--rows", "2"), "--content-type is of files"),
    (("127.0.0.1", "--data", "{body}", "--format", "npy"), "--content-type is of files"),
    (("127.0.0.1", "--data", "/nowhere.json"), "nowhere"),
)


@pytest.mark.parametrize(("arguments", "says"), MISUSE)
def test_misuse_is_told_with_status_2(body: Path, arguments: tuple[str, ...], says: str) -> None:
    done = run(*(argument.format(body=body) for argument in arguments))
    assert done.exit_code == 2, done.output
    assert says in done.stderr


def test_file_of_an_unknown_kind_needs_a_content_type(peer: Peer, tmp_path: Path) -> None:
    file = tmp_path / "body.xyz"
    file.write_bytes(b"x")
    done = run(f"{peer.url}/good", "--data", file, *QUICK)
    assert done.exit_code == 2
    assert "--content-type" in done.stderr
    assert run(f"{peer.url}/good", "--data", file, "--content-type", "text/x-own", *QUICK).exit_code == 0
    assert peer.asked[-1][1]["content-type"] == "text/x-own"
