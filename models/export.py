"""A trained network to one ONNX file: `Gemm`, the activation, `Gemm`, `Softmax`, and what a server must know of it.

The graph is written node by node rather than traced: it is four nodes long, every node has a name that can be read
in a diagnosis, and nothing of the machine that trained it (paths, stack traces) can get in. That it is the trained
network is not assumed but checked: `export` compares it with PyTorch on every test image before it writes.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read once, when onnxruntime is imported

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

from models.network import CLASSES, PIXELS, Network

OPSET: Final = 20  # the first with Gelu
IR_VERSION: Final = 9  # the one that came with opset 20
LOGIT_TOLERANCE: Final = 1e-4
HIDDEN: Final = "hidden"
"""What the tensor is called that the activation gives."""

Nodes = list[onnx.NodeProto]


class ExportError(Exception):
    """The ONNX graph is not the trained network; nothing was written."""


def export(network: Network, images: torch.Tensor, metadata: Mapping[str, str], path: Path) -> None:
    """Writes `network` to `path`, after checking it against PyTorch on `images` `[count, 784]`.

    `metadata` becomes the file's `metadata_props`. Raises `ExportError`, and then writes nothing.
    """
    model = graph(network, metadata)
    check(model, network, images)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save_model(model, path)


def graph(network: Network, metadata: Mapping[str, str]) -> onnx.ModelProto:
    """The network as ONNX: `input` `[batch, 784]` to `logits` and `probabilities`, both `[batch, 10]`, all FP32.

    Initializers carry the names of PyTorch's `state_dict`, so that weights can be read back by name.
    """
    nodes = [_linear("fc1", "input", "fc1_output"), *_activation(network), _linear("fc2", HIDDEN, "logits")]
    nodes.append(helper.make_node("Softmax", ["logits"], ["probabilities"], name="softmax", axis=-1))
    weights = [_initializer(name, tensor) for name, tensor in network.state_dict().items()]
    outputs = [_tensor("logits", CLASSES), _tensor("probabilities", CLASSES)]
    body = helper.make_graph(nodes, "network", [_tensor("input", PIXELS)], outputs, weights)
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(body, opset_imports=opsets, ir_version=IR_VERSION, producer_name="actserve")
    helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model, full_check=True)
    return model


def check(model: onnx.ModelProto, network: Network, images: torch.Tensor) -> None:
    """Raises `ExportError` where onnxruntime and PyTorch differ: 1e-4 in any logit, or in any predicted class."""
    expected = logits_of(network, images).numpy()
    found, probabilities = run(model.SerializeToString(), images.numpy())
    if not np.allclose(found, expected, rtol=0, atol=LOGIT_TOLERANCE):
        difference = float(np.abs(found - expected).max())
        raise ExportError(f"logits of onnxruntime and PyTorch differ by {difference:.3g}, more than {LOGIT_TOLERANCE}")
    changed = np.count_nonzero(probabilities.argmax(1) != expected.argmax(1))
    if changed:
        raise ExportError(f"onnxruntime and PyTorch predict another class for {changed} of {len(images)} images")


def logits_of(network: Network, images: torch.Tensor) -> torch.Tensor:
    """PyTorch's logits `[count, 10]`, without gradients."""
    network.eval()
    with torch.no_grad():
        logits: torch.Tensor = network(images)
    return logits


def run(
    model: Path | bytes, images: np.ndarray, outputs: Sequence[str] = ("logits", "probabilities")
) -> list[np.ndarray]:
    """The outputs, `[count, …]` each, of onnxruntime on one CPU thread."""
    session = onnxruntime.InferenceSession(model, single_thread(), providers=["CPUExecutionProvider"])
    return [np.asarray(output) for output in session.run(outputs, {"input": images})]


def single_thread() -> onnxruntime.SessionOptions:
    """Options under which a row's result does not depend on the machine's number of cores."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return options


def _activation(network: Network) -> Nodes:
    """The nodes from `fc1_output` to `hidden`; the last one bears the activation's name."""
    return _ACTIVATION_NODES[network.activation_name](network.activation)


def _node(kind: str, name: str, **attributes: Any) -> Nodes:
    return [helper.make_node(kind, ["fc1_output"], [HIDDEN], name=name, **attributes)]


def _prelu(_: torch.nn.Module) -> Nodes:
    return [helper.make_node("PRelu", ["fc1_output", "activation.weight"], [HIDDEN], name="prelu")]


def _silu(_: torch.nn.Module) -> Nodes:
    """x·sigmoid(x): ONNX has an operator of its own for it only from opset 24."""
    sigmoid = helper.make_node("Sigmoid", ["fc1_output"], ["silu_sigmoid_output"], name="silu_sigmoid")
    return [sigmoid, helper.make_node("Mul", ["fc1_output", "silu_sigmoid_output"], [HIDDEN], name="silu")]


_ACTIVATION_NODES: Final[dict[str, Callable[..., Nodes]]] = {
    "relu": lambda _: _node("Relu", "relu"),
    "leaky_relu": lambda module: _node("LeakyRelu", "leaky_relu", alpha=module.negative_slope),
    "prelu": _prelu,
    "elu": lambda module: _node("Elu", "elu", alpha=module.alpha),
    "selu": lambda _: _node("Selu", "selu"),
    "gelu": lambda module: _node("Gelu", "gelu", approximate=module.approximate),
    "silu": _silu,
    "sigmoid": lambda _: _node("Sigmoid", "sigmoid"),
    "tanh": lambda _: _node("Tanh", "tanh"),
}


def _linear(name: str, source: str, target: str) -> onnx.NodeProto:
    """`nn.Linear`: source · weightᵀ + bias."""
    return helper.make_node("Gemm", [source, f"{name}.weight", f"{name}.bias"], [target], name=name, transB=1)


def _initializer(name: str, tensor: torch.Tensor) -> TensorProto:
    return numpy_helper.from_array(tensor.detach().numpy(), name)


def _tensor(name: str, width: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", width])
