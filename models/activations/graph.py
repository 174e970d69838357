"""Write a formula in Python, get an ONNX graph.

A `Tensor` is a value inside a graph that is being written. Its operators add nodes, so `x / (1 + exp(-x))` reads
as it does on paper and is evaluated by onnxruntime later. Python numbers become constants of the tensor's own type.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

FLOAT: int = TensorProto.FLOAT
DOUBLE: int = TensorProto.DOUBLE
INT64: int = TensorProto.INT64
BOOL: int = TensorProto.BOOL
Operand: TypeAlias = "Tensor | float | Sequence[int]"


class Graph:
    """Nodes and constants in the order they were asked for. `branch` opens the body of an `If`."""

    def __init__(self) -> None:
        self.scopes: list[list[NodeProto]] = [[]]
        self.constants: dict[str, TensorProto] = {}
        self._count = 0

    def node(self, kind: str, *inputs: Tensor, dtype: int, name: str = "", **attributes: Any) -> Tensor:
        """The output of a new node of one ONNX operator."""
        self._count += 1
        name = name or f"{kind.lower()}_{self._count}"
        names = [str(value) for value in inputs]
        self.scopes[-1].append(helper.make_node(kind, names, [name], name=name, **attributes))
        return Tensor(self, name, dtype)

    def constant(self, value: Any, dtype: int) -> Tensor:
        """A constant, kept once however often it is asked for."""
        array = np.asarray(value, helper.tensor_dtype_to_np_dtype(dtype))
        shape = "x".join(map(str, array.shape))
        name = f"{TensorProto.DataType.Name(dtype).lower()}_{shape}_{'_'.join(map(repr, array.ravel().tolist()))}"
        self.constants.setdefault(name, numpy_helper.from_array(array, name))
        return Tensor(self, name, dtype)

    def branch(self, name: str, body: Callable[[], Tensor]) -> GraphProto:
        """One arm of an `If`. It sees every tensor written before it."""
        self.scopes.append([])
        result = body()
        nodes = self.scopes.pop()
        return helper.make_graph(nodes, name, [], [any_shape(result.name, result.dtype)])


class Tensor:
    """A value in a graph: a name, an element type (an ONNX type number), and the operators of arithmetic."""

    def __init__(self, graph: Graph, name: str, dtype: int) -> None:
        self.graph, self.name, self.dtype = graph, name, dtype

    def __str__(self) -> str:
        return self.name

    def like(self, value: Operand) -> Tensor:
        """A Python number as a constant of this tensor's type; a tensor as it is."""
        return value if isinstance(value, Tensor) else self.graph.constant(value, self.dtype)

    def op(self, kind: str, *others: Operand, dtype: int | None = None, **attributes: Any) -> Tensor:
        """Apply the ONNX operator `kind` to this tensor and `others`; the result has this type unless told."""
        inputs = [self.like(other) for other in others]
        return self.graph.node(kind, self, *inputs, dtype=dtype or self.dtype, **attributes)

    def cast(self, dtype: int) -> Tensor:
        return self if dtype == self.dtype else self.op("Cast", dtype=dtype, to=dtype)

    def __neg__(self) -> Tensor:
        return self.op("Neg")

    def __abs__(self) -> Tensor:
        return self.op("Abs")

    def __add__(self, other: Operand) -> Tensor:
        return self.op("Add", other)

    def __radd__(self, other: float) -> Tensor:
        return self.like(other) + self

    def __sub__(self, other: Operand) -> Tensor:
        return self.op("Sub", other)

    def __rsub__(self, other: float) -> Tensor:
        return self.like(other) - self

    def __mul__(self, other: Operand) -> Tensor:
        return self.op("Mul", other)

    def __rmul__(self, other: float) -> Tensor:
        return self.like(other) * self

    def __truediv__(self, other: Operand) -> Tensor:
        return self.op("Div", other)

    def __rtruediv__(self, other: float) -> Tensor:
        return self.op("Reciprocal") if other == 1 else self.like(other) / self

    def __mod__(self, other: Operand) -> Tensor:
        return self.op("Mod", other)


def equal(a: Tensor, b: Operand) -> Tensor:
    return a.op("Equal", b, dtype=BOOL)


def at_most(a: Tensor, b: Operand) -> Tensor:
    return a.op("LessOrEqual", b, dtype=BOOL)


def both(a: Tensor, b: Tensor) -> Tensor:
    return a.op("And", b)


def when(test: Tensor, then: Callable[[], Tensor], otherwise: Callable[[], Tensor], name: str = "") -> Tensor:
    """`then()` if the scalar `test` holds in the run at hand, else `otherwise()`; only one of them is computed."""
    graph = test.graph
    arms = {"then_branch": graph.branch("then", then), "else_branch": graph.branch("else", otherwise)}
    dtype: int = arms["then_branch"].output[0].type.tensor_type.elem_type
    return graph.node("If", test, dtype=dtype, name=name, **arms)


def any_shape(name: str, dtype: int) -> ValueInfoProto:
    """Declares a tensor of any rank: no shape at all, so scalars and empty tensors pass."""
    return helper.make_tensor_value_info(name, dtype, None)
