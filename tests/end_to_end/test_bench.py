"""`actserve bench` against the real server, as a person runs it."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import shutil
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Command = Callable[..., subprocess.CompletedProcess[bytes]]

ACTSERVE = Path(sys.executable).with_name("actserve")
QUICK = ("--duration", "0.5", "--warm-up", "0.2", "--connections", "4")
STAGES = ("decode", "queue", "compute", "encode", "elsewhere")


def told(run: subprocess.CompletedProcess[bytes]) -> Any:
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("", ()),
        ("/predict/digits", ("--format", "raw", "--rows", "32")),
        ("/predict/fashion_mnist?top_k=3", ("--format", "npy", "--rows", "2")),
        ("/activate/leaky_relu?negative_slope=0.2", ("--format", "npy")),
        ("/activate/glu/gradient", ()),
        ("/v2/models/digits/infer", ("--rows", "3")),
        ("/v2/models/relu/infer", ("--format", "raw", "--rows", "5")),
        ("/v1/models/digits:predict", ()),
        ("/invocations", ("-H", "Accept-Encoding: gzip", "--rows", "20")),
    ],
)
def test_closed_loop_is_answered_and_split(command: Command, server: Any, path: str, options: Any) -> None:
    before = server.metrics().get("actserve_requests_in_flight")
    found = told(command("bench", f"http://127.0.0.1:{server.port}{path}", "--json", *QUICK, *options))
    answered = found["requests"]["answered"]
    assert found["requests"] == {"answered": answered, "failed": 0, "unfinished": 0}
    assert found["statuses"] == {"200": answered}
    assert answered > 10
    assert found["connections"] == {"opened": 4, "closed_by_server": 0}
    rows = int(options[options.index("--rows") + 1]) if "--rows" in options else 1
    assert found["rows_per_second"] == pytest.approx(found["per_second"] * rows, rel=0.001)
    split = found["split_ms"]
    assert tuple(split) == STAGES
    assert all(split[stage]["count"] == answered for stage in STAGES)
    # The means of the parts make up the mean of the whole.
    assert sum(split[stage]["mean"] for stage in STAGES) == pytest.approx(found["latency_ms"]["mean"], rel=0.02)
    assert 0 < found["latency_ms"]["p50"] <= found["latency_ms"]["p99.9"] <= found["latency_ms"]["max"]
    assert server.metrics().get("actserve_requests_in_flight") == before


def test_requests_of_the_load_are_those_that_the_server_counts(command: Command, serve: Any) -> None:
    server = serve()
    key = 'actserve_requests_total{method="POST",path="/predict/{model}",status="200"}'
    options = ("--duration", "0.5", "--warm-up", "0", "--json")
    found = told(command("bench", f"127.0.0.1:{server.port}/predict/digits", *options))
    assert server.metrics()[key] == found["requests"]["answered"] + 1  # and the first


def test_open_loop_holds_its_rate(command: Command, server: Any) -> None:
    options = ("--rate", "100", "--duration", "2", "--warm-up", "0.2", "--json", "--seed", "4")
    found = told(command("bench", f"127.0.0.1:{server.port}", *options))
    assert found["arrivals"]["due"] == pytest.approx(200, abs=60)
    assert found["arrivals"]["missed"] == 0
    assert found["requests"]["answered"] == found["arrivals"]["due"]
    assert tuple(found["split_ms"]) == ("waiting", *STAGES)


def test_rate_above_what_a_server_can_do_is_told(command: Command, serve: Any, slow_models: Path) -> None:
    (slow_models / "body.json").write_text(json.dumps({"inputs": 300}))
    server = serve("--models", str(slow_models))
    url = f"127.0.0.1:{server.port}/predict/slow"
    options = ("--rate", "200", "--duration", "2", "--warm-up", "0", "--connections", "2", "--json")
    run = command("bench", url, "--data", slow_models / "body.json", *options)
    found = json.loads(run.stdout)
    assert run.returncode == 1
    assert found["arrivals"]["missed"] > 50
    assert found["requests"]["failed"] == 0
    assert found["split_ms"]["waiting"]["max"] > 500
    assert b"requests were due and not sent" in run.stderr


def test_table_is_for_a_person(command: Command, server: Any) -> None:
    run = command("bench", f"127.0.0.1:{server.port}", *QUICK)
    assert run.returncode == 0
    assert run.stderr == b""
    lines = [line.split()[0] for line in run.stdout.decode().splitlines() if line]
    assert lines[:2] == ["POST", "input"]
    assert {"requests", "answers", "errors", "bytes", "connections", "client", "ms", "answer", *STAGES} <= set(lines)


def test_files_are_sent_as_they_are(command: Command, server: Any, rows: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", rows)
    (tmp_path / "rows.json").write_text(json.dumps({"instances": rows[:4].tolist()}))
    (tmp_path / "rows.bin").write_bytes(rows.tobytes())
    files = [part for name in ("rows.npy", "rows.json") for part in ("--data", tmp_path / name)]
    url = f"127.0.0.1:{server.port}/predict/digits"
    found = told(command("bench", url, *files, "--json", *QUICK))
    assert found["sent"]["bodies"] == 2
    assert found["rows_per_second"] == pytest.approx(18 * found["per_second"], rel=0.1)
    found = told(command("bench", url, "--data", tmp_path / "rows.bin", "--json", *QUICK))
    assert found["rows_per_second"] is None


def test_refusal_of_the_first_request_is_the_server_s_own_sentence(
    command: Command, server: Any, tmp_path: Path
) -> None:
    (tmp_path / "short.json").write_text('{"instances": [[1, 2]]}')
    run = command("bench", f"127.0.0.1:{server.port}/predict/digits", "--data", tmp_path / "short.json")
    expected = server.post("/predict/digits", {"instances": [[1, 2]]}).json()["error"]
    assert run.returncode == 1
    assert run.stdout == b""
    assert f"answers 422: {expected}" in run.stderr.decode()


def test_unknown_model_is_told(command: Command, server: Any) -> None:
    run = command("bench", f"127.0.0.1:{server.port}/predict/nobody")
    assert run.returncode == 1
    assert b"/models/nobody answers 404: There is no model `nobody`" in run.stderr


def test_token_is_needed_where_the_server_has_one(command: Command, serve: Any) -> None:
    server = serve("--api-token", "open sesame")
    url = f"127.0.0.1:{server.port}"
    without = command("bench", url, *QUICK)
    assert without.returncode == 1
    assert b"answers 401: A bearer token is needed." in without.stderr
    assert command("bench", url, "--token", "open sesame", *QUICK).returncode == 0
    assert command("bench", url, *QUICK, ACTSERVE_API_TOKEN="open sesame").returncode == 0


def test_full_queue_is_counted_by_its_status(command: Command, serve: Any, slow_models: Path) -> None:
    (slow_models / "body.json").write_text(json.dumps({"inputs": 100}))
    server = serve("--models", str(slow_models), "--max-queue-rows", "1")
    url = f"127.0.0.1:{server.port}/predict/slow"
    run = command("bench", url, "--data", slow_models / "body.json", "--connections", "12", "--duration", "1", "--json")
    found = json.loads(run.stdout)
    assert run.returncode == 1
    assert set(found["statuses"]) == {"200", "429"}
    assert found["requests"]["failed"] == found["statuses"]["429"]
    assert found["latency_ms"]["count"] == found["statuses"]["200"]


def test_server_that_stops_meanwhile_is_told(serve: Any, wait_until: Any) -> None:
    server = serve()
    bench = start(f"127.0.0.1:{server.port}", "--duration", "5", "--warm-up", "0", "--json")
    wait_until(lambda: answered(server) > 100, "the load does not come")
    server.signal(signal.SIGINT)
    output, error = bench.communicate(timeout=60)
    found = json.loads(output)
    assert bench.returncode == 1
    assert found["statuses"]["200"] > 50
    assert found["errors"]["connect"] > 0
    assert found["errors"]["connect"] <= 8 * 60  # each is tried ten times a second
    assert found["requests"]["failed"] == sum(found["errors"].values()) - found["errors"]["connect"]
    assert b"connections could not be opened (Connection refused)" in error


def start(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([ACTSERVE, "bench", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def answered(server: Any) -> float:
    """Predictions that the server has made."""
    count: float = server.metrics().get('actserve_requests_total{method="POST",path="/predict",status="200"}', 0)
    return count


def test_interrupt_ends_it_early_with_its_figures(server: Any, wait_until: Any) -> None:
    before = answered(server)
    bench = start(f"127.0.0.1:{server.port}", "--duration", "60", "--warm-up", "0", "--json")
    wait_until(lambda: answered(server) > before + 100, "the load does not come")
    bench.send_signal(signal.SIGINT)
    output, error = bench.communicate(timeout=20)
    found = json.loads(output)
    assert bench.returncode == 0, error
    assert 0 < found["window_s"] < 50
    assert found["requests"]["answered"] > 50


def test_progress_is_shown_on_a_terminal_only(server: Any) -> None:
    ours, theirs = pty.openpty()
    arguments = ("bench", f"127.0.0.1:{server.port}", *QUICK)
    run = subprocess.run([ACTSERVE, *arguments], stdout=subprocess.PIPE, stderr=theirs, timeout=60, check=False)
    os.close(theirs)
    shown = b""
    while b"100%" not in shown:
        shown += os.read(ours, 1 << 16)  # fails at the end of what was written
    os.close(ours)
    assert run.returncode == 0
    assert b"load" in shown
    assert b"load  [" not in run.stdout


@pytest.fixture
def tls_front(server: Any, tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A port on which the server is spoken to over TLS, and the certificate to trust."""
    if (openssl := shutil.which("openssl")) is None:
        pytest.fail("openssl is needed to make a certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2")
    made = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, *subject]
    subprocess.run(made, check=True, capture_output=True, timeout=60)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    loop = asyncio.new_event_loop()
    front = loop.run_until_complete(asyncio.start_server(passing_on(server.port), "127.0.0.1", 0, ssl=context))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield front.sockets[0].getsockname()[1], certificate
    asyncio.run_coroutine_threadsafe(drained(front), loop).result(20)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def passing_on(port: int) -> Any:
    """Passes bytes on to a port and back."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        pumps = pump(reader, inner_writer), pump(inner_reader, writer)
        await asyncio.gather(*pumps, return_exceptions=True)

    return serve


async def drained(front: asyncio.Server) -> None:
    front.close()
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others)


def test_https_is_spoken_to_those_who_are_trusted(command: Command, tls_front: tuple[int, Path]) -> None:
    port, certificate = tls_front
    url = f"https://localhost:{port}"
    found = told(command("bench", url, "--json", *QUICK, SSL_CERT_FILE=str(certificate)))
    assert found["statuses"].keys() == {"200"}
    assert found["sent"]["url"] == f"{url}/predict"
    stranger = command("bench", url, *QUICK)
    assert stranger.returncode == 1
    assert b"certificate" in stranger.stderr.lower()
