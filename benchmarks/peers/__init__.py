"""Who is measured. The files beside this one run each in its own environment and are never imported here."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import faces
from benchmarks.faces import Face

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent

OURS, OURS_TWICE = "ours", "ours, 2 workers"
NUMPY, ONNXRUNTIME, ORJSON = "numpy==2.4.6", "onnxruntime==1.32.0", "orjson==3.13.0"
FASTAPI, UVICORN, UVLOOP, HTTPTOOLS = (
    "fastapi==0.165.0",
    "uvicorn[standard]==0.54.0",
    "uvloop==0.23.0",
    "httptools==0.9.0",
)


@dataclass(frozen=True, slots=True)
class Peer:
    """One server: what pip installs for it, how it starts (`{bin}`, `{port}`), how it is asked (by kind of case)."""

    name: str
    about: str
    home: str  # the environment's folder: peers may share one
    requirements: tuple[str, ...]
    command: tuple[str, ...]
    faces: dict[str, Face]
    environment: dict[str, str] = field(default_factory=dict)
    depends_on: tuple[str, ...] = ()  # files of the repository whose change makes the environment anew
    beside: str = OURS  # which of ours it is compared with: the one with as many workers

    @property
    def slug(self) -> str:
        """The name as a part of a file's name."""
        return self.name.lower().replace(",", "").replace(" ", "-")


def rivals(peers: Iterable[str]) -> dict[str, list[str]]:
    """Of these peers, ours, each with those it is compared with."""
    known = [peer for peer in PEERS if peer.name in set(peers)]
    return {
        ours.name: [peer.name for peer in known if peer.beside == ours.name and peer.home != OURS]
        for ours in known
        if ours.home == OURS
    }


def environment(peer: Peer, port: int, model: Path) -> dict[str, str]:
    """The variables a server starts with: ours without those that would lead it to other packages, and its own."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    own = {name: value.format(port=port) for name, value in peer.environment.items()}
    # onnxruntime sends telemetry unless this is set; none of the servers should spend time on that.
    shared = {"BENCH_PORT": str(port), "BENCH_MODEL": str(model), "ORT_DISABLE_TELEMETRY": "1"}
    return inherited | shared | own


def _script(name: str) -> tuple[str, ...]:
    return "{bin}/python", str(HERE / f"{name}.py")


def _ours(name: str, about: str, workers: int, large: dict[str, Face]) -> Peer:
    v2 = "/v2/models/fashion_mnist/infer"
    return Peer(
        name,
        about,
        OURS,
        ("-c", f"{ROOT}/constraints.txt", "-e", f"{ROOT}[cpu]"),
        ("{bin}/actserve", "serve", "--port", "{port}", "--grpc-port", "0", "--workers", str(workers)),
        {
            "json": faces.ours("/predict"),
            "raw": faces.raw("/predict"),
            "v2-json": faces.open_inference(v2),
            "v2-binary": faces.open_inference_binary(v2),
            **large,
        },
        depends_on=("pyproject.toml", "constraints.txt"),
    )


def _mosec(name: str, about: str, workers: int, batch: int, beside: str = OURS) -> Peer:
    variables = {
        "MOSEC_ADDRESS": "127.0.0.1",
        "MOSEC_PORT": "{port}",
        "MOSEC_LOG_LEVEL": "error",
        "BENCH_BATCH": str(batch),
        "BENCH_WORKERS": str(workers),
    }
    requirements = ("mosec==0.9.8", ORJSON, NUMPY, ONNXRUNTIME)
    kinds = {"json": faces.instances("/predict"), "raw": faces.raw("/raw")}
    return Peer(name, about, "mosec", requirements, _script("with_mosec"), kinds, variables, beside=beside)


PEERS = (
    _ours(
        OURS,
        "`actserve serve` with its defaults, one worker: validation, limits, metrics, request ids, timings, labels in "
        "the answer",
        1,
        {activation: faces.npy(f"/activate/{activation}") for activation in ("relu", "gelu", "softmax")},
    ),
    _ours(OURS_TWICE, "the same with `--workers 2`", 2, {}),
    Peer(
        "floor",
        "a raw ASGI application on uvicorn, uvloop, httptools, pysimdjson's buffers and orjson; no features at all",
        "floor",
        (UVICORN, UVLOOP, HTTPTOOLS, "pysimdjson==7.0.2", ORJSON, NUMPY, ONNXRUNTIME),
        _script("floor"),
        {
            "json": faces.instances("/predict"),
            "raw": faces.raw("/raw"),
            "v2-json": faces.open_inference("/v2-json"),
            "v2-binary": faces.open_inference_binary("/v2-binary"),
            "relu": faces.npy("/relu"),
        },
    ),
    Peer(
        "naive FastAPI",
        "FastAPI with pydantic's `list[list[float]]` and a `def` endpoint, as tutorials write it; access log off",
        "naive",
        (FASTAPI, UVICORN, NUMPY, ONNXRUNTIME),
        _script("naive"),
        {"json": faces.instances("/predict"), "raw": faces.raw("/raw")},
    ),
    _mosec("mosec", "a Rust front, one Python worker for each route, orjson, no batching", 1, 1),
    _mosec("mosec, batching", "the same, batching to 64 requests with its shortest wait of 1 ms", 1, 64),
    _mosec("mosec, 2 workers", "two workers for each route, no batching", 2, 1, OURS_TWICE),
    _mosec("mosec, 2 workers, batching", "two workers for each route, batching", 2, 64, OURS_TWICE),
    Peer(
        "LitServe",
        "a front process and a worker for each route, batching to 64 requests within 1 ms, the fast queue",
        "litserve",
        ("litserve==0.2.19", NUMPY, ONNXRUNTIME),
        _script("with_litserve"),
        {"json": faces.instances("/predict"), "raw": faces.raw("/raw")},
    ),
    Peer(
        "BentoML",
        "one worker, an async endpoint, uvloop and httptools, access log and metrics off, no adaptive batching (which "
        "gained nothing here)",
        "bentoml",
        ("bentoml==1.4.40", UVLOOP, HTTPTOOLS, NUMPY, ONNXRUNTIME),
        (
            *("{bin}/bentoml", "serve", "with_bentoml:Network", "--working-dir", str(HERE)),
            *("--host", "127.0.0.1", "--port", "{port}"),
        ),
        {"json": faces.bare("/predict"), "raw": faces.raw("/raw")},
        {"BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": str(ROOT / "build" / "bench" / "bentoml-home")},
    ),
    Peer(
        "MLServer",
        "one process, adaptive batching off (its faster setting here), no metrics; it has no binary tensors over HTTP",
        "mlserver",
        ("mlserver==1.7.1", NUMPY, ONNXRUNTIME),
        _script("with_mlserver"),
        {"v2-json": faces.open_inference("/v2/models/network/infer")},
    ),
    Peer(
        "KServe",
        "its model server with the v1 and the v2 protocol, one worker, no latency log, no gRPC",
        "kserve",
        ("kserve==0.21.0", NUMPY, ONNXRUNTIME),
        _script("with_kserve"),
        {
            "json": faces.instances("/v1/models/network:predict"),
            "v2-json": faces.open_inference("/v2/models/network/infer"),
            "v2-binary": faces.open_inference_binary("/v2/models/network/infer"),
        },
    ),
)
