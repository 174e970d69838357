"""KServe's contract, kept by the real server with the very arguments of deploy/kserve.

Two values are another machine's: the folder that KServe mounts at /mnt/models, and the ports, of which this machine may
have given one away. https://kserve.github.io/website/docs/concepts/resources/servingruntime"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton
import yaml

ROOT = Path(__file__).parents[2]
KSERVE = ROOT / "deploy" / "kserve"
MOUNTED = "/mnt/models"
SERVICES = sorted(file.name for file in KSERVE.glob("*.yaml"))

# What is in the folder, and which of it answers.
LAYOUTS = {
    "file": {"model.onnx": "digits"},
    "file of another name": {"mnist-12.onnx": "digits"},
    "versions": {"1/model.onnx": "fashion_mnist", "2/model.onnx": "digits"},
    "folder of one model": {"mnist/1/model.onnx": "digits"},
    "folder of several models": {"boots/1/model.onnx": "digits", "other/1/model.onnx": "fashion_mnist"},
}

Container = dict[str, Any]


def document(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def filled_in(given: Any, name: str) -> Any:
    """As KServe does it: everywhere in the container."""
    if isinstance(given, dict):
        return {key: filled_in(value, name) for key, value in given.items()}
    if isinstance(given, list):
        return [filled_in(value, name) for value in given]
    return given.replace("{{.Name}}", name) if isinstance(given, str) else given


def container_of(service: dict[str, Any]) -> Container:
    """The runtime's container with what the InferenceService says on top; arguments are added, not replaced."""
    model = service["spec"]["predictor"]["model"]
    [container] = document(KSERVE / "runtime" / "runtime.yaml")["spec"]["containers"]
    merged = container | {name: model[name] for name in ("ports", "env") if name in model}
    merged["args"] = container["args"] + model.get("args", [])
    made: Container = filled_in(merged, service["metadata"]["name"])
    return made


Run = Callable[[Container, str, Path], Any]


@pytest.fixture
def run(serve: Any) -> Run:
    """Starts a container's command, with `folder` in the place of `mounted`."""

    def start(container: Container, mounted: str, folder: Path) -> Any:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            grpc_port = probe.getsockname()[1]
        command, *arguments = (argument.replace(mounted, str(folder)) for argument in container["args"])
        assert command == "serve"
        assert {"--port=8080", "--grpc-port=9000"} <= set(arguments)
        ports = {"--port=8080": "--port=0", "--grpc-port=9000": f"--grpc-port={grpc_port}"}
        server = serve(*(ports.get(argument, argument) for argument in arguments), ACTSERVE_PORT="tcp://10.0.0.1:80")
        server.grpc_port = grpc_port
        return server

    return start


@pytest.fixture
def laid(shipped: Path, tmp_path: Path) -> Callable[[dict[str, str]], Path]:
    """A folder with these files, each a shipped network."""

    def lay(files: dict[str, str]) -> Path:
        for path, name in files.items():
            (tmp_path / "mounted" / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "mounted" / path).write_bytes((shipped / name / "1" / "model.onnx").read_bytes())
        return tmp_path / "mounted"

    return lay


def probed(server: Any, container: Container, probe: str) -> int:
    status: int = server.get(container[f"{probe}Probe"]["httpGet"]["path"]).status
    return status


