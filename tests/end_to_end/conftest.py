"""The real server as a process, what speaks to it, and the models it is given.

Everything here is bounded: a wait that is not met fails its test. Processes are ended by their own id only.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

ACTSERVE = Path(sys.executable).with_name("actserve")
SHIPPED = Path(__file__).parents[2] / "models" / "repository"
PATIENCE_S = 60.0  # two busy cores and coverage; nothing here is about speed
NOT_INHERITED = re.compile(r"ACTSERVE_|AIP_|SAGEMAKER_|PROMETHEUS_MULTIPROC_DIR")
OF_COVERAGE = re.compile(r"COVERAGE_|COV_CORE_")


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def array(self) -> np.ndarray:
        return np.load(io.BytesIO(self.body), allow_pickle=False)


def answer_of(response: http.client.HTTPResponse) -> Answer:
    body = response.read()
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)


class Server:
    """`actserve serve`, or another command that serves, on a free port of the loopback interface."""

    def __init__(
        self,
        arguments: tuple[str, ...],
        log: Path,
        variables: Mapping[str, str],
        *,
        measured: bool,
        command: tuple[str | Path, ...] = (ACTSERVE, "serve"),
    ) -> None:
        self._log = log
        self.stdout = log.with_suffix(".out")
        ports = {"ACTSERVE_PORT", "AIP_HTTP_PORT", "SAGEMAKER_BIND_TO_PORT"}
        port = () if "--port" in arguments or ports & variables.keys() else ("--port", "0")
        if "--grpc-port" not in arguments and "ACTSERVE_GRPC_PORT" not in variables:
            port += ("--grpc-port", "0")  # there is one default, and many servers
        with log.open("wb") as stderr, self.stdout.open("wb") as stdout:
            self.process = subprocess.Popen(
                [*command, *port, *arguments],
                env=environment(variables, measured=measured),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )
        self.pid = self.process.pid
        self.port = 0
        self.grpc_port = 0

    @property
    def log(self) -> str:
        return self._log.read_text()

    def wait_until_live(self) -> None:
        """Until it listens and answers; the port is in the log."""
        until(lambda: self._found_port() or self.process.poll() is not None, "the server did not start")
        assert self.port, f"the server ended with {self.process.returncode}: {self.log}"
        until(self._is_live, "the server does not answer")

    def _found_port(self) -> bool:
        found = re.search(r"listening on http://[^\s\"]*:(\d+)", self.log)
        self.port = int(found[1]) if found else 0
        return bool(found)

    def _is_live(self) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.get("/health/live").status == 200
        return False

    def client(self, timeout: float = PATIENCE_S) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)

    def ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """One request on a connection of its own."""
        with contextlib.closing(self.client()) as client:
            client.request(method, path, body, {"Connection": "close", **(headers or {})})
            return answer_of(client.getresponse())

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        return self.ask("GET", path, None, headers)

    def post(self, path: str, body: Any, media_type: str = "application/json", **headers: str) -> Answer:
        """Bytes go as they are, everything else as JSON."""
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", path, sent, {"Content-Type": media_type, **named})

    def exchange(self, sent: bytes) -> bytes:
        """Raw bytes out, then everything that comes back until the server closes (a reset counts as a close)."""
        with self.connect() as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(sent)
            return read_to_end(connection)

    def metrics(self) -> dict[str, float]:
        """Every sample of `/metrics` by its name with labels."""
        lines = self.get("/metrics").body.decode().splitlines()
        samples = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in samples}

    def workers(self) -> set[int]:
        """The processes that it started and that still run, Python's own resource tracker left out."""
        return set(worker_processes(self.pid))

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, timeout: float = PATIENCE_S) -> int:
        """The exit status."""
        return self.process.wait(timeout)

    def stop(self) -> int:
        """Ends it at once but in order, and says with which status."""
        if self.process.poll() is None:
            self.signal(signal.SIGINT)
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.wait()

    def status(self, field: str) -> int:
        """A number in `/proc/<pid>/status`, in its own unit."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def worker_processes(parent: int) -> Iterator[int]:
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
            command = (status.parent / "cmdline").read_bytes()
        except OSError:  # it has just ended
            continue
        is_child = re.search(rf"^PPid:\s+{parent}$", text, re.MULTILINE)
        if is_child and b"spawn_main" in command and not re.search(r"^State:\s+Z", text, re.MULTILINE):
            yield int(status.parent.name)


def environment(variables: Mapping[str, str] | None = None, *, measured: bool = True) -> dict[str, str]:
    """This process's variables without those that would change the server; `measured` leaves coverage's in."""
    kept = {name: value for name, value in os.environ.items() if not NOT_INHERITED.match(name)}
    if not measured:
        kept = {name: value for name, value in kept.items() if not OF_COVERAGE.match(name)}
    return kept | {"PYTHONUNBUFFERED": "1"} | dict(variables or {})


def until(condition: Callable[[], object], otherwise: str) -> None:
    """Waits for a condition; fails the test when it is not met in time."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.02)


