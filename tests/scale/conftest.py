"""Three hosts behind HAProxy. `make test-scale` starts these tests, in namespaces of their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import clients
import graphs
import network
import numpy as np
import onnxruntime
import pytest
from clients import Load, Question
from hosts import Host
from proxy import Proxy

SHIPPED = Path(__file__).parents[2] / "models" / "repository"
PRODUCTS = 50  # about a tenth of a second


@dataclass(frozen=True, slots=True)
class Lab:
    """What the tests work with; each leaves all hosts running."""

    hosts: dict[str, Host]
    proxy: Proxy


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    graphs.write_scaled(folder, 1)
    graphs.write_slow(folder, PRODUCTS)
    return folder


@pytest.fixture(scope="session")
def lab(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("hosts")
    network.build()
    lab = Lab({name: Host(name, folder, models) for name in network.HOSTS}, Proxy(folder))
    try:
        for host in lab.hosts.values():
            host.start()
        for host in lab.hosts.values():
            host.wait_until_ready()
        lab.proxy.start()
        yield lab
    finally:
        lab.proxy.stop()
        for host in lab.hosts.values():
            host.stop()
    assert not [name for name, host in lab.hosts.items() if "Traceback" in host.log.read_text()]


@pytest.fixture(scope="session")
def answered() -> Callable[[int], tuple[np.ndarray, np.ndarray]]:
    """So many rows for the network that ships, and the probabilities that onnxruntime itself gives for them."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    file = SHIPPED / "fashion_mnist" / "1" / "model.onnx"
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    def made(count: int) -> tuple[np.ndarray, np.ndarray]:
        rows = np.random.default_rng(count).random((count, 784), np.float32)
        return rows, session.run(["probabilities"], {"input": rows})[0]

    return made


@pytest.fixture
def steady_load(lab: Lab, answered: Callable[[int], tuple[np.ndarray, np.ndarray]]) -> AbstractContextManager[Load]:
    """Short requests on kept and new connections, ones larger than the proxy's buffer, slow ones, and gRPC."""
    one, many = answered(1), answered(64)
    questions: list[Question] = [clients.raw("kept", *one, 0.05) for _ in range(4)]
    questions += [clients.raw("new", *one, 0.1, keeps=False) for _ in range(2)]
    questions += [clients.raw("large", *many, 0.1)]
    questions += [clients.slow(0.2) for _ in range(2)]
    return clients.asking(questions, (*one, 0.1))
