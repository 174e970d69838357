import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import procfs
from benchmarks.cases import Case
from benchmarks.faces import raw
from benchmarks.processes import Server, ServerError

PATIENCE_S = 30
# The first process starts a worker that leads a session of its own, as BentoML's does, and that says when it is there.
WORKER = "import sys, time; print('ready', flush=True); time.sleep(600)"
TAKER = """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
print("ready", flush=True)
while signal.sigwait([signal.SIGUSR1]):
    print(len(b"x" * 2**26), flush=True)
"""
FIRST = f"""
import subprocess, sys, time
worker = subprocess.Popen([sys.executable, "-c", {WORKER!r}], start_new_session=True)
time.sleep(600)
"""


def until(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.processes.STOP_S", 0.5)  # the worker left behind is never asked to end
    server = Server([sys.executable, "-c", FIRST], dict(os.environ), 1, tmp_path / "log")
    try:
        until(lambda: "ready" in (tmp_path / "log").read_text())
        yield server
    finally:
        server.stop()


def states(server):
    """The states of the server's processes, by number."""
    stats = {process.pid: Path(f"/proc/{process.pid}/stat").read_text() for process in server._members()}
    return {pid: text.rpartition(")")[2].split()[0] for pid, text in stats.items()}


def test_a_worker_in_a_session_of_its_own_counts(server):
    first, worker = sorted(server._members(), key=lambda process: process.started)
    assert worker.parent == first.pid
    assert worker.session == worker.pid != first.session
    assert server.cpu_s() >= worker.cpu_s > 0
    assert server.resident_mib() > server.memory_mib() > worker.proportional_kib() / 1024 > 1


def test_the_precise_clock_is_that_of_the_same_process(server):
    assert server.precise_cpu_s() == pytest.approx(server.cpu_s(), abs=0.1)
    me = next(process for process in procfs.running() if process.pid == os.getpid())
    assert me.precise_cpu_s() <= time.process_time() <= me.precise_cpu_s()


def test_all_processes_are_frozen_and_thawed(server):
    server.freeze()
    until(lambda: set(states(server).values()) == {"T"})
    server.thaw()
    until(lambda: "T" not in states(server).values())


def test_stopping_ends_a_worker_that_its_parent_left_behind(server):
    numbers = list(states(server))
    assert len(numbers) == 2
    server.stop()
    assert not {process.pid for process in procfs.running()} & set(numbers)


def test_a_process_that_has_the_number_of_another_later_is_not_taken_for_it():
    me = next(process for process in procfs.running() if process.pid == os.getpid())
    assert me not in procfs.family(-1, [me], {(me.pid, me.started + 1)})
    assert me in procfs.family(-1, [me], {(me.pid, me.started)})


def test_peak_of_memory_is_that_since_it_was_reset(tmp_path):
    """64 MiB are taken and given back at each signal."""
    log = tmp_path / "log"
    server = Server([sys.executable, "-c", TAKER], dict(os.environ), 1, log)
    try:
        until(lambda: "ready" in log.read_text())
        idle = server.resident_mib()
        os.kill(server._process.pid, signal.SIGUSR1)
        until(lambda: "67108864" in log.read_text())
        assert 60 < server.peak_mib() - idle < 80
        server.reset_peak()
        assert server.peak_mib() - idle < 20
    finally:
        server.stop()


def test_a_server_that_ends_at_once_is_an_error_that_names_its_log(tmp_path):
    server = Server([sys.executable, "-c", "raise SystemExit(3)"], dict(os.environ), 1, tmp_path / "log")
    rows = Case("raw", 1, 1).batches()[0]
    with pytest.raises(ServerError, match="log"):
        server.wait(raw("/"), rows, rows)
    server.stop()


def test_a_process_that_is_gone_has_no_memory():
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    process = procfs.Process(int(gone.stdout), 1, 1, 1, 0.0)
    assert process.resident_kib() == process.peak_kib() == process.proportional_kib() == 0
