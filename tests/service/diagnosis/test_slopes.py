"""Slopes against the gradients that the service itself serves, and against differences of the functions."""

from __future__ import annotations

from math import erf
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.diagnosis import slopes
from service.session import Runtime, Session

SHIPPED = Path(__file__).parents[3] / "models" / "repository"
SESSIONS: dict[str, Session] = {}
EVERY = np.array([-np.inf, -1e30, -800, -30, -3, -1, -0.5, -1e-9, -0.0, 0, 1e-9, 0.5, 1, 3, 6, 30, 800, 1e30, np.inf])

# The kind, its parameters as the graph has them, and as the served activation names them.
SERVED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("relu", {}, {}),
    ("relu2", {}, {}),
    ("relu6", {}, {}),
    ("leaky_relu", {"alpha": 0.2}, {"negative_slope": 0.2}),
    ("elu", {"alpha": 1.5}, {"alpha": 1.5}),
    ("selu", {"alpha": 1.6732632423543772, "gamma": 1.0507009873554805}, {}),
    ("celu", {"alpha": 2.5}, {"alpha": 2.5}),
    ("gelu", {"approximate": "none"}, {}),
    ("gelu", {"approximate": "tanh"}, {"approximate": 1}),
    ("silu", {}, {}),
    ("swish", {"alpha": 1.702}, {"alpha": 1.702}),
    ("mish", {}, {}),
    ("sigmoid", {}, {}),
    ("hardsigmoid", {"alpha": 1 / 6, "beta": 0.5}, {}),
    ("logsigmoid", {}, {}),
    ("tanh", {}, {}),
    ("hardtanh", {"min_val": -2.0, "max_val": 0.5}, {"min_val": -2.0, "max_val": 0.5}),
    ("tanhshrink", {}, {}),
    ("softplus", {}, {"threshold": 1e9}),  # the straight part of PyTorch's is no part of ONNX's
    ("softplus", {"beta": 3.0}, {"beta": 3.0, "threshold": 1e9}),
    ("softsign", {}, {}),
    ("softshrink", {"lambd": 0.7}, {"lambd": 0.7}),
    ("hardshrink", {"lambd": 0.7}, {"lambd": 0.7}),
    ("threshold", {"threshold": 0.3, "value": 2.0}, {"threshold": 0.3, "value": 2.0}),
    ("hardswish", {}, {}),
    ("thresholded_relu", {"alpha": 0.8}, {"alpha": 0.8}),
]


def served(name: str, x: np.ndarray, parameters: dict[str, Any]) -> np.ndarray:
    """The gradient in FP64."""
    session = SESSIONS.setdefault(name, Session(SHIPPED / name / "1" / "model.fp64.onnx", Runtime()))
    types = {spec.name: spec.datatype.dtype for spec in session.parameters}
    feeds = {key: np.array(value, types[key]) for key, value in parameters.items()}
    return session.run({"x": x, **feeds}, ["grad_x"])[0]


@pytest.mark.parametrize(("kind", "parameters", "given_to"), SERVED, ids=lambda value: str(value)[:40])
@settings(max_examples=30, deadline=None)
@given(data=st.lists(st.floats(-40, 40), min_size=1, max_size=20))
def test_slope_is_the_gradient_of_the_served_activation(
    kind: str, parameters: dict[str, Any], given_to: dict[str, Any], data: list[float]
) -> None:
    x = np.concatenate([np.array(data), EVERY[1:-1]])
    expected = served(kind, x, given_to)
    # erfc is known to 1.2e-7, which is what all kinds but gelu are far within.
    np.testing.assert_allclose(slopes.slope(kind, parameters, x, x), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(("kind", "parameters", "given_to"), SERVED, ids=lambda value: str(value)[:40])
def test_slope_at_the_infinities_is_a_number_and_at_nan_is_nan(
    kind: str, parameters: dict[str, Any], given_to: dict[str, Any]
) -> None:
    x = np.array([-np.inf, np.inf, np.nan])
    found = slopes.slope(kind, parameters, x, x)  # warnings are errors here
    assert np.isnan(found).tolist() == [False, False, True]
    if kind != "relu2":
        assert np.isfinite(found[:2]).all()


def test_every_kind_is_compared() -> None:
    assert slopes.KINDS.keys() - {kind for kind, *_ in SERVED} == {
        "prelu",
        "shrink",
        "softmax",
        "softmin",
        "log_softmax",
        "hardmax",
    }


def test_prelu_has_a_slope_for_each_element() -> None:
    x, below = np.array([[-1.0, 2, -3], [4, -5, 0]]), np.array([[0.1, 0.2, 0.3]] * 2)
    found = slopes.slope("prelu", {}, x, x, below)
    assert found.tolist() == [[0.1, 1, 0.3], [1, 0.2, 0.3]]


def test_shrink_that_is_neither_hard_nor_soft_is_straight_beyond_its_threshold() -> None:
    x = np.array([-2.0, -0.5, 0.5, 2])
    assert slopes.slope("shrink", {"lambd": 0.5, "bias": 0.1}, x, x).tolist() == [1, 0, 0, 1]


@pytest.mark.parametrize("kind", ["softmax", "softmin", "log_softmax", "hardmax"])
def test_slope_along_an_axis_is_the_diagonal_of_the_jacobian(kind: str) -> None:
    session = Session(SHIPPED / kind / "1" / "model.fp64.onnx", Runtime())
    x = np.random.default_rng(0).normal(size=5)
    (y,) = session.run({"x": x}, ["y"])
    diagonal = [
        abs(session.run({"x": x, "grad_output": one}, ["grad_x"])[0][index]) for index, one in enumerate(np.eye(5))
    ]
    np.testing.assert_allclose(slopes.slope(kind, {}, x, y), diagonal, rtol=1e-12)


@settings(max_examples=200, deadline=None)
@given(x=st.floats(-37, 37))
def test_gelu_is_within_the_error_of_erfc(x: float) -> None:
    expected = 0.5 * (1 + erf(x / 2**0.5)) + x * np.exp(-x * x / 2) / (2 * np.pi) ** 0.5
    found = slopes.slope("gelu", {"approximate": "none"}, np.array([x]), np.array([x]))
    assert abs(found[0] - expected) < 2e-7
