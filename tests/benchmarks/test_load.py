import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from benchmarks.bodies import Requests
from benchmarks.load import WHOLE, Load, LoadError, parse, run

SUMMARY = (
    '{"requests": 3000, "duration_us": 1500000, "p50_us": 400, "p99_us": 900, "refused": 0, "broken": 0}'  # load.lua's
)


def test_the_summary_is_found_after_what_wrk_prints_itself():
    output = f"Running 1s test @ http://127.0.0.1:8000/predict\n  1 threads and 8 connections\n{SUMMARY}\n"
    assert parse(output) == Load(3000, 1500000, 400, 900, 0, 0)


def test_requests_per_second_are_those_of_the_real_duration():
    assert parse(SUMMARY).per_second == 2000


@pytest.mark.parametrize("counts", [(0, 0, 0), (10, 1, 0), (10, 0, 1)])
def test_a_load_with_an_error_or_without_an_answer_is_not_clean(counts):
    requests, refused, broken = counts
    assert not Load(requests, 1, 1, 1, refused, broken).is_clean


def test_output_without_a_summary_is_an_error_that_shows_it():
    with pytest.raises(LoadError, match="unable to connect"):
        parse("unable to connect to 127.0.0.1:1 Connection refused\n")


class Answering(BaseHTTPRequestHandler):
    """Keeps what it is asked, and answers."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[set[tuple[str, str, bytes]]] = set()

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.seen.add((self.command, self.path, body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


@pytest.fixture
def url():
    Answering.seen.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def files(folder, **contents):
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]


@pytest.mark.skipif(shutil.which("wrk") is None, reason="the load comes from wrk")
@pytest.mark.parametrize("bodies", [[b"\x00one"], [b"one\n", b"two"]])
def test_bodies_are_posted_in_turn(url, tmp_path, bodies):
    requests = Requests({"X": "y"}, files(tmp_path, **{str(at): body for at, body in enumerate(bodies)}))
    assert run(f"{url}/predict", requests, 2, 1).is_clean
    assert Answering.seen == {("POST", "/predict", body) for body in bodies}


@pytest.mark.skipif(shutil.which("wrk") is None, reason="the load comes from wrk")
def test_whole_requests_are_sent_as_they_are(url, tmp_path):
    whole = [
        b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n\n\x00b\n",
    ]
    content = b"".join(b"%d\n" % len(one) + one for one in whole)
    (file,) = files(tmp_path, **{f"some{WHOLE}": content})
    assert run(url, Requests({}, [file]), 2, 1).is_clean
    assert Answering.seen == {("GET", "/a", b""), ("POST", "/b", b"\n\x00b\n")}
