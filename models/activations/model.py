"""One activation as an ONNX model.

Inputs: `x` of any shape; then, as graph inputs with a default, each parameter, `grad_output` (1 unless told), and for
each output a switch. Outputs: `y`; `grad_x`, the vector-Jacobian product with `grad_output`; for prelu `grad_weight`.

onnxruntime computes every output, fetched or not (`only_execute_path_to_fetches` works in its training builds only).
So each output has a switch, `compute_y` and so on, true unless told; an output switched off is empty and costs nothing.

A 16-bit type is computed in FP64 and rounded once; its number parameters are FP64 then.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, ValueInfoProto, helper, numpy_helper

from models.activations.catalogue import entry
from models.activations.elementary import rounded
from models.activations.graph import BOOL, DOUBLE, FLOAT, INT64, Graph, Tensor, any_shape, when
from models.activations.table import ACTIVATIONS, Formula

ELEMENT_TYPES = {
    "model.onnx": FLOAT,
    "model.fp16.onnx": TensorProto.FLOAT16,
    "model.bf16.onnx": TensorProto.BFLOAT16,
    "model.fp64.onnx": DOUBLE,
}
OPSET, IR_VERSION = 21, 10


def build(name: str, element: int = FLOAT) -> ModelProto:
    """The model of the activation `name` whose `x`, `y`, `grad_x` and `grad_output` have the ONNX type `element`."""
    formulas = outputs_of(name)
    parameters = [parameter_default(parameter, compute_type(element)) for parameter in entry(name)["parameters"]]
    switches = [initializer(f"compute_{output}", True, BOOL) for output in formulas]
    defaults = [*parameters, initializer("grad_output", 1, element), *switches]
    graph = Graph()
    named = {parameter.name: Tensor(graph, parameter.name, parameter.data_type) for parameter in parameters}
    body = helper.make_graph(
        name=name,
        inputs=[any_shape("x", element), *(any_shape(value.name, value.data_type) for value in defaults)],
        outputs=[write(graph, output, formula, element, named) for output, formula in formulas.items()],
        nodes=graph.scopes[0],
        initializer=[*defaults, *graph.constants.values()],
    )
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    helper.set_model_props(model, metadata(name))
    return model


def outputs_of(name: str) -> dict[str, Formula]:
    """Each output's formula, all of them called with (x, grad_output, **parameters)."""
    activation = ACTIVATIONS[name]

    def y(x: Tensor, grad_output: Tensor, **parameters: Tensor) -> Tensor:
        return activation.value(x, **parameters)

    return {"y": y, "grad_x": activation.gradient, **activation.others}


def write(graph: Graph, output: str, formula: Formula, element: int, parameters: dict[str, Tensor]) -> ValueInfoProto:
    """Write one output's formula behind its switch; the output's declaration."""
    dtype = element if output in ("y", "grad_x") else compute_type(element)

    def on() -> Tensor:
        x, grad_output = (Tensor(graph, name, element).cast(compute_type(element)) for name in ("x", "grad_output"))
        return rounded(formula(x, grad_output, **parameters), dtype)

    def off() -> Tensor:
        return graph.node("Constant", dtype=dtype, value=numpy_helper.from_array(np.empty(0, numpy_type(dtype))))

    when(Tensor(graph, f"compute_{output}", BOOL), on, off, name=output)
    return any_shape(output, dtype)


def compute_type(element: int) -> int:
    return element if element in (FLOAT, DOUBLE) else DOUBLE


def numpy_type(dtype: int) -> np.dtype[Any]:
    return helper.tensor_dtype_to_np_dtype(dtype)


def initializer(name: str, value: Any, dtype: int) -> TensorProto:
    return numpy_helper.from_array(np.asarray(value, numpy_type(dtype)), name)


def parameter_default(parameter: dict[str, Any], compute: int) -> TensorProto:
    """A parameter's default: numbers in the type of the computation, a choice as its index, all else INT64."""
    value = parameter["default"]
    if parameter["type"] == "choice":
        value = parameter["choices"].index(value)
    dtype = compute if parameter["type"] in ("number", "tensor") else INT64
    return initializer(parameter["name"], value, dtype)


def metadata(name: str) -> dict[str, str]:
    """`task`, `description`, and the rest of the catalogue's entry as JSON under `catalogue`."""
    catalogue = dict(entry(name))
    description = catalogue.pop("description")
    text = json.dumps(catalogue, ensure_ascii=False, sort_keys=True)
    return {"task": "activation", "description": description, "catalogue": text}