def read_to_end(connection: socket.socket) -> bytes:
    parts = []
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(1 << 16):
            parts.append(part)
    return b"".join(parts)


Serve = Callable[..., Server]
SERVERS: dict[str, tuple[str | Path, ...]] = {
    "actserve": (ACTSERVE, "serve"),
    "ray": (sys.executable, "-m", "deploy.ray", "--workers", "1"),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--server", choices=SERVERS, default="actserve", help="which one the contract's tests speak to")


@pytest.fixture(scope="session")
def serving(request: pytest.FixtureRequest) -> tuple[str | Path, ...]:
    """The command that the contract's tests start."""
    return SERVERS[request.config.getoption("server", "actserve")]


@pytest.fixture
def serve(tmp_path: Path, serving: tuple[str | Path, ...]) -> Iterator[Serve]:
    """Starts servers of a test's own: `serve("--workers", "2", ACTSERVE_LOG_FORMAT="json")`."""
    started: list[Server] = []

    def start(*arguments: str, measured: bool = True, **variables: str) -> Server:
        server = Server(
            arguments, tmp_path / f"server-{len(started)}.log", variables, measured=measured, command=serving
        )
        started.append(server)
        server.wait_until_live()
        return server

    yield start
    for server in started:
        server.stop()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, serving: tuple[str | Path, ...]) -> Iterator[Server]:
    """One server with default settings, for every test that leaves it as it was."""
    shared = Server((), tmp_path_factory.mktemp("server") / "server.log", {}, measured=True, command=serving)
    try:
        shared.wait_until_live()
        yield shared
    finally:
        status = shared.stop()
    assert status == 0
    assert "Traceback" not in shared.log


@pytest.fixture(scope="session")
def protocol_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a client of the Open Inference Protocol may meet: `same_<datatype>`, `pair` (numbers and strings in and
    out), `scores` (a classifier with labels), `twice` in versions 1 and 2, `scalar`."""
    folder = tmp_path_factory.mktemp("protocol") / "models"
    for name, kind in KINDS.items():
        write_graph(folder / f"same_{name}.onnx", {"x": "y"}, x=(kind, ["n", 2]))
    write_graph(
        folder / "pair.onnx",
        {"number": "same_number", "text": "same_text"},
        number=(TensorProto.FLOAT, ["n", 2]),
        text=(TensorProto.STRING, ["n"]),
    )
    classifier = {"task": "classification", "scores": "y", "labels": json.dumps(["a", "b", "c"])}
    write_graph(folder / "scores.onnx", {"x": "y"}, classifier, x=(TensorProto.FLOAT, ["n", 3]))
    write_graph(folder / "scalar.onnx", {"x": "y"}, x=(TensorProto.FLOAT, []))
    for version in ("1", "2"):
        write_graph(folder / "twice" / version / "model.onnx", {"x": "y"}, x=(TensorProto.FLOAT, ["n"]))
    return folder


@pytest.fixture(scope="session")
def protocol_server(protocol_models: Path, serving: tuple[str | Path, ...]) -> Iterator[Server]:
    """A server with those models beside the shipped ones, over HTTP and gRPC (which Ray Serve is not asked for), for
    every test that leaves it as it was."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        grpc_port = probe.getsockname()[1]
    over_grpc = ("--grpc-port", str(grpc_port)) if serving == SERVERS["actserve"] else ()
    arguments = ("--models", str(protocol_models), *over_grpc)
    log = protocol_models.with_name("server.log")
    shared = Server(arguments, log, {}, measured=True, command=serving)
    shared.grpc_port = grpc_port
    try:
        shared.wait_until_live()
        yield shared
    finally:
        status = shared.stop()
    assert status == 0
    assert "Traceback" not in shared.log


