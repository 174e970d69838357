"""Along which axis the units of a layer lie: decided by the operator that mixed them last before the activation.

A convolution puts its channels on axis 1, a dense or recurrent layer its units on the last axis. On the way back from
the activation to it, what works element by element, normalises or pools keeps the axis, and a `Transpose` moves it.
Where something else comes first, or nothing, the rank decides: axis 1 of four or five, as pictures have it, else the
last.
"""

from __future__ import annotations

from service.diagnosis import operators
from service.diagnosis.activation import Activation
from service.diagnosis.wiring import Wiring
from service.nodes import Node

CONVOLUTIONS = {
    *("Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "DeformConv", "DepthToSpace", "SpaceToDepth"),
    *("com.microsoft.FusedConv", "com.microsoft.QLinearConv"),
}
DENSE = {
    *("MatMul", "Gemm", "MatMulInteger", "QLinearMatMul", "Gather", "Attention", *operators.RECURRENT),
    *("com.microsoft.FusedMatMul", "com.microsoft.FusedGemm", "com.microsoft.MatMulNBits", "com.microsoft.Attention"),
}
KEEPING = {
    *("Add", "Sub", "Mul", "Div", "Neg", "Pow", "Sum", "Max", "Min", "Mean", "Abs", "Sqrt", "Exp", "Log", "Erf"),
    *(
        "Where",
        "Identity",
        "Cast",
        "Dropout",
        "Clip",
        "Concat",
        "Pad",
        "Resize",
        "Upsample",
        "Slice",
        "DequantizeLinear",
    ),
    *("BatchNormalization", "InstanceNormalization", "GroupNormalization", "LayerNormalization", "RMSNormalization"),
    *("SimplifiedLayerNormalization", "com.microsoft.SkipLayerNormalization", "LRN", "QuantizeLinear"),
    *("MaxPool", "AveragePool", "LpPool", "GlobalMaxPool", "GlobalAveragePool", "GlobalLpPool"),
    *(operators.ALL - operators.SOFTMAXES.keys()),
}
FAR = 64  # operators that are looked at, however a graph branches
PICTURES = (4, 5)  # ranks


def told(activation: Activation, wiring: Wiring) -> int | None:
    """The axis that the graph tells, from the end where it is below 0; None where it tells none."""
    if activation.kind in operators.SOFTMAXES.values():
        return activation.axis
    return _behind(activation.x, wiring, set())


def chosen(axis: int | None, rank: int) -> int | None:
    """The axis in a tensor of this rank, None where a scalar has none."""
    if rank == 0:
        return None
    if axis is None or not -rank <= axis < rank:
        axis = 1 if rank in PICTURES else rank - 1
    return axis % rank


def _behind(tensor: str, wiring: Wiring, seen: set[int]) -> int | None:
    node = wiring.producers.get(tensor)
    if node is None or id(node) in seen or len(seen) > FAR:
        return None
    seen.add(id(node))
    if node.op in CONVOLUTIONS:
        return 1
    if node.op in DENSE:
        return -1
    if node.op == "Transpose":
        return _moved(node, _behind(node.inputs[0], wiring, seen))
    if node.op not in KEEPING:
        return None
    found = (_behind(name, wiring, seen) for name in node.inputs if name in wiring.live)
    return next((axis for axis in found if axis is not None), None)


def _moved(node: Node, axis: int | None) -> int | None:
    order = node.attributes.get("perm")
    if axis is None or not isinstance(order, tuple):
        return None
    return order.index(axis % len(order))
