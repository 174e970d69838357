"""KServe's own client, unmodified, over REST and gRPC; and its models, which say what its manifests may have.

It asks for an older python-dateutil than the training side has, and brings sixty packages: it gets an environment of
its own, made once in build/kserve."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

HERE = Path(__file__).parent / "kserve"
ROOT = Path(__file__).parents[2]
ENVIRONMENT = ROOT / "build" / "kserve"
PATIENCE_S = 600  # for the network

DATATYPES = ("BOOL", "INT8", "INT64", "UINT64", "FP32", "FP64", "BYTES")


@pytest.fixture(scope="module")
def python() -> Path:
    """The interpreter of an environment with exactly the packages of `requirements.txt`."""
    packages = HERE / "requirements.txt"
    interpreter, stamp = ENVIRONMENT / "bin" / "python", ENVIRONMENT / "made-from.txt"
    if not stamp.is_file() or stamp.read_text() != packages.read_text():
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        run(sys.executable, "-m", "venv", "--without-pip", str(ENVIRONMENT))
        pip = (sys.executable, "-m", "pip", "--python", str(interpreter), "--quiet", "--disable-pip-version-check")
        # All packages are named, so nothing is to be resolved; compiling those that are never imported takes longest.
        run(*pip, "install", "--no-deps", "--no-compile", "-r", str(packages))
        shutil.copy(packages, stamp)
    return interpreter


def run(*command: str, sent: str = "") -> str:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COVERAGE", "COV_"))}
    done = subprocess.run(
        command, input=sent, capture_output=True, text=True, timeout=PATIENCE_S, check=False, env=plain
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def found(python: Path, protocol_server: Any) -> dict[str, dict[str, Any]]:
    """What the client understood, by face."""
    url, address = f"http://127.0.0.1:{protocol_server.port}", f"127.0.0.1:{protocol_server.grpc_port}"
    answers: dict[str, dict[str, Any]] = json.loads(run(str(python), str(HERE / "client.py"), url, address))
    return answers


@pytest.mark.parametrize("face", ["rest", "grpc"])
def test_health_and_readiness_are_understood(found: dict[str, dict[str, Any]], face: str) -> None:
    assert found[face]["live"] is True
    assert found[face]["ready"] is True
    assert found[face]["models"] == [True, False]


@pytest.mark.parametrize("datatype", [*DATATYPES, "FP16"])
def test_tensors_come_back_exactly(found: dict[str, dict[str, Any]], datatype: str) -> None:
    ways = {"rest": ["JSON", "binary"], "grpc": ["raw", "typed"]}
    told = {(face, way): found[face].get(f"{datatype} {way}") for face in ways for way in ways[face]}
    only_binary = {("rest", "JSON"), ("grpc", "typed")} if datatype == "FP16" else set()
    assert told == {key: None if key in only_binary else True for key in told}


def test_first_version_of_the_protocol_is_understood(found: dict[str, dict[str, Any]]) -> None:
    assert found["v1"]["models"] == [True]
    assert found["v1"]["answer"]["predictions"] == [[1, 2], [3, 4]]


@pytest.mark.parametrize("face", ["rest", "grpc", "v1"])
def test_refusals_carry_our_sentence(found: dict[str, dict[str, Any]], face: str) -> None:
    assert "There is no model `zork`" in found[face]["refusal"]


@pytest.fixture(scope="module")
def manifests() -> dict[str, dict[str, Any]]:
    """Those of kinds that operators bring, by kind and name: rendered by kustomize or applied as they are."""
    files = [*(ROOT / "tests" / "assets" / "kubernetes").glob("*.yaml"), *(ROOT / "deploy" / "kserve").rglob("*.yaml")]
    found = [
        manifest for file in files for manifest in yaml.safe_load_all(file.read_text()) if isinstance(manifest, dict)
    ]
    alerts = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())
    head = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "metadata": {"name": "actserve"}}
    found.append(head | {"spec": alerts})
    groups = ("serving.kserve.io/", "monitoring.coreos.com/")
    return {f"{one['kind']} {one['metadata']['name']}": one for one in found if one["apiVersion"].startswith(groups)}


def problems(python: Path, manifests: list[dict[str, Any]]) -> list[list[str]]:
    found: list[list[str]] = json.loads(run(str(python), str(HERE / "schemas.py"), sent=json.dumps(manifests)))
    return found


def test_manifests_of_operators_fit_their_kinds(python: Path, manifests: dict[str, dict[str, Any]]) -> None:
    kinds = {name.partition(" ")[0] for name in manifests}
    of_kserve = {"ServingRuntime", "ClusterServingRuntime", "InferenceService"}
    assert kinds == {*of_kserve, "ServiceMonitor", "PrometheusRule"}
    assert dict(zip(manifests, problems(python, list(manifests.values())), strict=True)) == {
        name: [] for name in manifests
    }


def test_mistakes_in_manifests_are_found(python: Path, manifests: dict[str, dict[str, Any]]) -> None:
    runtime, service, monitor = (
        copy.deepcopy(manifests[name])
        for name in ("ServingRuntime actserve", "InferenceService boots", "ServiceMonitor actserve")
    )
    runtime["spec"]["containers"][0]["readinessprobe"] = {}
    del service["spec"]["predictor"]["model"]["modelFormat"]
    monitor["spec"]["endpoints"][0]["pathname"] = "/metrics"
    found = problems(python, [runtime, service, monitor])
    assert found[0] == ["ServingRuntime.spec.containers.0.readinessprobe: V1Container has no such field"]
    assert "`model_format`" in found[1][0]
    assert found[2] == ["ServiceMonitor.spec.endpoints.0.pathname: Endpoint has no such field"]
