"""What the catalogue says was measured: every such claim by its text, and the facts monotone, smooth, zero-centred."""

import numpy as np
import pytest

from models.activations.catalogue import entry
from models.activations.run import evaluate
from models.activations.table import ACTIVATIONS, Elementwise

GRID = np.linspace(-12, 12, 4801, dtype=np.float32)  # steps of 1/200
ELEMENTWISE = sorted(name for name, activation in ACTIVATIONS.items() if isinstance(activation, Elementwise))
TINY = np.float32(1e-30)


def y(name, *x, **parameters):
    return evaluate(name, np.float32(x), **parameters)


def slope(name, *x, **parameters):
    return evaluate(name, np.float32(x), "grad_x", **parameters)


def no_slope(name, *x):
    return not slope(name, *x).any()


def minimum(name, value, place):
    curve = evaluate(name, GRID)
    return abs(curve.min() - value) < 5e-4 and abs(GRID[curve.argmin()] - place) < 5e-3


def rises(name, **parameters):
    return bool((np.diff(evaluate(name, GRID, **parameters)) >= 0).all())


def shifted_softmax_is_equal():
    x = np.float32([[1, 2, 3], [0, -5, 7]])
    return np.allclose(evaluate("softmax", x), evaluate("softmax", x + 64), rtol=4e-7)


CLAIMS = {
    "elu": {"vanishes": lambda: np.isclose(slope("elu", -10), 4.5e-5, rtol=0.01).all()},
    "gelu": {"Not monotone": lambda: minimum("gelu", -0.170, -0.752)},
    "glu": {"two inputs": lambda: y("glu", 1, 2, 3, 4).size == 2},
    "hardmax": {
        "Exactly one": lambda: y("hardmax", 3, 1, 3).tolist() == [1, 0, 0],
        "gradient is 0": lambda: no_slope("hardmax", 3, 1, 3),
    },
    "hardshrink": {
        "does not change": lambda: y("hardshrink", 0.75, -8).tolist() == [0.75, -8],
        "jumps": lambda: y("hardshrink", 0.5, 0.5001).tolist() == [0, np.float32(0.5001)],
        "No gradient": lambda: no_slope("hardshrink", -0.5, -0.1, 0, 0.5),
    },
    "hardsigmoid": {"No gradient": lambda: no_slope("hardsigmoid", -9, -3, 3, 9)},
    "hardswish": {
        "Not monotone": lambda: (np.diff(y("hardswish", -3, -2.5, -2, -1.5)) < 0).all(),
        "jumps": lambda: np.allclose(slope("hardswish", -3, -2.9999, 2.9999, 3), [0, -0.5, 1.5, 1], atol=1e-3),
    },
    "hardtanh": {"No gradient": lambda: no_slope("hardtanh", -9, -1, 1, 9)},
    "log_softmax": {"Finite": lambda: y("log_softmax", 0, -200)[1] == -200 and y("softmax", 0, -200)[1] == 0},
    "logsigmoid": {"Finite": lambda: y("logsigmoid", -200) == -200 and y("sigmoid", -200) == 0},
    "mish": {"Not monotone": lambda: minimum("mish", -0.309, -1.192)},
    "prelu": {"monotone": lambda: rises("prelu", weight=0) and not rises("prelu", weight=-0.1)},
    "relu2": {
        "no jump": lambda: slope("relu2", -TINY, 0, TINY).max() < 1e-29,
        "without bound": lambda: slope("relu2", 10) == 20,
        "No gradient": lambda: no_slope("relu2", -5, -TINY),
    },
    "relu6": {"No gradient": lambda: no_slope("relu6", -1, 0, 6, 7)},
    "selu": {"jumps": lambda: np.allclose(slope("selu", -TINY, TINY), [1.7581, 1.0507], atol=1e-4)},
    "sigmoid": {"bounded": lambda: y("sigmoid", -3e38, 3e38).tolist() == [0, 1]},
    "silu": {"Not monotone": lambda: minimum("silu", -0.278, -1.278)},
    "softmax": {"same number": shifted_softmax_is_equal},
    "softmin": {
        "distribution": lambda: np.isclose(y("softmin", 1, 2, 5).sum(), 1),
        "saturates": lambda: y("softmin", 0, 200).tolist() == [1, 0],
    },
    "softplus": {
        "positive": lambda: (evaluate("softplus", GRID) > 0).all() and (evaluate("softplus", GRID, "grad_x") > 0).all()
    },
    "softshrink": {
        "Continuous": lambda: y("softshrink", 0.5, 0.5001).max() < 2e-4,
        "biased": lambda: y("softshrink", 100, -100).tolist() == [99.5, -99.5],
    },
    "softsign": {"vanishes": lambda: np.allclose(slope("softsign", -99, 99), 1e-4)},
    "swish": {"Not monotone": lambda: not rises("swish") and not rises("swish", alpha=-2) and rises("swish", alpha=0)},
    "tanhshrink": {
        "x³/3": lambda: np.allclose(y("tanhshrink", 0.01, -0.01), [1e-6 / 3, -1e-6 / 3], rtol=1e-4),
        "vanishes": lambda: np.allclose(slope("tanhshrink", 0.01), 1e-4, rtol=1e-3),
    },
    "threshold": {
        "Exact zeros": lambda: y("threshold", -1, -9).tolist() == [0, 0],
        "jumps": lambda: y("threshold", 0, 1e-3, value=7).tolist() == [7, np.float32(1e-3)],
        "No gradient": lambda: no_slope("threshold", -1, 0),
    },
    "thresholded_relu": {
        "jumps": lambda: y("thresholded_relu", 1, 1.0001).tolist() == [0, np.float32(1.0001)],
        "No gradient": lambda: no_slope("thresholded_relu", 0.5, 1),
    },
}
CASES = [(name, text) for name, claims in CLAIMS.items() for text in claims]


@pytest.mark.parametrize(("name", "text"), CASES)
def test_measured_claim_holds(name, text):
    assert np.all(CLAIMS[name][text]())


def test_every_claim_said_to_be_measured_here_is():
    for name in ACTIVATIONS:
        claims = [claim for kind in ("strengths", "weaknesses") for claim in entry(name)[kind]]
        said = [claim["text"] for claim in claims if claim["source"] == "tests/models/activations/test_claims.py"]
        assert len(said) == len(CLAIMS.get(name, {}))
        assert all(any(text in whole for text in CLAIMS[name]) for whole in said)


@pytest.mark.parametrize("name", ELEMENTWISE)  # with the default parameters, as the two below
def test_monotone_is_told_truly(name):
    assert rises(name) == entry(name)["monotone"]


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_smooth_is_told_truly(name):
    slopes = evaluate(name, GRID, "grad_x")
    assert (np.abs(np.diff(slopes)).max() < 0.02) == entry(name)["smooth"]


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_zero_centred_is_told_truly(name):
    curve = evaluate(name, GRID)
    assert np.allclose(curve, -curve[::-1], atol=1e-5) == entry(name)["zero_centred"]
