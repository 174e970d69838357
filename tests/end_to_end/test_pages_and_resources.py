"""What a browser is sent, and what the process costs while nobody asks."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest

MOST_RESIDENT_KIB = 120 * 1024
IDLE_S = 1.0
MOST_IDLE_CPU_S = 0.2
# The loop's, a pool for each model with as many as there are cores, and the scheduler's for what is slow.
MOST_THREADS = 16  # on however many cores


def references(page: str) -> list[str]:
    """Every address in a page's markup or a style sheet, those inside it left out."""
    found = re.findall(r"""(?:src|href|action)=["']([^"']*)["']""", page) + re.findall(r"url\(([^)]*)\)", page)
    return [address.strip("\"'") for address in found if not address.strip("\"'").startswith(("data:", "#"))]


@pytest.mark.parametrize("start", ["/", "/docs"])
def test_pages_refer_only_to_what_the_server_answers(server: Any, start: str) -> None:
    seen, waiting = set(), [start]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        answer = server.get(path, {"Accept": "text/html,*/*;q=0.8"})
        assert answer.status == 200, path
        media_type = answer.headers["content-type"].partition(";")[0]
        if media_type not in ("text/html", "text/css"):
            continue
        for address in references(answer.body.decode()):
            found = urlsplit(urljoin(f"http://here{path}", address))
            assert (found.scheme, found.netloc) == ("http", "here"), f"{path} refers to {address}"
            waiting.append(found.path)
    assert len(seen) > 4


def test_pages_let_the_browser_load_from_here_alone(server: Any) -> None:
    for path in ("/", "/docs"):
        policy = server.get(path, {"Accept": "text/html"}).headers["content-security-policy"]
        assert re.match(r"default-src '(none|self)'", policy)
        assert "http" not in policy
    script = server.get("/assets/docs.js").body
    assert b"http" not in script
    assert server.get("/openapi.json").json()["openapi"].startswith("3.")


@pytest.fixture(scope="module")
def plain_server(tmp_path_factory: pytest.TempPathFactory, server: Any) -> Iterator[Any]:
    """A server without coverage, which would be counted too. It has answered nothing but a probe at first."""
    plain = type(server)((), tmp_path_factory.mktemp("plain") / "server.log", {}, measured=False)
    try:
        plain.wait_until_live()
        yield plain
    finally:
        plain.stop()


def test_idle_server_is_small_and_sleeps(plain_server: Any) -> None:
    assert plain_server.get("/health/ready").status == 200
    assert plain_server.status("VmRSS") < MOST_RESIDENT_KIB
    assert plain_server.status("Threads") < MOST_THREADS
    assert idle_cpu_s(plain_server.pid) < MOST_IDLE_CPU_S


def test_server_sleeps_again_after_work_and_has_not_grown(plain_server: Any, rows: Any) -> None:
    body = {"instances": rows.tolist()}

    def work() -> None:
        for _ in range(40):
            plain_server.post("/predict", rows.tobytes() * 30, "application/octet-stream")
            plain_server.post("/predict", body)
            plain_server.post("/activate/softmax", {"tensor": [1.0]})
            plain_server.post("/predict", b"{")

    work()
    assert idle_cpu_s(plain_server.pid) < MOST_IDLE_CPU_S  # what measures a sample of the rows is loaded by now
    before = plain_server.status("VmRSS")
    work()
    assert plain_server.status("VmRSS") - before < 8 * 1024
    assert idle_cpu_s(plain_server.pid) < MOST_IDLE_CPU_S


def test_telemetry_is_off_and_nothing_is_connected_to(serve: Any) -> None:
    server = serve(measured=False, ORT_DISABLE_TELEMETRY="0")
    server.post("/activate/relu", {"tensor": [1]})
    environ = Path(f"/proc/{server.pid}/environ").read_bytes()
    assert b"ORT_DISABLE_TELEMETRY=0" in environ  # what it was started with; what counts is set in the process
    sockets = {os.readlink(link) for link in Path(f"/proc/{server.pid}/fd").iterdir() if link.is_symlink()}
    numbers = {found[1] for name in sockets if (found := re.match(r"socket:\[(\d+)\]", name))}
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/{server.pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[9] in numbers:
                assert int(fields[1].rpartition(":")[2], 16) == server.port, f"a {table} socket of its own: {line}"


def idle_cpu_s(pid: int) -> float:
    """What the process spends in a second in which nobody asks it anything."""
    before = cpu_s(pid)
    time.sleep(IDLE_S)
    return cpu_s(pid) - before


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
