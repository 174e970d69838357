"""Triton's own client, unmodified: the index of the repository, loading and unloading, over HTTP and gRPC."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tritonclient.http import InferenceServerClientPlugin
from tritonclient.utils import InferenceServerException

CODES = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    422: "INVALID_ARGUMENT",
    503: "UNAVAILABLE",
}

Clients = dict[str, Any]


@pytest.fixture
def folder(protocol_models: Path, tmp_path: Path) -> Path:
    """`twice` in versions 1 and 2, and `broken`."""
    shutil.copytree(protocol_models / "twice", tmp_path / "models" / "twice")
    (tmp_path / "models" / "broken.onnx").write_bytes(b"this is no model")
    return tmp_path / "models"


@pytest.fixture
def start(serve: Any) -> Iterator[Callable[..., Clients]]:
    """Starts a server and gives the client of each face."""
    made: Clients = {}

    def begin(*arguments: str) -> Clients:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            grpc_port = probe.getsockname()[1]
        ports = {"http": serve("--grpc-port", str(grpc_port), *arguments).port, "grpc": grpc_port}
        for face, port in ports.items():
            made[face] = import_module(f"tritonclient.{face}").InferenceServerClient(f"127.0.0.1:{port}")
        return made

    yield begin
    for client in made.values():
        client.close()


def index(clients: Clients) -> dict[tuple[str, str], str]:
    """State by name and version, from both faces, which must agree."""
    over_http = clients["http"].get_model_repository_index()
    over_grpc = clients["grpc"].get_model_repository_index(as_json=True)["models"]
    assert [
        {"reason": "", "version": "", **line} for line in over_grpc
    ] == over_http  # protobuf leaves out what is empty
    return {(line["name"], line["version"]): line["state"] for line in over_http}


def refused(face: str, call: Callable[[], Any], status: int) -> str:
    with pytest.raises(InferenceServerException) as caught:
        call()
    assert caught.value.status() == (str(status) if face == "http" else f"StatusCode.{CODES[status]}")
    return str(caught.value.message())


def answer(clients: Clients, face: str, model: str) -> list[float]:
    module = import_module(f"tritonclient.{face}")
    array = np.array([1, 2], np.float32)
    tensor = module.InferInput("x", [2], "FP32").set_data_from_numpy(array)
    found: list[float] = clients[face].infer(model, [tensor]).as_numpy("y").tolist()
    return found


@pytest.mark.parametrize(("face", "other"), [("http", "grpc"), ("grpc", "http")])
def test_models_are_loaded_and_unloaded_by_calls(
    start: Callable[..., Clients], folder: Path, face: str, other: str
) -> None:
    clients = start("--models", str(folder), "--model-control", "explicit", "--no-shipped-models")
    client = clients[face]
    assert index(clients)["twice", "1"] == "UNAVAILABLE"
    refused(face, lambda: answer(clients, face, "twice"), 404)

    client.load_model("twice")
    assert index(clients)["twice", "1"] == index(clients)["twice", "2"] == "READY"
    assert clients[other].is_model_ready("twice", "2")
    assert answer(clients, other, "twice") == [1, 2]

    client.unload_model("twice")
    assert index(clients)["twice", "1"] == "UNAVAILABLE"
    assert not clients[other].is_model_ready("twice")
    refused(other, lambda: answer(clients, other, "twice"), 404)

    client.load_model("twice")
    assert answer(clients, face, "twice") == [1, 2]


@pytest.mark.parametrize("face", ["http", "grpc"])
def test_what_cannot_be_loaded_is_refused_with_its_reason(
    start: Callable[..., Clients], folder: Path, face: str
) -> None:
    clients = start("--models", str(folder), "--model-control", "explicit", "--no-shipped-models")
    client = clients[face]
    assert "`zork`" in refused(face, lambda: client.load_model("zork"), 404)
    assert "`zork`" in refused(face, lambda: client.unload_model("zork"), 404)
    assert "broken" in refused(face, lambda: client.load_model("broken"), 422)
    refused(face, lambda: client.unload_model("relu"), 403)
    files = {"file:1/model.onnx": b"anything"}
    assert "parameters" in refused(face, lambda: client.load_model("twice", config="{}", files=files), 422)
    assert index(clients)["twice", "1"] == "UNAVAILABLE"


@pytest.mark.parametrize("face", ["http", "grpc"])
def test_without_explicit_control_the_index_is_told_and_nothing_changed(
    start: Callable[..., Clients], folder: Path, face: str
) -> None:
    clients = start("--models", str(folder), "--no-shipped-models")
    found = index(clients)
    assert (found["twice", "2"], found["broken", "1"], found["relu", "1"]) == ("READY", "UNAVAILABLE", "READY")
    for call in (clients[face].load_model, clients[face].unload_model):
        assert "--model-control" in refused(face, lambda call=call: call("twice"), 403)
    assert answer(clients, face, "twice") == [1, 2]


@pytest.mark.parametrize("face", ["http", "grpc"])
def test_token_goes_in_the_headers_or_by_the_clients_plugin(
    start: Callable[..., Clients], folder: Path, face: str
) -> None:
    clients = start("--models", str(folder), "--no-shipped-models", "--api-token", "a-secret")
    client, bearer = clients[face], {"authorization": "Bearer a-secret"}
    assert client.is_server_live()
    refused(face, lambda: client.get_model_metadata("twice"), 401)
    refused(face, lambda: client.get_model_metadata("twice", headers={"authorization": "Bearer other"}), 403)
    client.get_model_metadata("twice", headers=bearer)

    class Plugin(InferenceServerClientPlugin):
        def __call__(self, request: Any) -> None:
            request.headers.update(bearer)

    client.register_plugin(Plugin())
    assert answer(clients, face, "twice") == [1, 2]
