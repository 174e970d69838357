"""A model of PyTorch's exporter with every activation of it: what is told of each against PyTorch's own gradient."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

FILE = Path(__file__).parents[2] / "assets" / "torch_activations.onnx"

# In the order of make_torch.py.
LAYERS: list[tuple[str, nn.Module]] = [
    ("relu", nn.ReLU()),
    ("leaky_relu", nn.LeakyReLU(0.2)),
    ("prelu", nn.PReLU(16)),
    ("elu", nn.ELU(0.5)),
    ("selu", nn.SELU()),
    ("celu", nn.CELU(2.0)),
    ("gelu", nn.GELU()),
    ("gelu", nn.GELU("tanh")),
    ("silu", nn.SiLU()),
    ("mish", nn.Mish()),
    ("hardswish", nn.Hardswish()),
    ("relu6", nn.ReLU6()),
    ("sigmoid", nn.Sigmoid()),
    ("hardsigmoid", nn.Hardsigmoid()),
    ("logsigmoid", nn.LogSigmoid()),
    ("tanh", nn.Tanh()),
    ("hardtanh", nn.Hardtanh(-2, 0.5)),
    ("tanhshrink", nn.Tanhshrink()),
    ("softplus", nn.Softplus()),
    ("softplus", nn.Softplus(2.0)),
    ("softsign", nn.Softsign()),
    ("softshrink", nn.Softshrink(0.7)),
    ("hardshrink", nn.Hardshrink(0.7)),
    ("threshold", nn.Threshold(0.3, 2.0)),
    ("log_softmax", nn.LogSoftmax(-1)),
    ("softmax", nn.Softmax(-1)),
]


VANISHING = {"relu", "relu6", "gelu", "silu", "mish", "hardswish", "threshold", "softshrink", "hardshrink"}


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return np.random.default_rng(4).normal(size=(50, 16)).astype(np.float32) * 5


@pytest.fixture(scope="module")
def told(diagnosed: Any, rows: np.ndarray) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = diagnosed(FILE, rows)["layers"]
    return found


@pytest.fixture(scope="module")
def tensors(rows: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Before and after each activation: from one dense layer to the next."""
    model = onnx.load(FILE)
    dense = [node for node in model.graph.node if node.op_type == "Gemm"]
    before = [node.output[0] for node in dense]
    after = [node.input[0] for node in dense[1:]]
    for name in (*before, *after):
        model.graph.output.add(name=name)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found = session.run([*before, *after, "y"], {"x": rows})
    return list(zip(found[: len(dense)], found[len(dense) :], strict=True))


def test_each_activation_is_recognised_in_its_place(told: list[dict[str, Any]]) -> None:
    assert [layer["activation"] for layer in told] == [name for name, _ in LAYERS]
    assert len({layer["node"] for layer in told}) == len(LAYERS)
    assert [layer["is_output"] for layer in told] == [False] * 25 + [True]


@pytest.mark.parametrize("index", range(len(LAYERS)))
def test_layer_is_what_pytorch_makes_of_the_tensor_before_it(
    told: list[dict[str, Any]], tensors: list[tuple[np.ndarray, np.ndarray]], index: int
) -> None:
    name, module = LAYERS[index]
    before, found = tensors[index]
    x = torch.tensor(before, dtype=torch.float64, requires_grad=True)
    y = module.double()(x)
    if name.endswith("softmax"):
        jacobian = torch.func.vmap(torch.func.jacrev(module))(x)
        slope = torch.diagonal(jacobian, dim1=1, dim2=2).detach().numpy()
    else:
        slope = torch.autograd.grad(y.sum(), x)[0].abs().numpy()
    after, layer = y.detach().numpy(), told[index]
    assert (layer["shape"], layer["units"]) == ([50, 16], 16)
    assert layer["slope_mean"] == pytest.approx(slope.mean(), rel=1e-5, abs=1e-7)
    assert layer["mean"] == pytest.approx(after.mean(), rel=1e-4, abs=1e-6)
    assert layer["std"] == pytest.approx(after.std(), rel=1e-4)
    assert layer["min"] == pytest.approx(after.min(), rel=1e-4, abs=1e-6)
    assert layer["max"] == pytest.approx(after.max(), rel=1e-4, abs=1e-6)
    assert layer["pre_activation"]["max"] == before.max()
    dead, flat = (found == 0).all(0) & (before <= 0).all(0), (slope < 0.01).all(0)
    can_die = name in VANISHING
    if not name.endswith("softmax"):
        assert layer["dead_units"] == (np.flatnonzero(dead).tolist() if can_die else [])
        assert layer["saturated_units"] == np.flatnonzero(flat & ~(dead & can_die)).tolist()
