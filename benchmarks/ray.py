"""`python -m benchmarks.ray`: the same requests to `actserve serve`, and to one replica of Ray Serve through its proxy
and on a port of the replica's own (`RAY_SERVE_ENABLE_DIRECT_INGRESS`)."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tqdm import tqdm

from benchmarks import faces, load, machine, table
from benchmarks.bodies import Bodies
from benchmarks.cases import COLUMNS, Case
from benchmarks.environments import BUILD
from benchmarks.faces import CLASSES, Face
from benchmarks.load import Load
from benchmarks.ours import running, started
from benchmarks.peers import ROOT
from benchmarks.processes import Server, free_port

DOCUMENT = ROOT / "docs" / "scaling.md"
COMMAND = "make bench-ray"
ROUNDS, SECONDS = 2, 2
FOLDER = BUILD / "ray"
WIDE, LAYERS = 4096, 4  # 54 million parameters
THAW_S = 0.5
IDLE_S = 4.0
CASES: dict[str, tuple[Case, Face]] = {
    "JSON, 1 row × 1 connection": (Case("json", 1, 1), faces.ours("/predict")),
    "raw float32, 1 row × 64 connections": (Case("raw", 1, 64), faces.raw("/predict")),
    "JSON, 256 rows × 4 connections": (Case("json", 256, 4), faces.ours("/predict")),
    "a model of 54 million parameters, raw, 32 rows × 4 connections": (Case("raw", 32, 4), faces.raw("/predict/wide")),
}
NAMED = ("fastapi", "httptools", "onnxruntime", "ray", "uvicorn", "uvloop")
HEADER = [
    "", "plain, requests/s", "proxy", "ratio", "own port", "ratio", "p50, ms: plain", "proxy", "own port",
    "CPU s for 1,000: plain", "proxy", "own port",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """One load and the CPU seconds of the server for 1,000 of its requests."""

    load: Load
    cpu_s_per_1000: float


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 where nothing could be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ray", description=__doc__)
    parser.add_argument("--look", action="store_true", help="print only, and leave the document as it is")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers are stopped on the way out
    described = machine.describe(load.version())
    try:
        load.require()
        rows, idle = _measure()
    except load.LoadError as error:
        print(error, file=sys.stderr)
        return 1
    versions = {name: metadata.version(name) for name in NAMED}
    about = (
        f"Medians of {ROUNDS} rounds of {SECONDS} s, one replica or worker, runs of one thread. Of Ray's CPU seconds"
        f" {idle:.0%} of a core go to what its processes do when nobody asks."
    )
    text = "\n\n".join([f"{about} {machine.sentence(described, versions)}", table.markdown(HEADER, rows)])
    print(text)
    if not options.look:
        DOCUMENT.write_text(table.place(DOCUMENT.read_text(), text, COMMAND))
    return 0


def _measure() -> tuple[list[list[str]], float]:
    """The rows of the table, and the cores that Ray keeps busy when nobody asks."""
    models = FOLDER / "models"
    _write_wide(models / "wide.onnx")
    settings = ("--models", str(models), "--intra-op-threads", "1")
    own_port = free_port()
    with running("ray-plain", *settings) as plain, _replica(settings, own_port) as replica:
        cases = tqdm(CASES.items(), unit="", leave=False)
        rows = [row(name, *_compare(plain, replica, own_port, case, face)) for name, (case, face) in cases]
        return rows, _idle(replica)


def _idle(server: Server) -> float:
    before_s = server.cpu_s()
    time.sleep(IDLE_S)
    return (server.cpu_s() - before_s) / IDLE_S


def _compare(plain: Server, replica: Server, own_port: int, case: Case, face: Face) -> list[list[Seen]]:
    """By turns; Ray, which is never idle, has no CPU while the other is measured."""
    rounds = []
    for _ in range(ROUNDS):
        replica.freeze()
        without = _ask(plain, plain.port, case, face)
        replica.thaw()
        time.sleep(THAW_S)
        rounds.append([without, *(_ask(replica, port, case, face) for port in (replica.port, own_port))])
    return [list(seen) for seen in zip(*rounds, strict=True)]


def _ask(server: Server, port: int, case: Case, face: Face) -> Seen:
    requests = Bodies(FOLDER).requests(face, case)
    before_s = server.cpu_s()
    found = load.run(f"http://127.0.0.1:{port}{face.path}", requests, case.connections, SECONDS)
    if not found.is_clean:
        raise load.LoadError(f"{face.path}: {found.refused} answers were no 2xx, {found.broken} connections broke")
    return Seen(found, (server.cpu_s() - before_s) * 1000 / found.requests)


def row(name: str, plain: Sequence[Seen], proxy: Sequence[Seen], own: Sequence[Seen]) -> list[str]:
    """A row of the table: medians over rounds, ratios of each round."""
    rates = [f"{median(one.load.per_second for one in seen):,.0f}" for seen in (plain, proxy, own)]
    return [
        name,
        rates[0],
        *(rates[1], _ratio(proxy, plain)),
        *(rates[2], _ratio(own, plain)),
        *(f"{median(one.load.p50_us for one in seen) / 1e3:.1f}" for seen in (plain, proxy, own)),
        *(f"{median(one.cpu_s_per_1000 for one in seen):.2f}" for seen in (plain, proxy, own)),
    ]


def _ratio(seen: Sequence[Seen], others: Sequence[Seen]) -> str:
    pairs = zip(seen, others, strict=True)
    return f"{median(one.load.per_second / other.load.per_second for one, other in pairs):.2f}"


@contextmanager
def _replica(settings: Sequence[str], own_port: int) -> Iterator[Server]:
    """One replica behind Ray's proxy and on a port of its own, whose answers have been checked."""
    port = free_port()
    command = [sys.executable, "-m", "deploy.ray", "--workers", "1", "--port", str(port), *settings]
    variables = {
        "RAY_SERVE_ENABLE_DIRECT_INGRESS": "1",
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(own_port),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(own_port + 1),
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "0",
    }
    with started("ray", command, variables, port) as server:
        yield server


def _write_wide(path: Path) -> None:
    """A network so large that what carries its requests hardly counts; its weights are noise."""
    generator = np.random.default_rng(0)
    widths = [COLUMNS, *[WIDE] * LAYERS, CLASSES]
    nodes, weights, name = [], [], "input"
    for layer, (before, after) in enumerate(pairwise(widths)):
        noise = generator.standard_normal((before, after), np.float32) / np.float32(np.sqrt(before))
        weights.append(numpy_helper.from_array(noise, f"w{layer}"))
        nodes.append(helper.make_node("MatMul", [name, f"w{layer}"], [f"z{layer}"]))
        nodes.append(helper.make_node("Relu", [f"z{layer}"], [f"a{layer}"]))
        name = f"a{layer}"
    begin = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", COLUMNS])
    end = helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", CLASSES])
    graph = helper.make_graph(nodes, "wide", [begin], [end], weights)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), path)


if __name__ == "__main__":
    sys.exit(main())
