"""The page `docs/activations.md`, made from what was measured."""

from __future__ import annotations

import platform
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime as ort
import torch

from models.activations import peers
from models.activations.catalogue import entry
from models.activations.reference import ELEMENTWISE
from models.activations.run import evaluate
from models.activations.table import ACTIVATIONS
from models.machine import processor

if TYPE_CHECKING:
    from models.activations.measure import Error, Measured

SEVEN = ("relu", "leaky_relu", "prelu", "elu", "sigmoid", "tanh", "softmax")
MASK = "a choice between two cases costs five passes over memory (`Where` would cost thirty times one, `Shrink` and \
`ThresholdedRelu` turn NaN into 0); torch does it in one"
EXPM1 = "torch does it in one pass; exp(x) - 1 without cancellation takes fifteen, one for each operator"
REASONS = {
    "elu": EXPM1,
    "selu": EXPM1,
    "celu": EXPM1,
    "prelu": "torch does it in one pass; so does onnxruntime, but only for the default weight",
    "leaky_relu": "torch does it in one pass; so does onnxruntime, but with a slower kernel",
    "softmax": "the sum is taken in FP64, which keeps rows of a million elements within 4 ULP",
    "log_softmax": "the sum is taken in FP64 and without its largest term, which torch loses (it gives 0 for -2e-9)",
    "gelu": "the tail, which torch loses, takes exp(-x²/2) in two parts and a quotient of polynomials",
    "hardshrink": MASK,
    "threshold": MASK,
    "thresholded_relu": MASK,
    "hardswish": "five passes over memory to keep -∞ from giving NaN; torch does it in one, and gives NaN",
    "silu": "torch does it in one pass; a look at the smallest x, then four operators",
    "swish": "as silu",
    "softplus": "torch does it in one pass; log(1 + e) without cancellation takes sixteen, one for each operator",
    "logsigmoid": "torch does it in one pass; log(1 + e) without cancellation takes sixteen, one for each operator",
}
INTRODUCTION = """# Activations

Thirty-one activations, each one ONNX graph that gives the value (`y`) and the gradient (`grad_x`, the product of
`grad_output` with the Jacobian, as `torch.autograd.grad` gives it). Names, parameters and defaults are those of
`torch.nn.functional`; `thresholded_relu`, `hardmax`, `swish` and `relu2` come from the ONNX operators.

This page is written by `python -m models.activations.measure` (with `--texts` only what is told of each, without
measuring). The formulas are in [models/activations](../models/activations), one function each;
`python -m models.activations` makes the files in `models/repository` from them.
"""
ACCURACY = """## How exact they are

Errors in ULP (units in the last place) of FP32 against 80-bit floats, wherever the exact result is a normal number:
the largest and, after the stroke, the 99.9th percentile. {count:,} inputs for each: evenly over all bit patterns, so of
every magnitude; ordinary ones; the neighbours of every breakpoint. Along an axis: rows narrow and wide, short and long,
with gradients of y drawn at random. ∞ means a NaN or an infinity in place of a number.

| activation | value: ours | onnxruntime's operator | torch | gradient: ours | torch |
|---|---|---|---|---|---|
"""
SPEED = """## How fast they are

A million FP32 elements (1000 × 1000, normally distributed, standard deviation 3) on one thread, best of many runs, in
millions of elements per second. The ratio is ours to torch's.

| activation | ours | onnxruntime's operator | torch | ratio | gradient: ours | torch (with the value) |
|---|---|---|---|---|---|---|
"""
DIFFERENCES = """## Where they differ from torch

- At ±∞ the value is the limit, where torch gives NaN: {limits}.
- NaN gives NaN in the gradient too, element by element; for the piecewise linear ones torch gives a number.
- An infinite or NaN `grad_output` is multiplied by the slope, so that a slope of 0 gives NaN, where torch's piecewise
  linear ones give 0.
- The tails are not lost: torch's gelu, silu and tanhshrink and its gradients of sigmoid and tanh are off by 10⁷ ULP.
- FP16 and BF16 are computed in FP64 and rounded once: each result is the correctly rounded one.
- `threshold` has defaults (0 and 0), `prelu` too (0.25), and `dim` is -1 where torch demands one.
- `rrelu` is the one of evaluation: its slope is the mean of `lower` and `upper`.
"""
EACH = "## Each of them\n"


