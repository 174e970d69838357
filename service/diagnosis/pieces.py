"""Activations cut from straight lines, as `Clip`, `Min`, `Max` and `Where` write them."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from service.diagnosis.activation import Activation
from service.diagnosis.wiring import Wiring
from service.nodes import Node

CHAIN = 4  # operators, one after the other, that are seen as one
NO_BOUND = 6e4  # a bound as far as the end of FP16 keeps numbers from overflowing, and bends nothing
BOOL = 9  # TensorProto.DataType
COMPARISONS = {"Greater": True, "GreaterOrEqual": True, "Less": False, "LessOrEqual": False}


@dataclass(frozen=True, slots=True)
class Bounds:
    """min(max(x, low), high)"""

    x: str
    low: float
    high: float

    @property
    def is_whole(self) -> bool:
        """True for an activation, False for one half of it."""
        return -inf < self.low <= 0 < self.high


def bounds(node: Node, wiring: Wiring, depth: int = CHAIN) -> Bounds | None:
    """What this operator holds within bounds, together with those before it unless each is whole by itself; None where
    it does no such thing."""
    found = _own(node, wiring)
    before = wiring.producer(found.x) if found is not None and depth else None
    inner = bounds(before, wiring, depth - 1) if before is not None else None
    if found is None or inner is None or not inner.low <= found.high or not found.low <= inner.high:
        return found
    if found.is_whole and inner.is_whole:
        return found
    return Bounds(inner.x, max(inner.low, found.low), min(inner.high, found.high))


def bounded(node: Node, wiring: Wiring) -> Activation | None:
    """relu, relu6 or hardtanh; None where the bounds are none of an activation's."""
    found = bounds(node, wiring)
    if found is None or found.x not in wiring.live:
        return None
    ends = (node, found.x, node.outputs[0])
    if found.low == 0 and found.high >= NO_BOUND:
        return Activation("relu", *ends)
    if not -NO_BOUND < found.low <= 0 < found.high < NO_BOUND:
        return None
    if (found.low, found.high) == (0, 6):
        return Activation("relu6", *ends)
    return Activation("hardtanh", *ends, {"min_val": found.low, "max_val": found.high})


def _own(node: Node, wiring: Wiring) -> Bounds | None:
    match node.op:
        case "Relu":
            return Bounds(node.inputs[0], 0, inf)
        case "Clip":
            return _clip(node, wiring)
        case "Max" | "Min":
            return _extreme(node, wiring)
    return None


def _clip(node: Node, wiring: Wiring) -> Bounds | None:
    """Bounds are attributes before opset 11, inputs since; one left out is none."""
    found = []
    for index, (name, default) in enumerate((("min", -inf), ("max", inf)), start=1):
        bound: object = node.attributes.get(name, default)
        if len(node.inputs) > index and node.inputs[index]:
            bound = wiring.number(node.inputs[index])
        if not isinstance(bound, float | int):
            return None
        found.append(float(bound))
    return Bounds(node.inputs[0], *found)


def _extreme(node: Node, wiring: Wiring) -> Bounds | None:
    if len(node.inputs) != 2:
        return None
    numbers = [wiring.number(name) for name in node.inputs]
    for x, number in zip(node.inputs, reversed(numbers), strict=True):
        if number is not None and x in wiring.live:
            return Bounds(x, number, inf) if node.op == "Max" else Bounds(x, -inf, number)
    return None


def leaky(node: Node, wiring: Wiring) -> Activation | None:
    """max(x, slope·x) for a slope between 0 and 1"""
    if node.op != "Max" or len(node.inputs) != 2:
        return None
    for x, other in (node.inputs, node.inputs[::-1]):
        slope = _multiple(other, wiring.source(x), wiring)
        if slope is not None and 0 < slope < 1:
            return Activation("leaky_relu", node, x, node.outputs[0], {"alpha": slope})
    return None


def chosen(node: Node, wiring: Wiring) -> Activation | None:
    """`Where(x > threshold, x, …)`: relu, leaky_relu, elu or threshold"""
    if node.op != "Where" or (held := condition(node.inputs[0], wiring)) is None:
        return None
    x, threshold, is_above = held
    above, below = node.inputs[1:] if is_above else node.inputs[:0:-1]
    if wiring.source(above) != x:
        return None
    ends = (node, above, node.outputs[0])
    if (value := wiring.number(below)) is not None:
        is_relu = threshold == value == 0
        return Activation("relu" if is_relu else "threshold", *ends, {} if is_relu else _threshold(threshold, value))
    slope = _multiple(below, x, wiring)
    if threshold == 0 and slope is not None:
        return Activation("leaky_relu", *ends, {"alpha": slope})
    alpha = _power_less_one(below, x, wiring)
    return Activation("elu", *ends, {"alpha": alpha}) if threshold == 0 and alpha is not None else None


def _threshold(threshold: float, value: float) -> dict[str, float | str]:
    return {"threshold": threshold, "value": value}


def condition(tensor: str, wiring: Wiring) -> tuple[str, float, bool] | None:
    """(x, number, whether it is true above the number)"""
    node = truth(tensor, wiring)
    if node is not None and node.op == "Not":
        inner = condition(node.inputs[0], wiring)
        return None if inner is None else (inner[0], inner[1], not inner[2])
    if node is None or node.op not in COMPARISONS:
        return None
    left, right = node.inputs
    if (number := wiring.number(right)) is not None:
        return wiring.source(left), number, COMPARISONS[node.op]
    number = wiring.number(left)
    return None if number is None else (wiring.source(right), number, not COMPARISONS[node.op])


def truth(tensor: str, wiring: Wiring) -> Node | None:
    """The operator that made a condition, which some exporters cast to what it is."""
    node = wiring.producer(tensor)
    while node is not None and node.op == "Cast" and node.attributes.get("to") == BOOL:
        node = wiring.producer(node.inputs[0])
    return node


def _multiple(tensor: str, x: str, wiring: Wiring) -> float | None:
    """The slope where the tensor is slope·x."""
    terms = {term: value for term, value in wiring.expanded(tensor, (x,)).items() if value}
    return terms.get((x,)) if terms.keys() == {(x,)} else None


def _power_less_one(tensor: str, x: str, wiring: Wiring) -> float | None:
    """alpha where the tensor is alpha·(exp(x) - 1)."""
    for power in wiring.consumers[x]:
        if power.op == "Exp":
            terms = wiring.expanded(tensor, (power.outputs[0],))
            alpha = terms.get((power.outputs[0],))
            if alpha and len(terms) == 2 and terms.get(()) == -alpha:
                return alpha
    return None
