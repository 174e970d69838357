"""The service as replicas of Ray Serve: what the configuration file says, what a replica refuses, and two nodes of
which one is lost. That replicas keep the contract is seen by its own tests with `--server ray`."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Timer
from typing import Any

import numpy as np
import pytest
import yaml

from deploy.ray.options import BESIDE, checked, limits, scaling
from service.errors import SettingsError

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "deploy" / "ray" / "config.yaml"
CLUSTER = Path(__file__).parent / "ray" / "cluster.py"
SERVE = Path(sys.executable).with_name("serve")
PATIENCE_S = 180.0  # two cores that start two nodes, two proxies and two replicas
LIFE_S = 900.0
CONNECTIONS = 16
OF_COVERAGE = ("COVERAGE_", "COV_CORE_")
# Ray's nodes listen on the loopback interface alone. Its proxies send requests to any replica, and not first to that
# of their own node, so that those of both nodes have some under way on the one that is lost.
OF_RAY = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_SERVE_PROXY_PREFER_LOCAL_NODE_ROUTING": "0",
    "PYTHONPATH": str(ROOT),
}


def test_arguments_of_the_configuration_file_are_settings_and_agree_with_it() -> None:
    config = yaml.safe_load(CONFIG.read_text())
    (app,) = config["applications"]
    settings = checked(app["args"])
    assert settings.request_timeout_s < config["http_options"]["request_timeout_s"]
    (deployment,) = app["deployments"]
    assert not limits(settings).keys() & deployment.keys()  # so those that follow from the settings hold
    assert deployment["autoscaling_config"]["target_ongoing_requests"] == settings.max_batch_size


def test_what_ray_decides_follows_from_the_settings() -> None:
    settings = checked({"max_queue_rows": "100", "max_batch_size": 10, "drain_timeout_s": 7})
    found = limits(settings) | scaling(settings, 8)
    assert found["max_ongoing_requests"] == 110 + BESIDE
    assert found["graceful_shutdown_timeout_s"] == 7
    assert (found["target_ongoing_requests"], found["max_replicas"]) == (10, 8)


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ({"port": 8000}, "--port: expected nothing under Ray Serve, where the port is in `http_options`."),
        ({"grpc_port": 8001}, "--grpc-port: expected nothing under Ray Serve, where gRPC is not offered."),
        ({"model_control": "explicit"}, "a call reaches one replica"),
        ({"max_queue_rows": "many"}, "--max-queue-rows (ACTSERVE_MAX_QUEUE_ROWS): expected"),
        ({"zork": 1}, "there is no such setting"),
    ],
)
def test_arguments_without_a_meaning_there_are_refused(args: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError) as refused:
        checked(args)
    assert sentence in str(refused.value)


@pytest.fixture
def crowded(server: Any, slow_models: Path, tmp_path: Path) -> Iterator[Any]:
    """One replica that runs one slow request and lets one wait."""
    arguments = ("--models", str(slow_models), "--max-queue-rows", "1", "--workers", "1")
    command = (sys.executable, "-m", "deploy.ray")
    found = type(server)(arguments, tmp_path / "ray.log", {}, measured=False, command=command)
    found.wait_until_live()
    yield found
    assert found.stop() == 0


def test_full_queue_and_a_caller_who_leaves_are_the_services_matter_and_not_rays(crowded: Any, wait_until: Any) -> None:
    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(crowded.post, "/predict/slow", {"inputs": 3000}) for _ in range(8)]
        answers = [one.result() for one in asked]
    refused = next(answer for answer in answers if answer.status == 429)
    assert {answer.status for answer in answers} == {200, 429}
    assert "The queue is full" in refused.json()["error"]
    assert int(refused.headers["retry-after"]) >= 1
    with crowded.connect() as connection:
        body = b'{"inputs": 1000000000}'  # hours
        head = b"POST /predict/slow HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        connection.sendall(head % len(body) + body)
        wait_until(lambda: crowded.metrics()["actserve_requests_in_flight"] == 2, "the request did not arrive")
    wait_until(lambda: crowded.metrics()["actserve_requests_in_flight"] == 1, "the caller is still waited for")
    left = 'actserve_errors_total{reason="disconnected"}'
    wait_until(lambda: crowded.metrics().get(left) == 1, "the caller was not counted as one who left")
    assert crowded.post("/predict/slow", {"inputs": 1}).status == 200


@pytest.fixture
def variables() -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(OF_COVERAGE)}
    return plain | OF_RAY | {"RAY_AUTH_TOKEN": secrets.token_hex(32)}


class Cluster:
    """The process of `ray/cluster.py`."""

    def __init__(self, variables: dict[str, str], log: Path) -> None:
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, CLUSTER],
                env=variables,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        self._end = Timer(LIFE_S, self._process.kill)
        self._end.start()
        self.address = self._hear()

    def ask(self, what: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        return self._hear()

    def wait_for(self, in_service: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while (found := self.ask("look")) != in_service:
            assert time.monotonic() < deadline, f"{found} replicas and proxies instead of {in_service}"
            time.sleep(0.2)

    def close(self) -> None:
        with self._process as process:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
        self._end.cancel()

    def _hear(self) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("> "):
                return line[2:].strip()
        raise AssertionError("the cluster ended")


@pytest.fixture
def cluster(variables: dict[str, str], tmp_path: Path) -> Iterator[Cluster]:
    found = Cluster(variables, tmp_path / "cluster.log")
    yield found
    found.close()


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        found: int = probe.getsockname()[1]
        return found


@pytest.fixture
def deployed(cluster: Cluster, variables: dict[str, str], port: int, tmp_path: Path) -> Cluster:
    """The application of the configuration file, with one replica and one proxy on each node."""
    config = yaml.safe_load(CONFIG.read_text())
    config["http_options"] |= {"host": "127.0.0.1", "port": port}
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(config))
    command = [SERVE, "run", "--non-blocking", "--address", cluster.address, file]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    cluster.wait_for("2 2")
    return cluster


@dataclass
class Load:
    """Clients that ask one after the other until they are told to stop, and what they got."""

    port: int
    body: bytes
    good: list[tuple[float, bytes]] = field(default_factory=list)
    failed: list[tuple[float, float]] = field(default_factory=list)
    is_over: Event = field(default_factory=Event)

    def ask_on(self) -> None:
        """On one connection as long as it lasts, then on the next; notes when each request began, and when a failed one
        ended."""
        while not self.is_over.is_set():
            client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
            began = time.monotonic()
            with suppress(OSError, http.client.HTTPException):
                while not self.is_over.is_set():
                    began = time.monotonic()
                    client.request("POST", "/predict", self.body, {"Content-Type": "application/json"})
                    answer = client.getresponse()
                    answered = answer.read()
                    if answer.status != 200:
                        break
                    self.good.append((began, answered))
            client.close()
            if not self.is_over.is_set():
                self.failed.append((began, time.monotonic()))
                time.sleep(0.05)

    def wait_for_more(self, count: int) -> None:
        deadline, target = time.monotonic() + PATIENCE_S, len(self.good) + count
        while len(self.good) < target:
            assert time.monotonic() < deadline, f"{len(self.good)} answers of {target}, {len(self.failed)} failures"
            time.sleep(0.05)


@pytest.fixture
def load(port: int, rows: np.ndarray, deployed: Cluster) -> Iterator[Load]:
    found = Load(port, json.dumps({"instances": rows[:1].tolist()}).encode())
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        clients = [pool.submit(found.ask_on) for _ in range(CONNECTIONS)]
        yield found
        found.is_over.set()
    for client in clients:
        client.result()


def test_node_that_is_lost_under_load_costs_what_it_had_under_way_and_no_more(
    deployed: Cluster, load: Load, rows: np.ndarray, oracle: Any
) -> None:
    load.wait_for_more(200)
    assert not load.failed
    lost = time.monotonic()
    deployed.ask("lose")
    load.wait_for_more(200)  # while Ray has not yet noticed, too
    deployed.wait_for("1 1")
    noticed = time.monotonic()
    load.wait_for_more(200)
    deployed.ask("gain")
    deployed.wait_for("2 2")
    load.wait_for_more(200)
    assert all(lost < ended and began < noticed for began, ended in load.failed), (lost, noticed, load.failed)
    assert 0 < len(load.failed) <= 2 * CONNECTIONS
    (answer,) = {answer for _, answer in load.good}
    scores = json.loads(answer)["predictions"][0]["scores"]
    assert np.array_equal(np.float32(scores), oracle("fashion_mnist", "probabilities", input=rows[:1])[0])
