"""Which operator makes a tensor and which take it, and what a tensor is in terms of others."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Iterator
from math import sqrt

import numpy as np

from service.nodes import Network, Node

# A copy in another float type, or as it is: a formula that goes through it is the same formula.
COPIES = {"Identity", "Dropout"}
FLOAT_TYPES = {1, 10, 11, 16}  # TensorProto.DataType: FLOAT, FLOAT16, DOUBLE, BFLOAT16
ARITHMETIC = {"Add", "Sub", "Mul", "Div", "Neg", "Pow", "Sum", "Reciprocal"}
RESHAPES = {"Unsqueeze", "Squeeze", "Reshape", "Expand"}  # of a constant that is one number
DEPTH = 10  # operators between a formula's ends; the longest known, gelu by tanh, has eight
MAX_TERMS, MAX_POWER = 8, 8

Term = tuple[str, ...]  # a product of tensors, () being 1
Sum = dict[Term, float]  # terms and their coefficients


class Wiring:
    """Questions about one graph. `live` are the tensors that depend on what a caller feeds."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.producers = {name: node for node in network.nodes for name in node.outputs if name}
        self.consumers: defaultdict[str, list[Node]] = defaultdict(list)
        self.live = set(network.inputs)
        for node in network.nodes:
            for name in node.inputs:
                self.consumers[name].append(node)
            if any(name in self.live for name in node.inputs) or node.inside:
                self.live.update(node.outputs)

    def source(self, tensor: str) -> str:
        """The tensor that this one is a copy of, itself where it is none."""
        while (node := self.producers.get(tensor)) is not None and _is_copy(node):
            tensor = node.inputs[0]
        return tensor

    def producer(self, tensor: str) -> Node | None:
        """The operator that made the values, copies passed over."""
        return self.producers.get(self.source(tensor))

    def number(self, tensor: str) -> float | None:
        """The one number that a constant has in every place; None for anything else."""
        tensor = self.source(tensor)
        if (values := self.network.constants.get(tensor)) is not None:
            return _one_number(values)
        node = self.producers.get(tensor)
        if node is None or tensor in self.live:
            return None
        if node.op in RESHAPES:
            return self.number(node.inputs[0])
        square = self.number(node.inputs[0]) if node.op == "Sqrt" else None
        return None if square is None or square < 0 else sqrt(square)

    def expanded(self, tensor: str, stops: Collection[str]) -> Sum:
        """The tensor as a sum of products of others. It is not looked into those of `stops`, nor into what is made by
        more than arithmetic with numbers."""
        return self._expanded(tensor, stops, DEPTH, {})

    def _expanded(self, tensor: str, stops: Collection[str], depth: int, known: dict[tuple[str, int], Sum]) -> Sum:
        """`known` are those found already: a tensor may be used many times."""
        tensor = self.source(tensor)
        if tensor in stops:
            return {(tensor,): 1.0}
        if (number := self.number(tensor)) is not None:
            return {(): number}
        node = self.producers.get(tensor)
        if node is None or depth == 0 or node.op not in ARITHMETIC:
            return {(tensor,): 1.0}
        if (tensor, depth) not in known:
            found = _combined(node, [self._expanded(name, stops, depth - 1, known) for name in node.inputs])
            is_short = found is not None and len(found) <= MAX_TERMS and max(map(len, found), default=0) <= MAX_POWER
            known[tensor, depth] = found if found is not None and is_short else {(tensor,): 1.0}
        return known[tensor, depth]

    def behind(self, tensor: str, depth: int = DEPTH) -> Iterator[str]:
        """The tensor and those that it is made of by arithmetic, the nearest first; no constants."""
        waiting, seen = deque([(self.source(tensor), depth)]), set()
        while waiting:
            name, left = waiting.popleft()
            if name in seen or name not in self.live:
                continue
            seen.add(name)
            yield name
            node = self.producers.get(name)
            if node is not None and left and node.op in ARITHMETIC:
                waiting.extend((self.source(other), left - 1) for other in node.inputs)

    def ahead(self, tensor: str, depth: int = DEPTH) -> Iterator[str]:
        """The tensors made of this one by arithmetic and copies, the nearest first."""
        waiting, seen = deque([(tensor, depth)]), {tensor}
        while waiting:
            name, left = waiting.popleft()
            for node in self.consumers[name]:
                if left and node.outputs[0] not in seen and (node.op in ARITHMETIC or _is_copy(node)):
                    seen.add(node.outputs[0])
                    yield node.outputs[0]
                    waiting.append((node.outputs[0], left - 1))

    def between(self, start: str, end: str) -> set[int]:
        """The operators, by `id`, that make `end` out of `start`."""
        found: set[int] = set()
        waiting = [end]
        while waiting:
            name = waiting.pop()
            node = self.producers.get(name)
            if name != start and node is not None and id(node) not in found and name in self.live:
                found.add(id(node))
                waiting.extend(node.inputs)
        return found


def _is_copy(node: Node) -> bool:
    return node.op in COPIES or (node.op == "Cast" and node.attributes.get("to") in FLOAT_TYPES)


def _one_number(values: np.ndarray) -> float | None:
    if not values.size or values.dtype.kind not in "fiuV":
        return None
    if not (values == values.flat[0]).all():
        return None
    first = values.flat[0]
    return float(str(first)) if values.dtype.kind == "f" else float(first)  # 0.1 is meant, though FP32 holds another


def _combined(node: Node, operands: list[Sum]) -> Sum | None:
    """None where the result is no sum of products."""
    first, *others = operands
    match node.op:
        case "Add" | "Sub" | "Sum":
            sign = -1.0 if node.op == "Sub" else 1.0
            for other in others:
                first = _added(first, other, sign)
            return first
        case "Neg":
            return _times(first, {(): -1.0})
        case "Mul":
            return _times(first, others[0])
        case "Div":
            divisor = _constant(others[0])
            return _times(first, {(): 1 / divisor}) if divisor else None
        case "Reciprocal":
            divisor = _constant(first)
            return {(): 1 / divisor} if divisor else None
        case "Pow":
            return _times(*[first] * 2) if _constant(others[0]) == 2 else _cubed(first, _constant(others[0]))
    return None


def _constant(found: Sum) -> float | None:
    return found.get(()) if found.keys() == {()} else None


def _cubed(base: Sum, exponent: float | None) -> Sum | None:
    return _times(base, _times(base, base)) if exponent == 3 else None


def _added(first: Sum, second: Sum, sign: float) -> Sum:
    found = dict(first)
    for term, coefficient in second.items():
        found[term] = found.get(term, 0.0) + sign * coefficient
    return found


def _times(first: Sum, second: Sum) -> Sum:
    found: Sum = {}
    for one, left in first.items():
        for other, right in second.items():
            term = tuple(sorted(one + other))
            found[term] = found.get(term, 0.0) + left * right
    return found
