"""Against torch, to what torch's own kernels allow: names, parameters, shapes, and gradients where they jump."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from models.activations.run import evaluate
from models.activations.samples import PARAMETERS
from models.activations.table import ACTIVATIONS

ONNX_ONLY = {"relu2", "thresholded_relu", "swish", "hardmax"}
ALONG = ["softmax", "softmin", "log_softmax", "glu"]
CASES = [(name, p) for name in sorted(set(ACTIVATIONS) - ONNX_ONLY) for p in [{}, *PARAMETERS.get(name, [])]]
REQUIRED = {"prelu": {"weight": 0.25}, "threshold": {"threshold": 0, "value": 0}}
KINKS = np.float32([-6, -3, -2, -1.5, -1, -0.5, -0.25, -0.0, 0.0, 0.25, 0.5, 1, 2, 3, 6])


def in_torch(name, x, g, parameters):
    """Value and gradient as torch has them."""
    arguments = REQUIRED.get(name, {}) | parameters
    if name == "prelu":
        arguments = {"weight": torch.tensor(float(arguments["weight"]))}
    if name in ALONG:
        arguments = {"dim": -1} | arguments
    if "approximate" in arguments:
        arguments = {"approximate": "tanh"}
    leaf = torch.from_numpy(x).requires_grad_()
    y = getattr(functional, name)(leaf, **arguments)
    y.backward(torch.ones_like(y) if g is None else torch.from_numpy(g))
    return y.detach().numpy(), leaf.grad.numpy()


@pytest.mark.parametrize(("name", "parameters"), CASES)
def test_value_and_gradient_are_those_of_torch(name, parameters):
    random = np.random.default_rng(0)
    x = random.normal(0, 3, (4, 5, 6)).astype(np.float32)
    g = random.normal(size=evaluate(name, x).shape).astype(np.float32)
    y, grad = in_torch(name, x, g, parameters)
    np.testing.assert_allclose(evaluate(name, x, **parameters), y, rtol=3e-5, atol=1e-6)
    np.testing.assert_allclose(evaluate(name, x, "grad_x", grad_output=g, **parameters), grad, rtol=3e-5, atol=1e-6)


@pytest.mark.parametrize(("name", "parameters"), [case for case in CASES if case[0] not in ALONG])
def test_gradient_at_a_kink_is_that_of_torch(name, parameters):
    _, grad = in_torch(name, KINKS, None, parameters)
    np.testing.assert_allclose(evaluate(name, KINKS, "grad_x", **parameters), grad, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("dim", range(-3, 3))
@pytest.mark.parametrize("name", ALONG)
def test_every_axis_is_that_of_torch(name, dim):
    random = np.random.default_rng(1)
    x = random.normal(0, 3, (2, 4, 6)).astype(np.float32)
    g = random.normal(size=evaluate(name, x, dim=dim).shape).astype(np.float32)
    y, grad = in_torch(name, x, g, {"dim": dim})
    np.testing.assert_allclose(evaluate(name, x, dim=dim), y, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(evaluate(name, x, "grad_x", grad_output=g, dim=dim), grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "weight"),
    [
        ((7,), [0.25]),
        ((3, 4), [0.5]),
        ((3, 4), [0.1, -0.2, 1.5, 0]),
        ((2, 3, 4, 5), [0.1, 0.2, -3]),
        ((0, 2, 3), [1, 2]),
    ],
)
def test_prelu_weight_and_its_gradient_are_those_of_torch(shape, weight):
    random = np.random.default_rng(2)
    x, g = random.normal(size=(2, *shape)).astype(np.float32)
    leaf, leaf_weight = torch.from_numpy(x), torch.tensor(weight, dtype=torch.float32, requires_grad=True)
    y = functional.prelu(leaf, leaf_weight)
    y.backward(torch.from_numpy(g))
    np.testing.assert_allclose(evaluate("prelu", x, weight=weight), y.detach().numpy(), rtol=1e-6)
    got = evaluate("prelu", x, "grad_weight", weight=weight, grad_output=g)
    np.testing.assert_allclose(got, leaf_weight.grad.numpy(), rtol=1e-5, atol=1e-6)


def test_prelu_takes_a_scalar_weight_and_gives_a_scalar_gradient():
    x = np.float32([[-1, 2], [-3, 4]])
    np.testing.assert_array_equal(evaluate("prelu", x, weight=0.5), np.float32([[-0.5, 2], [-1.5, 4]]))
    np.testing.assert_array_equal(evaluate("prelu", x, "grad_weight", weight=0.5), np.float32(-4))
