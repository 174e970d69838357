"""`python -m benchmarks.cuda`: the network at batch sizes, the service, and each activation on a large tensor, on CUDA
and the CPU.

On CUDA the network is asked by `run` and through pinned memory that is bound, one request at a time and several joined;
an activation's tensor lies on the card before and after, and the bytes read and written are held against what
the card copies within its memory. Without a working CUDA the CPU is measured, and the page says so.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from time import perf_counter

import numpy as np
from tqdm import tqdm

from benchmarks import card, load, machine, served, table
from benchmarks.binding import Bound, OnDevice, opened, value_alone
from benchmarks.card import Card
from benchmarks.cases import Rows
from benchmarks.oracle import MODEL
from benchmarks.peers import ROOT
from models.activations.table import ACTIVATIONS, Elementwise
from service.job import Size
from service.scheduler import Scheduler
from service.session import Runtime, Session, cuda_problem

DOCUMENT = ROOT / "docs" / "cuda.md"
COMMAND = "python -m benchmarks.cuda"
OUTPUT = "probabilities"
ROWS = [4**power for power in range(9)]  # 1 … 65,536
ELEMENTS = 10**8
WIDTH = 1000  # of a row, for what works along an axis
SECONDS = 0.3
SERVED_SECONDS = 2
PIXELS = 784
REQUESTS = 8  # that are joined
BATCH_ROWS, QUEUE_ROWS = 64, 4096


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cuda", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS, help="batch sizes of the network")
    parser.add_argument(
        "--elements", type=int, default=ELEMENTS, help="of an activation's tensor (default %(default)s)"
    )
    parser.add_argument("--activations", nargs="+", default=sorted(ACTIVATIONS), metavar="NAME", help="default: all")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for each figure, and one run at least")
    parser.add_argument(
        "--served-seconds", type=int, default=SERVED_SECONDS, help="of each load of the service, 0 for none"
    )
    parser.add_argument("--write", action="store_true", help=f"write the result into {DOCUMENT.relative_to(ROOT)}")
    given = parser.parse_args(arguments)
    described = machine.describe("no load")
    device = Card() if cuda_problem() is None else None
    found = [
        _about(described, device),
        table.markdown(*_network(given.rows, given.seconds, device)),
        *([table.markdown(*_joined(given.rows, given.seconds, device))] if device is not None else []),
        _served(device, given.served_seconds),
        table.markdown(*_activations(given.activations, given.elements, given.seconds, device)),
    ]
    print(text := "\n\n".join(found))
    if given.write:
        DOCUMENT.write_text(table.place(DOCUMENT.read_text(), text, COMMAND))
    return 0


def _about(described: dict[str, object], device: Card | None) -> str:
    wheel = "onnxruntime" if device is None else "onnxruntime-gpu"
    sentence = machine.sentence(described, {name: metadata.version(name) for name in (wheel, "numpy")})
    if device is None:
        return f"**CUDA: NOT RUN**, since CUDA {cuda_problem()}. {sentence}"
    copied = device.bytes_per_second() / 1e9
    return f"CUDA on {card.described()}; a copy within its memory moves {copied:,.0f} GB/s. {sentence}"


def _network(sizes: Sequence[int], seconds: float, device: Card | None) -> tuple[list[str], list[list[str]]]:
    """Rows and GB (of inputs and outputs) a second, for each batch size, of one request."""
    lines = []
    for rows in tqdm(sizes, desc="network", unit="", leave=False):
        x = _pixels(rows)
        ways = [_plain("cpu", [x])]
        if device is not None:
            ways += [_plain("cuda", [x]), _bound([x], device)]
        size = x.nbytes + ways[0]().nbytes
        lines.append([f"{rows:,}", *(part for way in ways for part in _speed(_least_s(way, seconds), rows, size))])
    names = ["CPU", *["CUDA, `run`", "CUDA, bound"] * (device is not None)]
    return ["rows of one request", *(part for name in names for part in (f"{name}, rows/s", "GB/s"))], lines


def _joined(sizes: Sequence[int], seconds: float, device: Card) -> tuple[list[str], list[list[str]]]:
    """Rows a second on CUDA, for each batch size, of requests that are joined: in ordinary memory, in pinned memory as
    the service does, and in pinned memory that is bound."""
    lines = []
    for rows in tqdm([rows for rows in sizes if rows >= REQUESTS], desc="joined", unit="", leave=False):
        parts = np.array_split(_pixels(rows), REQUESTS)
        ways = (_ordinary(parts), _plain("cuda", parts), _bound(parts, device))
        lines.append([f"{rows:,}", *(f"{rows / _least_s(way, seconds):,.0f}" for way in ways)])
    header = [f"rows of {REQUESTS} requests", "ordinary memory, `run`: rows/s", "pinned, `run`", "pinned, bound"]
    return header, lines


def _served(device: Card | None, seconds: int) -> str:
    """The service over HTTP, a worker of its own for each provider."""
    if not seconds:
        return "The service over HTTP: not measured."
    try:
        return table.markdown(*served.rows(["cpu"] + ["cuda"] * (device is not None), seconds))
    except load.LoadError as error:
        return f"The service over HTTP: not measured. {error}"


def _speed(least_s: float, rows: int, size: int) -> tuple[str, str]:
    return f"{rows / least_s:,.0f}", f"{size / least_s / 1e9:.2f}"


def _pixels(rows: int) -> Rows:
    return np.random.default_rng(0).random((rows, PIXELS), np.float32)


def _plain(providers: str, parts: Sequence[Rows]) -> Callable[[], Rows]:
    """As the service runs it: on the CPU with one thread, as shipped networks have it; several requests joined."""
    session = Session(MODEL, Runtime(providers, 1))
    feeds = [{session.inputs[0].name: part} for part in parts]
    return lambda: session.run(feeds[0] if len(feeds) == 1 else session.joined(feeds), [OUTPUT])[0]


def _ordinary(parts: Sequence[Rows]) -> Callable[[], Rows]:
    """Joined in memory that is not pinned."""
    session = Session(MODEL, Runtime("cuda", 1))
    name = session.inputs[0].name
    return lambda: session.run({name: np.concatenate(parts)}, [OUTPUT])[0]


def _bound(parts: Sequence[Rows], pinned: Card) -> Callable[[], Rows]:
    """By IOBinding, with pinned memory for what goes in and out."""
    bound = Bound(opened(MODEL, "cuda"), sum(map(len, parts)), OUTPUT, pinned.pinned)
    return lambda: bound.run(*parts)


def _activations(
    names: Sequence[str], elements: int, seconds: float, device: Card | None
) -> tuple[list[str], list[list[str]]]:
    """GB (of `x` and `y`) a second, for each activation."""
    header = [f"{elements:,} FP32 elements", "CPU, GB/s"] + ["CUDA, GB/s", "of a copy"] * (device is not None)
    copied = device.bytes_per_second() if device is not None else 0.0
    x = np.random.default_rng(0).standard_normal((max(1, elements // WIDTH), WIDTH), np.float32) * 3
    lines = []
    for name in tqdm(names, desc="activations", unit="", leave=False):
        path = ROOT / "models" / "repository" / name / "1" / "model.onnx"
        shape = (len(x), WIDTH // 2) if name == "glu" else x.shape
        size = x.nbytes + 4 * shape[0] * shape[1]
        line = [name, f"{size / _served_s(path, name, x, seconds) / 1e9:.2f}"]
        if device is not None:
            on_device = OnDevice(opened(value_alone(path), "cuda"), x, "cuda", shape)
            speed = size / _least_s(on_device.run, seconds)
            line += [f"{speed / 1e9:,.0f}", f"{speed / copied:.0%}"]
        lines.append(line)
    return header, lines


def _served_s(path: Path, name: str, x: Rows, seconds: float) -> float:
    """On the CPU as the service does it: in pieces side by side where elements do not touch each other."""
    session = Session(path, Runtime("cpu", 1))
    elementwise = isinstance(ACTIVATIONS[name], Elementwise)

    with asyncio.Runner() as loop:
        scheduler = Scheduler(BATCH_ROWS, QUEUE_ROWS)

        async def once() -> None:
            await scheduler.run(session, {"x": x}, ["y"], Size(1, 1), False, elementwise=elementwise)

        least = _least_s(lambda: loop.run(once()), seconds)
        scheduler.close()
    return least


def _least_s(work: Callable[[], object], seconds: float) -> float:
    """The least of the times that fit into so many seconds, of one run where none do."""
    until, times = perf_counter() + seconds, [_timed_s(work)]
    while perf_counter() < until:
        times.append(_timed_s(work))
    return min(times)


def _timed_s(work: Callable[[], object]) -> float:
    started = perf_counter()
    work()
    return perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
