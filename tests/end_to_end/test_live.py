"""Sampling by the real server: drift on data that has shifted and none on the test set, over several workers."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton

from models.data import fashion_mnist

SHIPPED = Path(__file__).parents[2] / "models" / "repository"
RAW = "application/octet-stream"
ALL = ("--activation-sample-rate", "1", "--activation-cpu-share", "1")
LARGE = 0.25


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """1,000 of the official test images, none of which the network or its reference has seen."""
    found: np.ndarray = fashion_mnist().test.images[:1000].numpy()
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The shipped network under three names, each with a window of its own."""
    for name in ("calm", "inverted", "noisy"):
        place = tmp_path / "models" / name / "1"
        place.mkdir(parents=True)
        shutil.copy(SHIPPED / "fashion_mnist" / "1" / "model.onnx", place)
    return tmp_path / "models"


def send(server: Any, wait_until: Any, batches: dict[str, np.ndarray]) -> None:
    """No more at once of a model than may wait to be measured: 256 KiB, which are 83 images."""
    for start in range(0, len(next(iter(batches.values()))), 80):
        for name, batch in batches.items():
            body = np.ascontiguousarray(batch[start : start + 80], np.float32).tobytes()
            assert server.post(f"/predict/{name}", body, RAW).status == 200
        for name, batch in batches.items():
            sent = len(batch[: start + 80])
            wait_until(lambda: window(server, name)["rows"] == sent, f"{name}: not all were measured")  # noqa: B023


def window(server: Any, name: str) -> Any:
    return server.get(f"/models/{name}/activations").json()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_drift_is_large_for_shifted_images_and_none_for_the_test_set(
    serve: Any, wait_until: Any, folder: Path, images: np.ndarray, workers: str
) -> None:
    server = serve("--models", str(folder), *ALL, "--workers", workers)
    noise = np.random.default_rng(0).uniform(-1, 1, images.shape)
    shifted = {"calm": images, "inverted": 1 - images, "noisy": np.clip(images + noise, 0, 1)}
    send(server, wait_until, shifted)
    found = {name: window(server, name)["layers"][0] for name in shifted}
    drift = {name: layer["drift"]["psi"] for name, layer in found.items()}
    assert drift["calm"] < 0.02
    assert drift["inverted"] > LARGE
    assert drift["noisy"] > LARGE
    assert all(
        layer["drift"] | {"psi": 0} == {"psi": 0, "by": "unit", "reference_rows": 2000} for layer in found.values()
    )
    wait_until(lambda: metric(server, "rows", "noisy", None) == len(images), "the gauges are not those of the windows")
    for name, layer in found.items():
        assert metric(server, "drift_psi", name) == pytest.approx(drift[name])
        assert metric(server, "zero_share", name) == layer["zero_share"]
        assert metric(server, "dead_share", name) == layer["dead_share"]


def metric(server: Any, gauge: str, model: str, layer: str | None = "relu") -> float:
    labels = f'model="{model}",version="1"'
    labels = labels if layer is None else f'layer="{layer}",{labels}'
    found: float = server.metrics()[f"actserve_activation_{gauge}{{{labels}}}"]
    return found


def test_grpc_and_v2_rows_are_sampled_as_well(serve: Any, wait_until: Any, images: np.ndarray) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        grpc_port = probe.getsockname()[1]
    server = serve(*ALL, "--grpc-port", str(grpc_port))
    tensor = {"name": "input", "datatype": "FP32", "shape": [10, 784], "data": images[:10].ravel().tolist()}
    assert server.post("/v2/models/fashion_mnist/infer", {"inputs": [tensor]}).status == 200
    with triton.InferenceServerClient(f"127.0.0.1:{grpc_port}") as client:
        pixels = triton.InferInput("input", [5, 784], "FP32").set_data_from_numpy(images[:5])
        client.infer("fashion_mnist", [pixels])
    wait_until(lambda: window(server, "fashion_mnist")["rows"] == 15, "not all rows were measured")
