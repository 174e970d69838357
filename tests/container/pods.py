"""Runs the pods of deploy/kubernetes and deploy/kserve under podman, which reads manifests of Kubernetes: the loader
fills the volume of models, the others serve from it, and are stopped as a node stops them."""

from __future__ import annotations

import copy
import io
import json
import os
import socket
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import yaml
from grpc_health.v1 import health_pb2, health_pb2_grpc

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
RENDERED = ROOT / "tests" / "assets" / "kubernetes"
DIGITS = ROOT / "models" / "repository" / "digits" / "1" / "model.onnx"
CLAIM = "actserve-models"
START_S = 60
NETWORK = ("--network", "slirp4netns")

Manifest = dict[str, Any]


def podman(*arguments: str, sent: bytes = b"") -> str:
    done = subprocess.run(["podman", *arguments], input=sent, capture_output=True, timeout=120, check=False)
    check(done.returncode == 0, f"podman {' '.join(arguments[:2])} {done.stderr.decode()[-500:].strip()}".strip())
    return done.stdout.decode()


def check(fact: object, sentence: str) -> None:
    if not fact:
        sys.exit(f"pods: {sentence}: FAILED")
    if not sentence.startswith("podman"):
        print(f"pods: {sentence}: ok", flush=True)


def documents(file: Path) -> list[Manifest]:
    return list(yaml.safe_load_all(file.read_text()))


def pod_of(manifest: Manifest) -> Manifest:
    found: Manifest = manifest["spec"] if manifest["kind"] == "Pod" else manifest["spec"]["template"]["spec"]
    return found


def overlay(name: str) -> Manifest:
    """The Deployment, as kustomize rendered it."""
    [found] = [one for one in documents(RENDERED / f"{name}.yaml") if one["kind"] == "Deployment"]
    return found


def inference_service() -> Manifest:
    """The pod that KServe makes of the runtime and of deploy/kserve/storage.yaml, the model mounted where its
    storage initializer would have put it."""
    [service], [runtime] = (documents(DEPLOY / "kserve" / path) for path in ("storage.yaml", "runtime/runtime.yaml"))
    name = service["metadata"]["name"]
    predictor = service["spec"]["predictor"]
    spec = json.loads(json.dumps(runtime["spec"]).replace("{{.Name}}", name))
    [container] = spec["containers"]
    container |= {key: predictor["model"][key] for key in ("ports", "lifecycle")}
    container["volumeMounts"].append({"name": "models", "mountPath": "/mnt/models", "readOnly": True})
    spec["volumes"].append({"name": "models", "persistentVolumeClaim": {"claimName": CLAIM}})
    kept = {key: spec[key] for key in ("containers", "volumes")}
    kept["terminationGracePeriodSeconds"] = predictor["terminationGracePeriodSeconds"]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": kept}


def adapted(manifest: Manifest, image: str) -> tuple[Manifest, dict[int, int]]:
    """With this machine's image, and its ports by the container's."""
    made = copy.deepcopy(manifest)
    [container] = pod_of(made)["containers"]
    container |= {"image": image, "imagePullPolicy": "Never"}
    published = {}
    for port in container.get("ports", ()):
        published[port["containerPort"]] = port["hostPort"] = free_port()
        port["hostIP"] = "127.0.0.1"
    return made, published


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def played(manifest: Manifest) -> Iterator[str]:
    """The name of its container."""
    text = yaml.safe_dump(manifest).encode()
    podman("kube", "play", *NETWORK, "-", sent=text)
    name = manifest["metadata"]["name"] + ("-pod-0" if manifest["kind"] == "Deployment" else "")
    try:
        yield f"{name}-{pod_of(manifest)['containers'][0]['name']}"
    finally:
        podman("pod", "rm", "--force", "--time", "2", name)


def fill(image: str) -> None:
    """As `kubectl cp` does, by the loader's tar."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as packed:
        packed.add(DIGITS, "boots/2/model.onnx")
    loader, _ = adapted(documents(DEPLOY / "kubernetes" / "loader.yaml")[0], image)
    with played(loader) as container:
        podman("exec", "-i", container, "tar", "-xf", "-", "-C", "/models", sent=archive.getvalue())
    check(True, "the loader fills the volume")


def serves(manifest: Manifest, image: str, models: set[str]) -> None:
    """A pod becomes ready, answers, has the workers and the rights it should, and stops in the time it is given."""
    about = f"{manifest['kind']} {manifest['metadata']['name']}"
    made, published = adapted(manifest, image)
    [given] = pod_of(made)["containers"]
    probe = given["readinessProbe"]["httpGet"]
    ports = {port.get("name"): port["containerPort"] for port in given["ports"]}
    base = f"http://127.0.0.1:{published[ports.get(probe['port'], probe['port'])]}"
    with played(made) as container:
        check(answers(base + probe["path"]), f"{about} is ready")
        check(answers(base + given["livenessProbe"]["httpGet"]["path"]), f"{about} is live")
        told = json.load(urllib.request.urlopen(f"{base}/v1/models", timeout=10))["models"]
        check(models & set(told) == models, f"{about} serves {', '.join(sorted(models))}")
        tensor = {"name": "input", "shape": [1, 784], "datatype": "FP32", "data": [0.5] * 784}
        body = json.dumps({"inputs": [tensor]}).encode()
        asked = urllib.request.Request(f"{base}/v2/models/boots/infer", body, {"Content-Type": "application/json"})
        check(json.load(urllib.request.urlopen(asked, timeout=10))["model_name"] == "boots", f"{about} infers")
        check(is_serving(published[ports.get("grpc") or ports["h2c"]]), f"{about} says over gRPC that it serves")
        lines = podman("top", container, "user", "args").splitlines()[1:]
        check({line.split()[0] for line in lines} == {"10001"}, f"{about} runs as user 10001")
        workers = sum("spawn_main" in line for line in lines) or 1
        check(workers == int(given["resources"]["limits"]["cpu"]), f"{about} has a worker for each core of its limit")
        refused = ["podman", "exec", container, "sh", "-c", f"touch /x || touch {mount_of_models(given)}/x"]
        check(subprocess.run(refused, capture_output=True, timeout=30, check=False).returncode, f"{about} cannot write")
        stops(container, pod_of(made)["terminationGracePeriodSeconds"], about)


def is_serving(port: int) -> bool:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        told = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
    return bool(told.status == health_pb2.HealthCheckResponse.SERVING)


def mount_of_models(container: Manifest) -> str:
    [found] = [mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == "models"]
    return str(found)


def stops(container: str, grace_s: int, about: str) -> None:
    began = time.monotonic()
    podman("stop", "--time", str(grace_s), container)
    took_s = time.monotonic() - began
    status = podman("inspect", "--format", "{{.State.ExitCode}}", container).strip()
    check(status == "0" and took_s < grace_s, f"{about} stops within {grace_s} s ({took_s:.1f} s, status {status})")


def answers(url: str) -> bool:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        try:
            return bool(urllib.request.urlopen(url, timeout=3).status == 200)
        except (OSError, urllib.error.URLError):
            time.sleep(0.2)
    return False


def main() -> None:
    image = podman("inspect", "--format", "{{.ImageName}}", os.environ["CONTAINER_ID"]).strip()
    try:
        fill(image)
        for name in ("cpu", "minikube"):
            serves(overlay(name), image, {"boots", "fashion_mnist"})
        serves(inference_service(), image, {"boots"})
    finally:
        subprocess.run(
            ["podman", "volume", "rm", "--force", CLAIM, "tmp"], capture_output=True, timeout=60, check=False
        )


if __name__ == "__main__":
    main()
