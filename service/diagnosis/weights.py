"""What goes into the units of a layer: the weights of the operator that mixed the values last before its activation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from service import graph
from service.diagnosis.axes import FAR
from service.diagnosis.wiring import COPIES, Wiring
from service.errors import ModelError, NotReady
from service.model import Model
from service.nodes import Node
from service.tensors import Array

# Between the mixing and the activation, what changes no weight: a bias that is added, copies, another float type.
PASSING = {*COPIES, "Add", "Cast"}


@dataclass(frozen=True, slots=True)
class Weights:
    """A constant of the graph: the operator that takes it, its name, and along which of its axes the units lie."""

    operator: str
    tensor: str
    axis: int


def before(tensor: str, wiring: Wiring) -> Weights | None:
    """Of the values of a tensor; None where something else than a product with constants made them."""
    for _ in range(FAR):
        node = wiring.producers.get(tensor)
        if node is None:
            return None
        if node.op not in PASSING:
            return _of(node, wiring)
        living = [name for name in node.inputs if name in wiring.live]
        if len(living) != 1:
            return None
        tensor = living[0]
    return None


def _of(node: Node, wiring: Wiring) -> Weights | None:
    axis = _axis(node)
    if axis is None or len(node.inputs) < 2 or node.inputs[1] in wiring.live:
        return None
    tensor = wiring.source(node.inputs[1])
    made = wiring.producers.get(tensor)
    if made is not None and made.op == "Transpose":
        order = made.attributes.get("perm", (1, 0))
        if not isinstance(order, tuple) or axis >= len(order):
            return None
        tensor, axis = wiring.source(made.inputs[0]), int(order[axis])
        made = wiring.producers.get(tensor)
    return Weights(node.op, tensor, axis) if made is None or made.op == "Constant" else None


def _axis(node: Node) -> int | None:
    """Where a matrix or a filter has the units that it makes."""
    match node.op:
        case "MatMul":
            return 1
        case "Gemm":
            return 0 if node.attributes.get("transB", 0) else 1
        case "Conv":
            return 0
    return None


def values(model: Model, weights: Weights) -> Array:
    """[unit, …] as they stand in the model's file. Raises NotReady where that is another by now."""
    try:
        with model.reopened() as path:
            message = graph.load(path)
            graph.check_external(path)
            folder = graph.relocated(message, path)
            tensor = next(found for name, found in _tensors(graph.inlined(message)) if name == weights.tensor)
            found: Array = np.moveaxis(graph.array(tensor, folder), weights.axis, 0)
            return found
    except (ModelError, StopIteration) as error:
        again = (("Retry-After", "5"),)
        raise NotReady(f"The weights of model `{model.name}` cannot be read now.", headers=again) from error


def _tensors(message: Any) -> Iterator[tuple[str, Any]]:
    """The constants of a graph by the names that its operators know them by."""
    yield from ((tensor.name, tensor) for tensor in message.graph.initializer)
    for node in message.graph.node:
        if node.op_type == "Constant":
            yield from ((node.output[0], field.t) for field in node.attribute if field.HasField("t"))
