"""Activations that are one operator of ONNX, or of onnxruntime's own domain."""

from __future__ import annotations

from collections.abc import Callable

from service.diagnosis.activation import Activation, Parameters
from service.diagnosis.wiring import Wiring
from service.nodes import Node

FIRST_WITH_LAST_AXIS = 13  # the opset since which a softmax is along one axis, the last unless told
QUICK_GELU = 1.702

# The attributes with their defaults, https://onnx.ai/onnx/operators/, under the names that they have there.
SIMPLE: dict[str, tuple[str, Parameters]] = {
    "Relu": ("relu", {}),
    "LeakyRelu": ("leaky_relu", {"alpha": 0.01}),
    "Elu": ("elu", {"alpha": 1.0}),
    "Selu": ("selu", {"alpha": 1.67326319217681884765625, "gamma": 1.05070102214813232421875}),
    "Celu": ("celu", {"alpha": 1.0}),
    "Gelu": ("gelu", {"approximate": "none"}),
    "Sigmoid": ("sigmoid", {}),
    "HardSigmoid": ("hardsigmoid", {"alpha": 0.2, "beta": 0.5}),
    "Tanh": ("tanh", {}),
    "Softplus": ("softplus", {}),
    "Softsign": ("softsign", {}),
    "HardSwish": ("hardswish", {}),
    "Mish": ("mish", {}),
    "Swish": ("swish", {"alpha": 1.0}),
    "ThresholdedRelu": ("thresholded_relu", {"alpha": 1.0}),
    "com.microsoft.Gelu": ("gelu", {"approximate": "none"}),
    "com.microsoft.QuickGelu": ("swish", {"alpha": QUICK_GELU}),
}
BIASED = {"com.microsoft.BiasGelu": "none", "com.microsoft.FastGelu": "tanh"}
SOFTMAXES = {"Softmax": "softmax", "LogSoftmax": "log_softmax", "Hardmax": "hardmax"}
ALL = {*SIMPLE, *BIASED, *SOFTMAXES, "PRelu", "Shrink"}
RECURRENT = {"LSTM", "GRU", "RNN"}
FUSED = {"com.microsoft.FusedConv", "com.microsoft.FusedGemm", "com.microsoft.FusedMatMulActivation"}


def recognised(node: Node, wiring: Wiring) -> Activation | None:
    """The activation that this operator is by itself."""
    if node.op in SIMPLE:
        return _simple(node)
    if node.op in SOFTMAXES:
        axis = node.attributes.get("axis", -1 if wiring.network.opset >= FIRST_WITH_LAST_AXIS else 1)
        return Activation(SOFTMAXES[node.op], node, *_ends(node), axis=axis if isinstance(axis, int) else None)
    reader = READERS.get(node.op)
    return reader(node) if reader is not None else None


def _simple(node: Node) -> Activation:
    kind, defaults = SIMPLE[node.op]
    parameters = {name: node.attributes.get(name, default) for name, default in defaults.items()}
    told = {name: value for name, value in parameters.items() if isinstance(value, float | str)}
    if kind == "leaky_relu" and told["alpha"] == 0:
        return Activation("relu", node, *_ends(node))
    if kind == "swish" and told["alpha"] == 1:
        return Activation("silu", node, *_ends(node))
    return Activation(kind, node, *_ends(node), told)


def _prelu(node: Node) -> Activation:
    return Activation("prelu", node, *_ends(node), slope=node.inputs[1])


def _biased(node: Node) -> Activation:
    bias = node.inputs[1] if len(node.inputs) > 1 and node.inputs[1] else None
    return Activation("gelu", node, *_ends(node), {"approximate": BIASED[node.op]}, bias=bias)


def _shrink(node: Node) -> Activation:
    """Hard where nothing is taken off what is beyond the threshold, soft where the threshold is."""
    lambd, bias = (float(node.attributes.get(name, default)) for name, default in (("lambd", 0.5), ("bias", 0.0)))  # type: ignore[arg-type]
    kind = "hardshrink" if bias == 0 else "softshrink" if bias == lambd else "shrink"
    extra = {"bias": bias} if kind == "shrink" else {}
    return Activation(kind, node, *_ends(node), {"lambd": lambd} | extra)


READERS: dict[str, Callable[[Node], Activation]] = {
    "PRelu": _prelu,
    "Shrink": _shrink,
    **dict.fromkeys(BIASED, _biased),
}


def _ends(node: Node) -> tuple[str, str]:
    return node.inputs[0], node.outputs[0]
