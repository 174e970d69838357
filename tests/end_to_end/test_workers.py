"""Several workers behind one socket: they share the work, are replaced, add up and stop together."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

REQUESTS = 200
COUNTED = 'actserve_requests_total{method="POST",path="/activate/{name}",status="200"}'


def exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def sockets(server: Any) -> set[Path]:
    """The sockets of its workers, in the folder that they were told of."""
    folders = {
        entry.partition(b"=")[2].decode()
        for worker in server.workers()
        for entry in Path(f"/proc/{worker}/environ").read_bytes().split(b"\0")
        if entry.startswith(b"PROMETHEUS_MULTIPROC_DIR=")
    }
    return {socket for folder in folders for socket in Path(folder).glob("worker-*.sock")}


def ask(server: Any, times: int) -> None:
    for number in range(times):
        answer = server.post("/activate/relu", {"tensor": [number - 100]})
        assert answer.json()["tensor"] == [max(0, number - 100)]


def test_two_workers_share_the_work_and_their_metrics_add_up(serve: Any, wait_until: Any, cpu_s: Any) -> None:
    server = serve("--workers", "2")
    wait_until(lambda: server.log.count("models,") == 2, "the second worker did not start")
    assert len(server.workers()) == 2
    before = {pid: cpu_s(pid) for pid in server.workers()}
    asked = 0
    while asked < REQUESTS or any(cpu_s(pid) <= spent for pid, spent in before.items()):
        ask(server, REQUESTS)
        asked += REQUESTS
        assert asked < 50 * REQUESTS, "one of the workers has done nothing"
        assert server.metrics()[COUNTED] == asked
    found = server.metrics()
    assert found['actserve_rows_total{model="relu",version="1"}'] == asked
    assert found['actserve_request_duration_seconds_count{path="/activate/{name}"}'] == asked
    assert found["actserve_ready"] == 1
    assert found["actserve_requests_in_flight"] == 1
    workers = server.workers()
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert not any(exists(pid) for pid in workers)
    assert "Traceback" not in server.log


def test_killed_worker_is_replaced_and_service_goes_on(serve: Any, wait_until: Any) -> None:
    server = serve("--workers", "2")
    wait_until(lambda: server.log.count("models,") == 2, "the second worker did not start")
    ask(server, REQUESTS)
    assert server.metrics()[COUNTED] == REQUESTS
    first, second = sorted(server.workers())
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: not exists(first), "the worker was not taken notice of")
    ask(server, 20)  # by the other one
    wait_until(lambda: server.log.count("models,") == 3, "no worker took its place")
    replaced = server.workers()
    assert len(replaced) == 2
    assert second in replaced
    ask(server, 20)
    assert server.metrics()[COUNTED] == REQUESTS + 40  # what the dead one had counted stays counted
    assert server.metrics()["actserve_ready"] == 1
    assert f"worker {first} died" in server.log
    server.signal(signal.SIGINT)
    assert server.wait() == 0
    assert not any(exists(pid) for pid in replaced)


def test_workers_auto_is_one_for_each_core_and_they_end_when_their_parent_is_killed(
    serve: Any, wait_until: Any
) -> None:
    server = serve("--workers", "auto")
    workers = server.workers()
    cores = len(os.sched_getaffinity(0))
    assert len(workers) == (cores if cores > 1 else 0) or cores > 2  # fewer where a quota holds
    ask(server, 5)
    os.kill(server.pid, signal.SIGKILL)
    server.wait()
    wait_until(lambda: not any(exists(pid) for pid in workers), "workers were left behind")


def test_workers_that_cannot_start_say_so_once(serve: Any, command: Any) -> None:
    run = command("serve", "--port", "0", "--workers", "2", "--providers", "cuda")
    assert run.returncode == 3
    assert run.stderr.decode().count("--providers cuda") == 1
    assert b"Traceback" not in run.stderr


def test_worker_stopped_alone_is_replaced_and_connections_are_taken(serve: Any, wait_until: Any) -> None:
    server = serve("--workers", "2")
    wait_until(lambda: server.log.count("models,") == 2, "the second worker did not start")
    stopped = min(server.workers())
    os.kill(stopped, signal.SIGTERM)
    wait_until(lambda: server.log.count("models,") == 3, "it was not replaced")
    assert stopped not in server.workers()
    ask(server, REQUESTS)


def test_statistics_are_those_of_all_workers(serve: Any, wait_until: Any, cpu_s: Any) -> None:
    server = serve("--workers", "2")
    wait_until(lambda: len(sockets(server)) == 2, "the workers do not listen")
    before = {pid: cpu_s(pid) for pid in server.workers()}
    asked = 0
    while asked < REQUESTS or any(cpu_s(pid) <= spent for pid, spent in before.items()):
        ask(server, REQUESTS)
        asked += REQUESTS
        assert asked < 50 * REQUESTS, "one of the workers has done nothing"
    assert server.post("/activate/relu", {"tensor": "x"}).status == 422
    (found,) = server.get("/v2/models/relu/stats").json()["model_stats"]
    assert (found["inference_count"], found["execution_count"]) == (asked, asked)
    assert found["inference_stats"]["success"]["count"] == asked
    assert found["inference_stats"]["fail"]["count"] == 1


def test_workers_listen_in_a_folder_of_their_own_and_a_dead_ones_socket_goes(serve: Any, wait_until: Any) -> None:
    server = serve("--workers", "2")
    wait_until(lambda: len(sockets(server)) == 2, "the workers do not listen")
    (folder,) = {socket.parent for socket in sockets(server)}
    assert folder.stat().st_mode & 0o777 == 0o700
    killed = min(server.workers())
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: folder / f"worker-{killed}.sock" not in sockets(server), "its socket was left")
    wait_until(lambda: len(sockets(server)) == 2, "the new worker does not listen")
    assert server.stop() == 0
    assert not folder.exists()
