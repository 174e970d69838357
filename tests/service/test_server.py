"""What a running server has imported: every module is memory of each worker and time of each start."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

SERVE = """
import json, os, signal, sys, threading, time, urllib.request

def ask(path, body=None):
    request = urllib.request.Request("http://127.0.0.1:{port}" + path, body, {{"Content-Type": "application/json"}})
    urllib.request.urlopen(request, timeout=30).read()

def look():
    try:
        while True:
            try:
                ask("/health/ready")
                break
            except OSError:
                time.sleep(0.05)
        for path in ("/models", "/metrics", "/activations/relu/curve"):
            ask(path)
        ask("/predict", json.dumps({{"instances": [[0.5] * 784]}}).encode())
        ask("/activate/relu", b'{{"tensor": [-1]}}')
        print("imported", json.dumps(sorted(sys.modules)), flush=True)
    finally:
        os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=look, daemon=True).start()
from service.cli import main
main(["serve", "--port", "{port}", "--grpc-port", "{grpc_port}"])
"""
NEEDED = {
    "anyio",
    "click",
    "csimdjson",
    "httptools",
    "ml_dtypes",
    "numpy",
    "onnxruntime",
    "orjson",
    "prometheus_client",
    "service",
    "simdjson",
    "starlette",
    "typing_extensions",
    "uvicorn",
    "uvloop",
}
OF_GRPC = {"google", "grpc", "grpc_health", "grpc_tools"}  # the last where it happens to be installed
# Ray and selenium bring them here, and grpc, uvicorn and anyio import what they find.
NOT_IN_THE_IMAGE = {"grpc_reflection", "sniffio", "watchfiles"}
OF_CYTHON = "cython_runtime"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def imported(grpc_port: int) -> set[str]:
    """The modules that are no part of Python, in a server that has answered a request of each kind."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE_", "ACTSERVE_"))}
    done = subprocess.run(
        [sys.executable, "-c", SERVE.format(port=free_port(), grpc_port=grpc_port)],
        cwd=Path(__file__).parents[2],
        env=environment | {"ACTSERVE_ACTIVATION_SAMPLE_RATE": "0"},  # what measures a sample needs onnx
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("imported "))
    names = json.loads(line.removeprefix("imported "))
    return {name for name in names if name.partition(".")[0] not in sys.stdlib_module_names}


@pytest.mark.parametrize("has_grpc", [True, False])
def test_server_has_imported_nothing_that_it_does_without(has_grpc: bool) -> None:
    """FastAPI and pydantic (14 MB, a fifth of a second) before somebody asks for the OpenAPI document, onnx (40 MB),
    Pillow, and gRPC where it is switched off."""
    found = imported(free_port() if has_grpc else 0)
    packages = {name.partition(".")[0] for name in found}
    packages = {name for name in packages if not name.startswith("_")} - {OF_CYTHON}
    assert packages - NEEDED - NOT_IN_THE_IMAGE - (OF_GRPC if has_grpc else set()) == set()
    assert {"service", "numpy", "onnxruntime"} <= packages
    assert found & {"service.framework", "service.codecs.image"} == set()
    assert ("service.rpc.server" in found) == has_grpc