KINDS = {
    "BOOL": TensorProto.BOOL,
    **{f"UINT{bits}": getattr(TensorProto, f"UINT{bits}") for bits in (8, 16, 32, 64)},
    **{f"INT{bits}": getattr(TensorProto, f"INT{bits}") for bits in (8, 16, 32, 64)},
    "FP16": TensorProto.FLOAT16,
    "BF16": TensorProto.BFLOAT16,
    "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE,
    "BYTES": TensorProto.STRING,
}


def write_graph(
    path: Path, pairs: Mapping[str, str], properties: Mapping[str, str] = {}, **inputs: tuple[int, list[Any]]
) -> None:
    """A graph that gives each input back under another name."""
    graph = helper.make_graph(
        [helper.make_node("Identity", [name], [pairs[name]]) for name in inputs],
        "graph",
        [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()],
        [helper.make_tensor_value_info(pairs[name], kind, shape) for name, (kind, shape) in inputs.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    helper.set_model_props(model, dict(properties))
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)


@pytest.fixture(scope="session")
def command() -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Runs `actserve` with arguments to its end."""

    def run(*arguments: object, **variables: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [ACTSERVE, *map(str, arguments)],
            env=environment(variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def wait_until() -> Callable[[Callable[[], object], str], None]:
    return until


@pytest.fixture(scope="session")
def cpu_s() -> Callable[[int], float]:
    """The CPU seconds that a process has used."""

    def used(pid: int) -> float:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    return used


@pytest.fixture(scope="session")
def receive_all() -> Callable[[socket.socket], bytes]:
    return read_to_end


@pytest.fixture(scope="session")
def shipped() -> Path:
    return SHIPPED


@pytest.fixture(scope="session")
def oracle() -> Callable[..., np.ndarray]:
    """onnxruntime itself on a shipped file: `oracle("fashion_mnist", "probabilities", input=rows)`."""

    @cache
    def session(path: Path) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(name: str, output: str, **feeds: np.ndarray) -> np.ndarray:
        return session(SHIPPED / name / "1" / "model.onnx").run([output], feeds)[0]

    return run


@pytest.fixture(scope="session")
def pictures() -> np.ndarray:
    """32 pictures of 28×28 grey pixels, smooth enough for JPEG to keep."""
    y, x = np.mgrid[0:28, 0:28]
    waves = [np.sin(x / (2 + index % 5)) * np.cos(y / (2 + index % 7)) for index in range(32)]
    return ((np.stack(waves) + 1) * 127.5).astype(np.uint8)


@pytest.fixture(scope="session")
def rows(pictures: np.ndarray) -> np.ndarray:
    """The pictures as the networks take them: [32, 784] from 0 to 1."""
    return (pictures.astype(np.float32) / np.float32(255)).reshape(32, 784)


@pytest.fixture(scope="session")
def npy() -> Callable[[np.ndarray], bytes]:
    """An array as the bytes of a `.npy` file."""

    def dump(array: np.ndarray) -> bytes:
        file = io.BytesIO()
        np.save(file, array)
        return file.getvalue()

    return dump


@pytest.fixture(scope="session")
def picture_file() -> Callable[..., bytes]:
    """A picture as the bytes of a PNG or JPEG file."""

    def dump(picture: np.ndarray, name: str = "PNG", **options: Any) -> bytes:
        file = io.BytesIO()
        Image.fromarray(picture).save(file, name, **options)
        return file.getvalue()

    return dump


@pytest.fixture
def slow_models(tmp_path: Path) -> Path:
    """A folder with one model, `slow`, that multiplies matrices `count` times; a thousand take about a second."""
    folder = tmp_path / "slow-models"
    folder.mkdir()
    weights = np.full((160, 160), 1 / 160, np.float32)
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["before", "weights"], ["after"]),
            helper.make_node("Identity", ["condition"], ["go_on"]),
        ],
        "step",
        [
            helper.make_tensor_value_info("step", TensorProto.INT64, []),
            helper.make_tensor_value_info("condition", TensorProto.BOOL, []),
            helper.make_tensor_value_info("before", TensorProto.FLOAT, [160, 160]),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", TensorProto.FLOAT, [160, 160]),
        ],
    )
    graph = helper.make_graph(
        [
            helper.make_node("Loop", ["count", "", "weights"], ["multiplied"], body=body),
            helper.make_node("ReduceSum", ["multiplied"], ["y"], keepdims=0),
        ],
        "slow",
        [helper.make_tensor_value_info("count", TensorProto.INT64, [])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [])],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, folder / "slow.onnx")
    return folder
