"""What a browser is sent, and what the process costs while nobody asks."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest

MOST_RESIDENT_KIB = 120 * 1024
IDLE_S = 1.0
MOST_IDLE_CPU_S = 0.2


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
        answer = server.get(path)
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
        policy = server.get(path).headers["content-security-policy"]
        assert policy.startswith("default-src 'self'")
    script = server.get("/assets/docs.js").body
    assert b"http" not in script
    assert server.get("/openapi.json").json()["openapi"].startswith("3.")


def test_idle_server_is_small_and_sleeps(serve: Any) -> None:
    server = serve(measured=False)  # coverage would be counted too
    assert server.get("/health/ready").status == 200
    assert server.status("VmRSS") < MOST_RESIDENT_KIB
    # The loop's own, onnxruntime's pool for each model that asked for one, and the scheduler's when there was work.
    assert server.status("Threads") < 4 + 4 * len(os.sched_getaffinity(0)) * 12
    before = cpu_s(server.pid)
    time.sleep(IDLE_S)
    assert cpu_s(server.pid) - before < MOST_IDLE_CPU_S


def test_server_sleeps_again_after_work(serve: Any, rows: Any) -> None:
    server = serve(measured=False)
    for _ in range(50):
        server.post("/predict", rows.tobytes() * 30, "application/octet-stream")
    before = cpu_s(server.pid)
    time.sleep(IDLE_S)
    assert cpu_s(server.pid) - before < MOST_IDLE_CPU_S


def test_memory_does_not_grow_with_requests(serve: Any, rows: Any) -> None:
    server = serve(measured=False)
    body = {"instances": rows.tolist()}

    def work() -> None:
        for _ in range(40):
            server.post("/predict", body)
            server.post("/activate/softmax", {"tensor": [1.0]})
            server.post("/predict", b"{")

    work()
    before = server.status("VmRSS")
    work()
    assert server.status("VmRSS") - before < 8 * 1024


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


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
