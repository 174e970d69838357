"""CUDA's answers are the CPU's, within what the order of additions and two roundings may make."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from models.activations.table import ACTIVATIONS, Elementwise
from service.model import Model
from service.session import Runtime, Session
from service.tensors import BY_NAME, Array

pytestmark = pytest.mark.cuda

SHIPPED = Path(__file__).parents[2] / "models" / "repository"
NETWORKS = sorted(folder.name for folder in SHIPPED.iterdir() if folder.is_dir() and folder.name not in ACTIVATIONS)
ELEMENTWISE = sorted(name for name, activation in ACTIVATIONS.items() if isinstance(activation, Elementwise))
DATATYPES = ["FP16", "BF16", "FP32", "FP64"]
LOGITS = 1e-4  # relative to the largest; a sum of 784 products in another order makes 1e-6 of it, TF32 makes 1e-3
PROBABILITIES = 1e-4
# Each side promises FP32 within 4 ULP of the exact value and FP64 within 8; a 16-bit type is rounded once, and values
# on either side of the middle between two of its numbers are rounded to neighbours.
ULPS = {"FP16": 1, "BF16": 1, "FP32": 8, "FP64": 16}
Load = Callable[[str], Model]


def inputs(datatype: str) -> Array:
    """Rows of 8: ordinary numbers, breakpoints, large and tiny ones, both infinities; one row in 8 has a NaN."""
    dice = np.random.default_rng(0)
    rows = dice.normal(0, 3, (512, 8))
    rows[:64] *= 10.0 ** dice.uniform(-4, 2, (64, 8))
    rows[64:96] = dice.choice([-3, -1, -0.5, 0.0, 0.5, 1, 3, 6], (32, 8))
    rows[96:104, ::2] = dice.choice([-np.inf, np.inf], (8, 4))
    rows[::8, 3] = np.nan
    return rows.astype(BY_NAME[datatype].dtype)


def run(model: Model, datatype: str, output: str, x: Array) -> Array:
    (found,) = model.in_datatype(BY_NAME[datatype]).run({"x": x}, [output])
    return found


def distance(one: Array, other: Array, least: float = 0.0) -> float:
    """The largest number of ULP between two arrays of one type where both are finite; what is below `least`, or the
    smallest normal number, counts as that far from 0."""
    least = max(least, float(ml_dtypes.finfo(one.dtype).smallest_normal))
    both = np.isfinite(one.astype(np.float64)) & np.isfinite(other.astype(np.float64))
    a, b = one[both].astype(np.longdouble), other[both].astype(np.longdouble)
    _, exponents = np.frexp(np.maximum(np.maximum(abs(a), abs(b)), least))
    return float((abs(a - b) / np.ldexp(np.longdouble(ml_dtypes.finfo(one.dtype).eps), exponents - 1)).max(initial=0))


@pytest.mark.parametrize("rows", [1, 7, 64, 1024])
@pytest.mark.parametrize("name", NETWORKS)
def test_network_agrees_with_the_cpu(on_cpu: Load, on_cuda: Load, name: str, rows: int) -> None:
    feeds = {"input": np.random.default_rng(rows).random((rows, 784), np.float32)}
    logits, probabilities = on_cuda(name).session.run(feeds, ["logits", "probabilities"])
    expected, likely = on_cpu(name).session.run(feeds, ["logits", "probabilities"])
    assert abs(logits - expected).max() <= LOGITS * abs(expected).max()
    assert abs(probabilities - likely).max() <= PROBABILITIES


def test_tf32_is_no_more_exact_and_the_default_is_without_it(on_cpu: Load, on_cuda: Load) -> None:
    feeds = {"input": np.random.default_rng(0).random((1024, 784), np.float32)}
    path = SHIPPED / "fashion_mnist" / "1" / "model.onnx"
    (expected,) = on_cpu("fashion_mnist").session.run(feeds, ["logits"])
    (exact,) = on_cuda("fashion_mnist").session.run(feeds, ["logits"])
    (rough,) = Session(path, Runtime("cuda", 1, tf32=True)).run(feeds, ["logits"])
    assert abs(exact - expected).max() <= abs(rough - expected).max()


@pytest.mark.parametrize("datatype", DATATYPES)
@pytest.mark.parametrize("output", ["y", "grad_x"])
@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_activation_agrees_with_the_cpu(on_cpu: Load, on_cuda: Load, name: str, output: str, datatype: str) -> None:
    x = inputs(datatype)
    found, expected = (run(load(name), datatype, output, x) for load in (on_cuda, on_cpu))
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    wide, other = found.astype(np.float64), expected.astype(np.float64)
    assert np.array_equal(np.isnan(wide), np.isnan(other))
    assert np.array_equal(wide[np.isinf(wide)], other[np.isinf(wide)])
    assert np.array_equal(np.isinf(wide), np.isinf(other))
    # A slope that crosses zero is a difference of terms of about 1: in FP64, which it is computed in, it cancels there.
    least = 1.0 if (output, datatype) == ("grad_x", "FP64") else 0.0
    assert distance(found, expected, least) <= ULPS[datatype]


@pytest.mark.parametrize("datatype", DATATYPES)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_nan_in_is_nan_out_and_leaves_its_neighbours(on_cuda: Load, name: str, datatype: str) -> None:
    x = inputs(datatype)
    y = run(on_cuda(name), datatype, "y", x)
    assert np.array_equal(np.isnan(y.astype(np.float64)), np.isnan(x.astype(np.float64)))


@pytest.mark.parametrize("name", NETWORKS)
def test_nan_in_one_row_of_a_network_leaves_the_others(on_cuda: Load, name: str) -> None:
    rows = np.random.default_rng(0).random((5, 784), np.float32)
    rows[2, 100] = np.nan
    (scores,) = on_cuda(name).session.run({"input": rows}, ["probabilities"])
    assert np.isnan(scores).any(axis=1).tolist() == [False, False, True, False, False]
