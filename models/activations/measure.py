"""`python -m models.activations.measure`: measure every activation, write `docs/activations.md` and its plots."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from tqdm import tqdm

from models.activations import peers, reference, report
from models.activations.plots import draw
from models.activations.run import Array, evaluate, session
from models.activations.samples import rows, samples
from models.activations.table import ACTIVATIONS

DOCS = Path(__file__).parents[2] / "docs"
Error = tuple[float, float]  # the largest error and the 99.9th percentile, in ULP


@dataclass
class Measured:
    """One row of the tables; errors by maker, times in milliseconds for a million elements."""

    name: str
    value: dict[str, Error]
    gradient: dict[str, Error]
    time: dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m models.activations.measure", description=__doc__)
    parser.add_argument(
        "--samples", type=int, default=2_000_000, help="FP32 inputs per function (default: %(default)s)"
    )
    parser.add_argument("--repeats", type=int, default=60, help="runs timed per function (default: %(default)s)")
    parser.add_argument("--texts", action="store_true", help="measure nothing: write the catalogue's texts anew")
    arguments = parser.parse_args()
    page = DOCS / "activations.md"
    if arguments.texts:
        page.write_text(report.retold(page.read_text(encoding="utf-8")), encoding="utf-8")
        return
    torch.set_num_threads(1)
    np.seterr(all="ignore")
    bar = tqdm(ACTIVATIONS, desc="measuring", unit="activation")
    results = [measured(name, arguments.samples, arguments.repeats) for name in bar]
    for name in tqdm(ACTIVATIONS, desc="drawing", unit="plot"):
        draw(name, DOCS / "images" / "activations" / f"{name}.svg")
    page.write_text(report.page(results, arguments.samples), encoding="utf-8")


def measured(name: str, count: int, repeats: int) -> Measured:
    inputs = [samples(count)] if name in reference.ELEMENTWISE else rows()
    return Measured(name, value_errors(name, inputs), gradient_errors(name, inputs), times(name, repeats))


def value_errors(name: str, inputs: list[Array]) -> dict[str, Error]:
    exact, _ = reference.ELEMENTWISE.get(name) or reference.ALONG_AXIS[name]
    makers: dict[str, Callable[[Array], Array]] = {"ours": lambda x: evaluate(name, x)}
    if name in peers.OPERATORS:
        makers["onnxruntime"] = peers.operator(name)
    if name in peers.TORCH:
        makers["torch"] = lambda x: peers.torch_value(name, x)
    expected = [exact(x.astype(np.longdouble)) for x in inputs]
    return {maker: error([f(x) for x in inputs], expected) for maker, f in makers.items()}


def gradient_errors(name: str, inputs: list[Array]) -> dict[str, Error]:
    """With random gradients of y along an axis, where ones would give nothing but 0."""
    makers: dict[str, Callable[[Array, Array], Array]] = {
        "ours": lambda x, g: evaluate(name, x, "grad_x", grad_output=g)
    }
    if name in peers.TORCH:
        makers["torch"] = lambda x, g: peers.torch_gradient(name, x, g)
    if name in reference.ELEMENTWISE:
        pairs = [(x, np.ones_like(x)) for x in inputs]
        expected = [reference.ELEMENTWISE[name][1](x.astype(np.longdouble)) for x in inputs]
    else:
        random = np.random.default_rng(0)
        inputs = [x[:1000] for x in inputs]
        pairs = [(x, np.asarray(random.normal(size=evaluate(name, x).shape), np.float32)) for x in inputs]
        exact = reference.ALONG_AXIS[name][1]
        expected = [exact(x.astype(np.longdouble), g.astype(np.longdouble)) for x, g in pairs]
    return {maker: error([f(x, g) for x, g in pairs], expected) for maker, f in makers.items()}


def error(got: list[Array], expected: list[Array]) -> Error:
    ulps = np.concatenate([reference.ulps(g, e).ravel() for g, e in zip(got, expected, strict=True)])
    return float(ulps.max()), float(np.quantile(ulps, 0.999, method="higher"))


def times(name: str, repeats: int) -> dict[str, float]:
    """The best of many runs, all makers in turn so that they meet the same disturbances."""
    x = np.random.default_rng(0).normal(0, 3, (1000, 1000)).astype(np.float32)
    g = np.ones(evaluate(name, x).shape, np.float32)
    tensor = torch.from_numpy(x)
    runs = {"ours": ours(name, x, "y"), "gradient": ours(name, x, "grad_x")}
    if name in peers.OPERATORS:
        plain = peers.operator(name)
        runs["onnxruntime"] = lambda: plain(x)
    if name in peers.TORCH:
        runs["torch"] = lambda: peers.TORCH[name](tensor)
        runs["torch value and gradient"] = lambda: peers.torch_gradient(name, x, g)
    best = dict.fromkeys(runs, np.inf)
    for _ in range(repeats):
        for maker, run in runs.items():
            best[maker] = min(best[maker], seconds(run))
    return {maker: second * 1e3 for maker, second in best.items()}


def ours(name: str, x: Array, output: str) -> Callable[[], object]:
    outputs = [one.name for one in session(name).get_outputs()]
    feed = {"x": x} | {f"compute_{one}": np.asarray(one == output) for one in outputs}
    return lambda: session(name).run([output], feed)


def seconds(run: Callable[[], object]) -> float:
    started = perf_counter()
    run()
    return perf_counter() - started


if __name__ == "__main__":
    main()
