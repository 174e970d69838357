"""Run an activation's model as the service does: one thread, all of onnxruntime's optimisations, one output only."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper

from models.activations.graph import FLOAT
from models.activations.model import build

Array = np.ndarray[Any, Any]


def options() -> ort.SessionOptions:
    chosen = ort.SessionOptions()
    chosen.intra_op_num_threads = 1
    chosen.log_severity_level = 3  # it warns of every initializer that may be overridden
    chosen.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return chosen


@cache
def session(name: str, element: int = FLOAT) -> ort.InferenceSession:
    model = build(name, element).SerializeToString()
    return ort.InferenceSession(model, options(), providers=["CPUExecutionProvider"])


def evaluate(name: str, x: Any, output: str = "y", element: int = FLOAT, **inputs: Any) -> Array:
    """One output of the activation `name` at x; `inputs` are parameters and `grad_output`."""
    loaded = session(name, element)
    feed = {"x": given(x, element)}
    for declared in loaded.get_overridable_initializers():
        if declared.name in inputs:
            feed[declared.name] = given(inputs[declared.name], element_type(declared.type))
        elif declared.name.startswith("compute_"):
            feed[declared.name] = given(declared.name == f"compute_{output}", TensorProto.BOOL)
    return taken(loaded.run_with_ort_values([output], feed)[0])


def element_type(description: str) -> int:
    """The ONNX type number of onnxruntime's `tensor(float)` and the like."""
    name = description.removeprefix("tensor(").removesuffix(")").upper()
    return int(TensorProto.DataType.Value(name))


def given(value: Any, element: int) -> ort.OrtValue:
    array = np.ascontiguousarray(np.asarray(value, helper.tensor_dtype_to_np_dtype(element))).reshape(np.shape(value))
    if element == TensorProto.BFLOAT16:
        return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(array.view(np.uint16), element)
    return ort.OrtValue.ortvalue_from_numpy(array)


def taken(value: ort.OrtValue) -> Array:
    if element_type(value.data_type()) != TensorProto.BFLOAT16:
        return np.asarray(value.numpy())
    size = int(np.prod(value.shape()))
    bits = np.ctypeslib.as_array((ctypes.c_uint16 * size).from_address(value.data_ptr())).copy()
    return bits.view(helper.tensor_dtype_to_np_dtype(TensorProto.BFLOAT16)).reshape(value.shape())
