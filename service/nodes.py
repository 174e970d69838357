"""The operators of a graph as plain data, for whoever reads a graph rather than runs it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from service import graph
from service.errors import ModelError
from service.tensors import Array

SMALL = 4096  # elements: a larger constant is a weight, and none that a formula is made of
STANDARD = ("", "ai.onnx")
FIRST_WITH_OVERRIDES = 4  # IR version; before it every initializer had to be an input as well
Value = float | int | str | tuple[float, ...] | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """One operator. `op` has the domain in front, unless that is the standard's; an input left out is "". `inside` are
    the operators in its sub-graphs, at any depth."""

    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Value]
    inside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Network:
    """The operators in execution order, and of what is constant and small the values, by tensor. `inputs` are what a
    caller feeds, `overridable` initializers not among them."""

    nodes: tuple[Node, ...]
    constants: Mapping[str, Array]
    initializers: frozenset[str]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    opset: int


def read(model: Any, folder: Path) -> Network:
    """The main graph of a `ModelProto`; small constants may lie in files of `folder`."""
    made = model.graph
    named = {tensor.name for tensor in made.initializer} | {tensor.values.name for tensor in made.sparse_initializer}
    fed = [value.name for value in made.input]
    fixed = named if model.ir_version < FIRST_WITH_OVERRIDES else named.difference(fed)
    constants = {tensor.name: tensor for tensor in made.initializer if tensor.name in fixed}
    constants |= {node.output[0]: field.t for node, field in _constant_tensors(made.node)}
    opsets = [entry.version for entry in model.opset_import if entry.domain in STANDARD]
    return Network(
        tuple(map(_node, made.node)),
        {name: values for name, tensor in constants.items() if (values := _small(tensor, folder)) is not None}
        | {node.output[0]: values for node in made.node if (values := _plain_constant(node)) is not None},
        frozenset(named),
        tuple(name for name in fed if name not in named),
        tuple(value.name for value in made.output),
        max(opsets, default=1),
    )


def _node(node: Any) -> Node:
    domain = "" if node.domain in STANDARD else f"{node.domain}."
    found = {field.name: _value(graph.attribute(field)) for field in node.attribute if not _is_message(field)}
    attributes = {name: value for name, value in found.items() if value is not None}
    inside = tuple(_ops(node))
    return Node(node.name, domain + node.op_type, tuple(node.input), tuple(node.output), attributes, inside)


def _is_message(field: Any) -> bool:
    return any(map(field.HasField, ("t", "g", "sparse_tensor", "tp"))) or bool(field.tensors or field.graphs)


def _value(found: Any) -> Value | None:
    """Floats in the digits that were meant: 0.01, which FP32 holds as 0.009999999776."""
    if isinstance(found, bytes):
        return found.decode("utf-8", "replace")
    if isinstance(found, float):
        return float(str(np.float32(found)))
    if isinstance(found, int):
        return found
    values = tuple(map(_value, found)) if isinstance(found, list | tuple) else ()
    return values if all(isinstance(value, float | int) for value in values) else None  # type: ignore[return-value]


def _ops(node: Any) -> Iterator[str]:
    for field in node.attribute:
        for body in (*([field.g] if field.HasField("g") else []), *field.graphs):
            for inner in body.node:
                yield inner.op_type
                yield from _ops(inner)


def _constant_tensors(nodes: Any) -> Iterator[tuple[Any, Any]]:
    for node in nodes:
        if node.op_type == "Constant":
            yield from ((node, field) for field in node.attribute if field.HasField("t"))


def _plain_constant(node: Any) -> Array | None:
    """A `Constant` whose value is a number or a list of them rather than a tensor."""
    if node.op_type != "Constant":
        return None
    values = [graph.attribute(field) for field in node.attribute if field.name.startswith("value_")]
    return np.asarray(values[0]) if values and not isinstance(values[0], bytes) else None


def _small(tensor: Any, folder: Path) -> Array | None:
    if prod(tensor.dims) > SMALL:
        return None
    try:
        return graph.array(tensor, folder)
    except ModelError:
        return None


def with_outputs(model: Any, tensors: Iterable[str], sums: Mapping[str, tuple[str, str]]) -> bytes:
    """The `ModelProto` as a file whose outputs are these tensors and no others. `sums` adds tensors to it: by their
    name, the two that are added up. The message itself is changed."""
    for name, operands in sums.items():
        model.graph.node.add(op_type="Add", input=operands, output=[name])
    del model.graph.output[:]
    for name in tensors:
        model.graph.output.add(name=name)  # its type is what the runtime finds it to be
    content: bytes = model.SerializeToString()
    return content
