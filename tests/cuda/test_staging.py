"""Rows of several requests, joined where the device reads them by itself; and bound runs, for the benchmark."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import ml_dtypes
import numpy as np
import pytest

from benchmarks.binding import Bound, OnDevice, opened, value_alone
from benchmarks.card import LIBRARY, Card
from benchmarks.oracle import MODEL
from benchmarks.peers import ROOT
from service.model import Model
from service.session import Runtime, Session
from service.staging import LEAST_BYTES, MOST_BYTES, Staging
from service.tensors import Array

pytestmark = pytest.mark.cuda

Load = Callable[[str], Model]


def is_pinned(array: Array) -> bool:
    flags = ctypes.c_uint()
    runtime = ctypes.CDLL(LIBRARY)
    found: bool = runtime.cudaHostGetFlags(ctypes.byref(flags), ctypes.c_void_p(array.ctypes.data)) == 0
    runtime.cudaGetLastError()
    return found


def pixels(rows: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).random((rows, 784), np.float32)


def test_joined_rows_have_the_answers_of_single_ones(on_cuda: Load) -> None:
    session = on_cuda("fashion_mnist").session
    for counts in ([1, 2], [64, 1, 300], [5, 5], [1000, 24]):
        parts = [{"input": pixels(rows, seed)} for seed, rows in enumerate(counts)]
        feeds = session.joined(parts)
        assert is_pinned(feeds["input"])
        (found,) = session.run(feeds, ["probabilities"])
        expected = np.concatenate([session.run(part, ["probabilities"])[0] for part in parts])
        assert np.allclose(found, expected, rtol=0, atol=1e-5)


def test_place_grows_and_is_kept() -> None:
    staging = Staging(LIBRARY)
    small = staging.joined("x", [pixels(1), pixels(2)])
    again = staging.joined("x", [pixels(3, 1), pixels(1, 1)])
    assert small.ctypes.data == again.ctypes.data
    large = staging.joined("x", [pixels(LEAST_BYTES // 784), pixels(1)])
    assert large.nbytes > LEAST_BYTES
    assert is_pinned(large)
    assert np.array_equal(large[-1:], pixels(1))
    assert np.array_equal(again[:3], pixels(3, 1))  # whoever still has it


@pytest.mark.parametrize("dtype", [np.bool_, np.int64, np.float16, ml_dtypes.bfloat16])
def test_every_type_of_number_is_joined(dtype: type) -> None:
    parts = [np.arange(6).reshape(2, 3).astype(dtype), np.arange(3).reshape(1, 3).astype(dtype)]
    found = Staging(LIBRARY).joined("x", parts)
    assert found.dtype == dtype
    assert np.array_equal(found, np.concatenate(parts))
    assert is_pinned(found)


def test_what_cannot_be_pinned_is_joined_in_ordinary_memory() -> None:
    staging = Staging(LIBRARY)
    words = staging.joined("s", [np.array(["a"], object), np.array(["b"], object)])
    assert words.tolist() == ["a", "b"]
    half = np.zeros((1, MOST_BYTES), np.bool_)
    assert not is_pinned(staging.joined("x", [half, half]))
    assert staging.joined("x", [np.zeros((0, 3), np.float32)] * 2).shape == (0, 3)


@pytest.mark.parametrize("rows", [1, 64, 1024])
def test_bound_runs_have_the_answers_of_plain_ones(rows: int) -> None:
    session = Session(MODEL, Runtime("cuda", 1))
    bound = Bound(opened(MODEL, "cuda"), rows, "probabilities", Card().pinned)
    for seed in range(3):
        (expected,) = session.run({"input": pixels(rows, seed)}, ["probabilities"])
        assert np.array_equal(bound.run(pixels(rows, seed)), expected)


@pytest.mark.parametrize("name", ["relu", "gelu", "softmax"])
def test_activation_bound_to_the_devices_memory_gives_its_values(on_cuda: Load, name: str) -> None:
    x = np.linspace(-2, 2, 1000, dtype=np.float32).reshape(10, 100)
    (expected,) = on_cuda(name).session.run({"x": x}, ["y"])
    bound = OnDevice(opened(value_alone(ROOT / "models" / "repository" / name / "1" / "model.onnx"), "cuda"), x, "cuda")
    bound.run()
    assert np.array_equal(bound.y(), expected)
