"""Probes and metrics."""

from __future__ import annotations

import re
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from service.app import assemble
from service.settings import Settings
from service.tensors import BY_NAME


@pytest.mark.parametrize("path", ["/health/live", "/v2/health/live", "/health/ready", "/v2/health/ready"])
def test_probe_of_good_service_is_200(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 200
    assert client.head(path).status_code == 200


@pytest.mark.parametrize("path", ["/health/ready", "/v2/health/ready"])
def test_readiness_beside_broken_file_is_503_with_reason(
    start: Callable[..., TestClient], is_error: Any, tmp_path: Path, path: str
) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"this is no graph")
    client = start(models=tmp_path)
    answer = client.get(path)
    body = is_error(answer, 503)
    assert "broken" in body["error"]
    assert body["details"][0]["path"] == "models"
    assert int(answer.headers["retry-after"]) > 0
    assert client.get("/health/live").status_code == 200
    assert client.post("/activate/relu", json={"tensor": [-1, 2]}).json()["tensor"] == [0.0, 2.0]


@pytest.mark.parametrize("datatype", ["FP32", "FP16"])
def test_device_that_is_lost_ends_readiness_and_life(is_error: Any, datatype: str) -> None:
    parts = assemble(Settings(providers="cpu"))
    with TestClient(parts.app) as client:
        relu = parts.repository.activation("relu")
        session = relu.in_datatype(BY_NAME[datatype])
        session.fault = "CUDA failure 700: an illegal memory access was encountered, and it cannot be loaded again: no."
        for path in ("/health/live", "/v2/health/live", "/health/ready"):
            assert "`relu` version 1: CUDA failure 700" in is_error(client.get(path), 503)["error"]
        session.fault = None
        assert client.get("/health/live").status_code == client.get("/health/ready").status_code == 200


def test_readiness_without_any_network_is_503(start: Callable[..., TestClient], is_error: Any) -> None:
    client = start(no_shipped_models=True)
    assert "No model" in is_error(client.get("/health/ready"), 503)["error"]
    assert client.get("/activations/relu").status_code == 200


def test_readiness_while_draining_is_503_and_requests_are_answered(is_error: Any) -> None:
    parts = assemble(Settings(providers="cpu"))
    with TestClient(parts.app) as client:
        parts.lifecycle.drain()
        answer = client.get("/health/ready")
        assert "stopping" in is_error(answer, 503)["error"]
        late = client.post("/activate/relu", json={"tensor": -1})
        assert late.json()["tensor"] == 0.0
        assert late.headers["connection"] == "close"
        assert client.get("/health/live").status_code == 200
        assert sample(client, "actserve_ready") == 0


def sample(client: TestClient, name: str) -> float:
    """One series by its full name and labels, 0 where it is not there."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", client.get("/metrics").text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_metrics_count_rows_requests_stages_and_errors(start: Callable[..., TestClient], folder: Path) -> None:
    client = start(models=folder)
    for _ in range(3):
        client.post("/predict/same_fp32", json={"instances": [[1, 2], [3, 4]]})
    client.post("/predict/same_fp32", content=b"{", headers={"content-type": "application/json"})
    client.get("/no/such/path")
    assert sample(client, 'actserve_rows_total{model="same_fp32",version="1"}') == 6
    path = "/predict/{model}"
    assert sample(client, f'actserve_requests_total{{method="POST",path="{path}",status="200"}}') == 3
    assert sample(client, f'actserve_requests_total{{method="POST",path="{path}",status="400"}}') == 1
    assert sample(client, 'actserve_requests_total{method="GET",path="unmatched",status="404"}') == 1
    assert sample(client, 'actserve_errors_total{reason="bad_body"}') == 1
    assert sample(client, 'actserve_errors_total{reason="not_found"}') == 1
    assert sample(client, f'actserve_request_duration_seconds_count{{path="{path}"}}') == 4
    for stage in ("decode", "queue", "compute", "encode"):
        assert sample(client, f'actserve_stage_duration_seconds_count{{stage="{stage}"}}') == 3
    assert sample(client, "actserve_ready") == 1
    assert sample(client, "actserve_queue_rows") == 0
    assert sample(client, "actserve_requests_in_flight") == 1
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    assert used / 4 < sample(client, "actserve_resident_bytes") < used * 1.01


def test_metrics_tell_each_model_with_its_provider(client: TestClient) -> None:
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    info = 'actserve_model_info{model="relu",provider="CPUExecutionProvider",task="activation",version="1"}'
    assert sample(client, info) == 1
    assert 'model="versions",provider="CPUExecutionProvider",task="",version="10"' in answer.text
