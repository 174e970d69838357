"""Who is measured. The files beside this one run each in its own environment and are never imported here."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import faces
from benchmarks.faces import Face

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent

OURS = "ours"
NUMPY, ONNXRUNTIME, UVICORN = "numpy==2.4.6", "onnxruntime==1.32.0", "uvicorn[standard]==0.54.0"


@dataclass(frozen=True, slots=True)
class Peer:
    """One server: what pip installs for it, how it starts (`{bin}`, `{port}`), how it is asked (by kind of case)."""

    name: str
    about: str
    requirements: tuple[str, ...]
    command: tuple[str, ...]
    faces: dict[str, Face]
    environment: dict[str, str] = field(default_factory=dict)
    home: str = ""  # the environment's folder, the name where there is none: peers may share one
    depends_on: tuple[str, ...] = ()  # files of the repository whose change makes the environment anew


def _script(name: str) -> tuple[str, ...]:
    return "{bin}/python", str(HERE / f"{name}.py")


_MOSEC = ("mosec==0.9.8", "orjson==3.13.0", NUMPY, ONNXRUNTIME)
_MOSEC_VARIABLES = {"MOSEC_ADDRESS": "127.0.0.1", "MOSEC_PORT": "{port}", "MOSEC_LOG_LEVEL": "error"}

PEERS = (
    Peer(
        OURS,
        "`actserve serve` with its defaults: validation, limits, metrics, request ids, timings, labels in the answer",
        ("-c", f"{ROOT}/constraints.txt", "-e", f"{ROOT}[cpu]"),
        ("{bin}/actserve", "serve", "--port", "{port}", "--grpc-port", "0"),
        {"json": faces.ours("/predict"), "raw": faces.raw("/predict")},
        depends_on=("pyproject.toml", "constraints.txt"),
    ),
    Peer(
        "floor",
        "a raw ASGI application on uvicorn, uvloop, httptools, pysimdjson's buffers and orjson; no features at all",
        (UVICORN, "uvloop==0.23.0", "httptools==0.9.0", "pysimdjson==7.0.2", "orjson==3.13.0", NUMPY, ONNXRUNTIME),
        _script("floor"),
        {"json": faces.instances("/predict"), "raw": faces.raw("/raw")},
    ),
    Peer(
        "naive",
        "FastAPI with pydantic's `list[list[float]]` and a `def` endpoint, as tutorials write it; access log off",
        ("fastapi==0.165.0", UVICORN, NUMPY, ONNXRUNTIME),
        _script("naive"),
        {"json": faces.instances("/predict")},
    ),
    Peer(
        "mosec",
        "a Rust front, a worker for each core, orjson, no batching: its faster setting at few connections",
        _MOSEC,
        _script("with_mosec"),
        {"json": faces.instances("/predict"), "raw": faces.raw("/raw")},
        _MOSEC_VARIABLES | {"BENCH_BATCH": "1"},
        home="mosec",
    ),
    Peer(
        "mosec-batching",
        "the same, batching to 64 requests with its shortest wait of 1 ms: its faster setting at many connections",
        _MOSEC,
        _script("with_mosec"),
        {"json": faces.instances("/predict"), "raw": faces.raw("/raw")},
        _MOSEC_VARIABLES | {"BENCH_BATCH": "64"},
        home="mosec",
    ),
    Peer(
        "LitServe",
        "batching to 64 requests within 1 ms, the fast queue",
        ("litserve==0.2.19", NUMPY, ONNXRUNTIME),
        _script("with_litserve"),
        {"json": faces.instances("/predict")},
    ),
    Peer(
        "MLServer",
        "the v2 protocol, one process, adaptive batching off: its faster setting here",
        ("mlserver==1.7.1", NUMPY, ONNXRUNTIME),
        _script("with_mlserver"),
        {"json": faces.open_inference("/v2/models/network/infer")},
    ),
    Peer(
        "KServe",
        "its model server with the v1 protocol, no latency log, no gRPC",
        ("kserve==0.21.0", NUMPY, ONNXRUNTIME),
        _script("with_kserve"),
        {"json": faces.instances("/v1/models/network:predict")},
    ),
)


def environment(peer: Peer, port: int, model: Path) -> dict[str, str]:
    """The variables a server starts with: ours without those that would lead it to other packages, and its own."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    own = {name: value.format(port=port) for name, value in peer.environment.items()}
    # onnxruntime sends telemetry unless this is set; none of the servers should spend time on that.
    shared = {"BENCH_PORT": str(port), "BENCH_MODEL": str(model), "ORT_DISABLE_TELEMETRY": "1"}
    return inherited | shared | own