def page(results: list[Measured], count: int) -> str:
    accuracy = "".join(map(accuracy_row, results))
    speed = "".join(map(speed_row, results))
    parts = [
        INTRODUCTION,
        machine(),
        ACCURACY.format(count=count) + accuracy,
        SPEED + speed,
        reasons(results),
        DIFFERENCES.format(limits=", ".join(f"`{name}`" for name in limits())),
    ]
    return retold("\n".join([*parts, EACH]))


def machine() -> str:
    packages = {"onnxruntime": ort, "torch": torch, "onnx": onnx, "NumPy": np}
    versions = [f"{name} {package.__version__}" for name, package in packages.items()]
    parts = [processor(), platform.system(), f"Python {platform.python_version()}", *versions]
    return f"Measured on {date.today():%d %B %Y}: {', '.join(parts)}.\n"


def accuracy_row(result: Measured) -> str:
    cells = [ulps(result.value.get(maker)) for maker in ("ours", "onnxruntime", "torch")]
    cells += [ulps(result.gradient.get(maker)) for maker in ("ours", "torch")]
    return f"| {result.name} | {' | '.join(cells)} |\n"


def ulps(error: Error | None) -> str:
    return " / ".join(map(short, error)) if error else "–"


def short(number: float) -> str:
    if np.isinf(number):
        return "∞"
    return f"{number:.2g}" if number < 1000 else f"{number:.0e}".replace("e+0", "e").replace("e+", "e")


def speed_row(result: Measured) -> str:
    rates = [rate(result.time.get(maker)) for maker in ("ours", "onnxruntime", "torch")]
    rates += [f"{ratio(result):.2f}" if "torch" in result.time else "–"]
    rates += [rate(result.time.get(maker)) for maker in ("gradient", "torch value and gradient")]
    return f"| {result.name} | {' | '.join(rates)} |\n"


def rate(milliseconds: float | None) -> str:
    return f"{1000 / milliseconds:,.0f}" if milliseconds else "–"


def ratio(result: Measured) -> float:
    return result.time["torch"] / result.time["ours"]


def reasons(results: list[Measured]) -> str:
    """Why, for each that has less than half of torch's rate (the usual seven) or a third (the rest)."""
    slow = [r for r in results if "torch" in r.time and ratio(r) < (1 / 2 if r.name in SEVEN else 1 / 3)]
    if not slow:
        return ""
    lines = [f"- {r.name} ({ratio(r):.2f}): {REASONS.get(r.name, 'this run was disturbed')}." for r in slow]
    return "Below half of torch's rate (for the usual seven) or a third (for the rest):\n\n" + "\n".join(lines) + "\n"


def limits() -> list[str]:
    """The activations whose value at an infinity is a number here and NaN in torch."""
    ends = np.array([np.inf, -np.inf], np.float32)
    return [
        name
        for name in ELEMENTWISE
        if name in peers.TORCH and name != "swish"
        if (np.isnan(peers.torch_value(name, ends)) & ~np.isnan(evaluate(name, ends))).any()
    ]


def retold(text: str) -> str:
    """The page with what the catalogue tells written anew, and what was measured left as it is."""
    measured, _, _ = text.partition(EACH)
    return "\n".join([f"{measured}{EACH}", *map(section, ACTIVATIONS)])


def section(name: str) -> str:
    about = entry(name)
    lines = [
        f"### {name}\n",
        f"![{name} and its derivative](images/activations/{name}.svg)\n",
        about["description"],
        "",
    ]
    lines += [
        f"- Formula: `{about['formula']}`",
        f"- Derivative: `{about['derivative']}`",
        f"- Range: {about['range']}",
    ]
    lines += [f"- Parameter `{p['name']}` (default {p['default']}): {p['description']}" for p in about["parameters"]]
    kinds = {"Strength": "strengths", "Weakness": "weaknesses", "Use": "use"}
    lines += [f"- {kind}: {claim['text']} ({backing(claim)})" for kind, key in kinds.items() for claim in about[key]]
    lines += [f"- Promise: {about['promise']}", *paper(about["paper"])]
    return "\n".join(lines) + "\n"


def backing(claim: dict[str, str]) -> str:
    """What a claim rests on: a paper, or a link to where it was measured."""
    return f"cited: {claim['source']}" if claim["evidence"] == "cited" else f"[measured](../{claim['source']})"


def paper(about: dict[str, Any] | None) -> list[str]:
    return [f"- Paper: {about['authors']}: {about['title']} ({about['year']}), {about['where']}"] if about else []
