"""The shipped models on a CUDA device, and beside it on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from service.app import create_app
from service.model import Model
from service.session import Runtime
from service.settings import Settings

SHIPPED = Path(__file__).parents[2] / "models" / "repository"
Load = Callable[[str], Model]


def loaded(runtime: Runtime) -> Load:
    known: dict[str, Model] = {}

    def load(name: str) -> Model:
        if name not in known:
            known[name] = Model(name, "1", SHIPPED / name / "1" / "model.onnx", runtime)
        return known[name]

    return load


@pytest.fixture(scope="session")
def on_cpu() -> Load:
    return loaded(Runtime("cpu", 1))


@pytest.fixture(scope="session")
def on_cuda() -> Load:
    return loaded(Runtime("cuda", 1))


@pytest.fixture(scope="session")
def client() -> Iterator[TestClient]:
    """Of the application as `--providers cuda` makes it."""
    with TestClient(create_app(Settings(providers="cuda"))) as found:
        yield found