def speaks_all_protocols(server: Any, name: str, rows: np.ndarray, expected: np.ndarray) -> None:
    answer = server.post(f"/v1/models/{name}:predict", {"instances": rows.tolist()})
    assert [one["index"] for one in answer.json()["predictions"]] == expected.argmax(axis=1).tolist()
    tensor = {"name": "input", "shape": list(rows.shape), "datatype": "FP32", "data": rows.ravel().tolist()}
    answer = server.post(f"/v2/models/{name}/infer", {"inputs": [tensor], "outputs": [{"name": "probabilities"}]})
    assert answer.status == 200, answer.body
    [output] = answer.json()["outputs"]
    assert np.array(output["data"], np.float32).tobytes() == expected.tobytes()
    with triton.InferenceServerClient(f"127.0.0.1:{server.grpc_port}") as client:
        assert client.is_model_ready(name)
        sent = triton.InferInput("input", list(rows.shape), "FP32").set_data_from_numpy(rows)
        found = client.infer(name, [sent], outputs=[triton.InferRequestedOutput("probabilities")])
        assert found.as_numpy("probabilities").tobytes() == expected.tobytes()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_model_that_kserve_mounts_answers_under_the_service_s_name(
    run: Run, laid: Any, oracle: Any, rows: np.ndarray, layout: str
) -> None:
    container = container_of(document(KSERVE / "storage.yaml"))
    server = run(container, MOUNTED, laid(LAYOUTS[layout]))
    assert (probed(server, container, "readiness"), probed(server, container, "liveness")) == (200, 200)
    speaks_all_protocols(server, "boots", rows, oracle("digits", "probabilities", input=rows))
    assert server.get("/v1/models/boots").json() == {"name": "boots", "ready": True}
    for other in ("fashion_mnist", "digits", "mnist", "mnist-12", "model"):
        assert server.get(f"/v2/models/{other}").status == 404
    versions = server.get("/v2/models/boots").json()["versions"]
    assert sorted(versions) == (["1", "2"] if layout == "versions" else ["1"])


def test_shipped_network_answers_under_the_service_s_name(
    run: Run, shipped: Path, oracle: Any, rows: np.ndarray
) -> None:
    container = container_of(document(KSERVE / "shipped.yaml"))
    [environment] = set(re.findall(r"^RUN python -m venv --without-pip (\S+)$", dockerfile(), re.MULTILINE))
    [python] = set(re.findall(r"^FROM (python\d?:3\.\d+)-", dockerfile(), re.MULTILINE))
    packages = f"{environment}/lib/{python.replace(':', '')}/site-packages"
    server = run(container, f"{packages}/models/repository", shipped)
    assert (probed(server, container, "readiness"), probed(server, container, "liveness")) == (200, 200)
    speaks_all_protocols(server, "fashion-mnist", rows, oracle("fashion_mnist", "probabilities", input=rows))


def dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text()


@pytest.mark.parametrize("files", [{"model.onnx": b"no graph"}, {}], ids=["broken", "empty"])
def test_model_that_cannot_be_served_is_not_ready_and_the_server_lives(
    run: Run, tmp_path: Path, files: dict[str, bytes]
) -> None:
    (tmp_path / "mounted").mkdir()
    for name, content in files.items():
        (tmp_path / "mounted" / name).write_bytes(content)
    container = container_of(document(KSERVE / "storage.yaml"))
    server = run(container, MOUNTED, tmp_path / "mounted")
    assert probed(server, container, "readiness") in (503, 404)
    assert probed(server, container, "liveness") == 200
    assert server.get("/health/ready").status == 503


@pytest.mark.parametrize("name", SERVICES)
def test_inference_service_asks_for_what_the_runtime_has(name: str) -> None:
    service = document(KSERVE / name)
    runtime = document(KSERVE / "runtime" / "runtime.yaml")
    model = service["spec"]["predictor"]["model"]
    assert model["runtime"] == runtime["metadata"]["name"]
    assert model["modelFormat"]["name"] in {one["name"] for one in runtime["spec"]["supportedModelFormats"]}
    assert model["protocolVersion"] in runtime["spec"]["protocolVersions"]
    ports = {one["name"]: one["containerPort"] for one in model.get("ports", [])}
    known = dict(re.findall(r"--((?:grpc-)?port)=(\d+)", " ".join(container_of(service)["args"])))
    assert ports.items() <= {"http1": int(known["port"]), "h2c": int(known["grpc-port"])}.items()
    if service["metadata"].get("annotations", {}).get("serving.kserve.io/deploymentMode") != "Standard":
        assert len(ports) <= 1
