"""The same activations in torch and as plain onnxruntime operators, to measure beside ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnxruntime as ort
import torch
from onnx import helper
from torch.nn import functional

from models.activations.graph import FLOAT, any_shape
from models.activations.model import IR_VERSION, OPSET
from models.activations.run import Array, options

TORCH: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "relu": functional.relu,
    "relu6": functional.relu6,
    "leaky_relu": functional.leaky_relu,
    "prelu": lambda x: functional.prelu(x, torch.tensor(0.25)),
    "rrelu": functional.rrelu,
    "hardtanh": functional.hardtanh,
    "hardsigmoid": functional.hardsigmoid,
    "hardswish": functional.hardswish,
    "threshold": lambda x: functional.threshold(x, 0, 0),
    "thresholded_relu": lambda x: functional.threshold(x, 1, 0),
    "hardshrink": functional.hardshrink,
    "softshrink": functional.softshrink,
    "elu": functional.elu,
    "selu": functional.selu,
    "celu": functional.celu,
    "sigmoid": torch.sigmoid,
    "logsigmoid": functional.logsigmoid,
    "softplus": functional.softplus,
    "tanh": torch.tanh,
    "tanhshrink": functional.tanhshrink,
    "softsign": functional.softsign,
    "silu": functional.silu,
    "swish": functional.silu,
    "mish": functional.mish,
    "gelu": functional.gelu,
    "softmax": lambda x: functional.softmax(x, -1),
    "softmin": lambda x: functional.softmin(x, -1),
    "log_softmax": lambda x: functional.log_softmax(x, -1),
    "glu": lambda x: functional.glu(x, -1),
}
# Operator, inputs after x, attributes: those of opset 21 that compute the same function.
OPERATORS: dict[str, tuple[str, list[float], dict[str, Any]]] = {
    "relu": ("Relu", [], {}),
    "relu6": ("Clip", [0, 6], {}),
    "leaky_relu": ("LeakyRelu", [], {"alpha": 0.01}),
    "prelu": ("PRelu", [0.25], {}),
    "hardtanh": ("Clip", [-1, 1], {}),
    "hardsigmoid": ("HardSigmoid", [], {"alpha": 1 / 6, "beta": 0.5}),
    "hardswish": ("HardSwish", [], {}),
    "thresholded_relu": ("ThresholdedRelu", [], {"alpha": 1.0}),
    "hardshrink": ("Shrink", [], {"lambd": 0.5}),
    "softshrink": ("Shrink", [], {"lambd": 0.5, "bias": 0.5}),
    "elu": ("Elu", [], {}),
    "selu": ("Selu", [], {}),
    "celu": ("Celu", [], {}),
    "sigmoid": ("Sigmoid", [], {}),
    "softplus": ("Softplus", [], {}),
    "tanh": ("Tanh", [], {}),
    "softsign": ("Softsign", [], {}),
    "mish": ("Mish", [], {}),
    "gelu": ("Gelu", [], {}),
    "softmax": ("Softmax", [], {}),
    "log_softmax": ("LogSoftmax", [], {}),
    "hardmax": ("Hardmax", [], {}),
}


def operator(name: str) -> Callable[[Array], Array]:
    """The plain onnxruntime operator as a function."""
    kind, constants, attributes = OPERATORS[name]
    others = [helper.make_tensor(f"c{i}", FLOAT, [], [value]) for i, value in enumerate(constants)]
    node = helper.make_node(kind, ["x", *(other.name for other in others)], ["y"], **attributes)
    graph = helper.make_graph([node], name, [any_shape("x", FLOAT)], [any_shape("y", FLOAT)], others)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    session = ort.InferenceSession(model.SerializeToString(), options(), providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"x": x})[0]


def torch_value(name: str, x: Array) -> Array:
    return TORCH[name](torch.from_numpy(x)).numpy()


def torch_gradient(name: str, x: Array, g: Array) -> Array:
    leaf = torch.from_numpy(x).requires_grad_()
    (gradient,) = torch.autograd.grad(TORCH[name](leaf), leaf, torch.from_numpy(g))
    return gradient.numpy()
