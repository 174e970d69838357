"""Any rank from a scalar up, sizes of zero, any axis."""

import numpy as np
import pytest

from models.activations.run import evaluate
from models.activations.table import ACTIVATIONS

SHAPES = [(), (1,), (0,), (2, 0), (0, 4), (2, 0, 4), (2, 3, 1, 5, 4)]
ALONG = ["softmax", "softmin", "log_softmax", "hardmax"]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", sorted(set(ACTIVATIONS) - {"glu"}))
def test_shape_is_kept(name, shape):
    x = np.ones(shape, np.float32)
    assert evaluate(name, x).shape == shape
    assert evaluate(name, x, "grad_x").shape == shape


@pytest.mark.parametrize("shape", [(0,), (6,), (2, 0), (0, 4), (2, 0, 4), (2, 3, 1, 5, 4)])
def test_glu_halves_its_axis(shape):
    x = np.ones(shape, np.float32)
    assert evaluate("glu", x).shape == (*shape[:-1], shape[-1] // 2)
    assert evaluate("glu", x, "grad_x").shape == shape


@pytest.mark.parametrize("dim", [-1, 0])
@pytest.mark.parametrize("name", ALONG)
def test_scalar_counts_as_rank_1(name, dim):
    expected = 0 if name == "log_softmax" else 1
    np.testing.assert_array_equal(evaluate(name, np.float32(3), dim=dim), np.float32(expected))


@pytest.mark.parametrize("shape", [(), (5,), (3, 4), (2, 0), (0, 4), (2, 4, 3)])
def test_prelu_weight_gradient_has_the_shape_of_the_weight(shape):
    x = -np.ones(shape, np.float32)
    channels = shape[1] if len(shape) > 1 else 1
    for weight in (np.float32(0.5), np.full(1, 0.5, np.float32), np.full(channels, 0.5, np.float32)):
        assert evaluate("prelu", x, weight=weight).shape == shape
        assert evaluate("prelu", x, "grad_weight", weight=weight).shape == weight.shape


def test_hardmax_takes_the_first_of_equals_along_any_axis():
    x = np.float32([[1, 3, 3], [3, 1, 3]])
    np.testing.assert_array_equal(evaluate("hardmax", x, dim=1), np.float32([[0, 1, 0], [1, 0, 0]]))
    np.testing.assert_array_equal(evaluate("hardmax", x, dim=0), np.float32([[0, 1, 1], [1, 0, 0]]))


def test_output_switched_off_is_empty():
    assert evaluate("relu", np.ones((2, 3), np.float32), "y", compute_y=False).shape == (0,)
