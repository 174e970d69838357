"""Speaks to a running container: real test pictures, an activation, the pages, its confinement, and how it stops."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import grpc
import numpy as np
import tritonclient.grpc as triton
from grpc_health.v1 import health_pb2, health_pb2_grpc
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2]))

from models import download

BASE = os.environ["BASE_URL"].rstrip("/") + "/"
PID = int(os.environ.get("CONTAINER_PID") or 0)
PACKAGE = download.debian_package("dataset-fashion-mnist", "usr/share/datasets/fashion-mnist")
TEST_SET = {  # the official 10,000 test pictures and their labels
    "t10k-images-idx3-ubyte.gz": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte.gz": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
PICTURES = 1000
LEAST_ACCURACY = 0.85
MEBIBYTE = 1 << 20
GRPC = "127.0.0.1:8001"


def request(path: str, body: bytes | None = None, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return urllib.request.urlopen(urllib.request.Request(urljoin(BASE, path), body, named), timeout=60)


def get(path: str, **headers: str) -> bytes:
    with request(path, **headers) as answer:
        return bytes(answer.read())


def post(path: str, body: bytes, media_type: str) -> Any:
    with request(path, body, Content_Type=media_type, Accept="application/json") as answer:
        return json.load(answer)


def check(fact: object, sentence: str) -> None:
    if not fact:
        sys.exit(f"smoke: {sentence}: FAILED")
    print(f"smoke: {sentence}: ok", flush=True)


def test_set() -> tuple[np.ndarray, np.ndarray]:
    """Pictures [10000, 28, 28] and labels."""
    files = download.cached(download.CACHE / "fashion_mnist", TEST_SET, PACKAGE)
    images, labels = (np.frombuffer(files[name], np.uint8) for name in TEST_SET)
    return images[16:].reshape(-1, 28, 28), labels[8:]


def predicts_real_pictures() -> None:
    pictures, labels = (array[:PICTURES] for array in test_set())
    rows = (pictures.reshape(-1, 784) / np.float32(255)).astype("<f4")
    batch = post("predict?scores=false", rows.tobytes(), "application/octet-stream")["predictions"]
    found = [prediction["index"] for prediction in batch]
    accuracy = float(np.mean(np.array(found) == labels))
    check(
        accuracy > LEAST_ACCURACY, f"accuracy {accuracy:.3f} on {PICTURES} real test pictures is above {LEAST_ACCURACY}"
    )
    singly = [post("predict", png(picture), "image/png")["predictions"][0] for picture in pictures[:200]]
    check(
        [one["index"] for one in singly] == found[:200], "200 of them as PNG files, one by one, give the same classes"
    )
    check(all(one["label"] for one in singly), "classes have labels")
    as_json = post("predict", json.dumps({"instances": rows[:32].tolist()}).encode(), "application/json")
    check([one["index"] for one in as_json["predictions"]] == found[:32], "32 of them as JSON give the same classes")


def png(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def applies_an_activation() -> None:
    body = {"tensor": [[-1, 2]], "parameters": {"negative_slope": 0.2}}
    answer = post("activate/leaky_relu", json.dumps(body).encode(), "application/json")
    check(answer["tensor"] == [[-0.2, 2.0]], "leaky_relu is applied")


def pages_need_no_other_host() -> None:
    for page in ("", "docs"):
        text = get(page, Accept="text/html").decode()
        addresses = re.findall(r"""(?:src|href)=["']([^"']+)""", text)
        check(
            addresses and all(urljoin(BASE + page, address).startswith(BASE) for address in addresses),
            f"/{page} refers to no other host",
        )
        check(all(get(address) for address in addresses), f"everything that /{page} refers to is served")
    check("paths" in json.loads(get("openapi.json")), "/openapi.json is served")


def tells_metrics() -> None:
    text = get("metrics").decode()
    rows = re.search(r'^actserve_rows_total\{model="fashion_mnist",version="1"\} (\S+)', text, re.MULTILINE)
    check(rows and float(rows[1]) >= PICTURES, "/metrics counts the rows")
    check(re.search(r"^actserve_ready 1", text, re.MULTILINE), "/metrics says ready")


def speaks_grpc() -> None:
    """Its port need not be published: it is asked from inside of the container's network."""
    inside = ["nsenter", f"--net=/proc/{PID}/ns/net", sys.executable, __file__, GRPC]
    check(subprocess.run(inside, timeout=60, check=False).returncode == 0, "gRPC is answered")


def asks_over_grpc(address: str) -> None:
    """Triton's own client, and the probe that Kubernetes has."""
    pictures, labels = (array[:PICTURES] for array in test_set())
    rows = (pictures.reshape(-1, 784) / np.float32(255)).astype(np.float32)
    with triton.InferenceServerClient(address) as client:
        tensor = triton.InferInput("input", list(rows.shape), "FP32").set_data_from_numpy(rows)
        answer = client.infer("fashion_mnist", [tensor]).as_numpy("probabilities")
    accuracy = float(np.mean(answer.argmax(axis=1) == labels))
    check(accuracy > LEAST_ACCURACY, f"accuracy {accuracy:.3f} over gRPC is above {LEAST_ACCURACY}")
    with grpc.insecure_channel(address) as channel:
        health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
    check(health.status == health_pb2.HealthCheckResponse.SERVING, "grpc.health.v1 says serving")


def is_confined() -> None:
    """What /proc tells of the container's first process; nothing to see where its process is not known."""
    status = Path(f"/proc/{PID}/status").read_text()
    users = re.search(r"^Uid:\s+(.*)", status, re.MULTILINE)
    check(users and "0" not in users[1].split(), "it does not run as root")
    capabilities = re.search(r"^CapEff:\s+(\S+)", status, re.MULTILINE)
    check(capabilities and int(capabilities[1], 16) == 0, "it has no capabilities")
    mounts = [line.split() for line in Path(f"/proc/{PID}/mounts").read_text().splitlines()]
    root = [options.split(",") for _, place, _, options, *_ in mounts if place == "/"]
    check(root and "ro" in root[-1], "its root is read-only")
    memory = re.search(r"^VmRSS:\s+(\d+)", status, re.MULTILINE)
    if memory:
        print(f"smoke: {int(memory[1]) // 1024} MiB resident", flush=True)
    variables = Path(f"/proc/{PID}/environ").read_bytes().split(b"\0")
    check(b"ORT_DISABLE_TELEMETRY=1" in variables, "telemetry of onnxruntime is off")


def drains() -> None:
    """A request that is half sent when the signal comes is answered all the same."""
    pixels = np.zeros((4 * MEBIBYTE // 3136, 784), "<f4").tobytes()
    first_half_sent, go_on = threading.Event(), threading.Event()
    answers: list[int] = []

    def halves() -> Any:
        yield pixels[: len(pixels) // 2]
        first_half_sent.set()
        go_on.wait(30)
        yield pixels[len(pixels) // 2 :]

    def ask() -> None:
        with request(
            "predict", halves(), Content_Type="application/octet-stream", Content_Length=str(len(pixels))
        ) as answer:
            answers.append(len(answer.read()))

    asking = threading.Thread(target=ask)
    asking.start()
    check(first_half_sent.wait(30), "a request is under way")
    time.sleep(0.2)
    os.kill(PID, signal.SIGTERM)
    check(falls_to_503(), "readiness falls after SIGTERM")
    go_on.set()
    asking.join(30)
    check(answers == [len(pixels) // 3136 * 40], "the request under way is answered in full")


def falls_to_503() -> bool:
    for _ in range(100):
        try:
            get("health/ready")
        except urllib.error.HTTPError as error:
            return error.code == 503
        except urllib.error.URLError:
            return False
        time.sleep(0.05)
    return False


def main() -> None:
    check(get("health/ready"), "ready")
    predicts_real_pictures()
    applies_an_activation()
    pages_need_no_other_host()
    tells_metrics()
    if PID:
        speaks_grpc()
        is_confined()
        drains()
    else:
        print("smoke: CONTAINER_PID is not set, so nothing is stopped here", flush=True)


if __name__ == "__main__":
    asks_over_grpc(sys.argv[1]) if sys.argv[1:] else main()
