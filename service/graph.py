"""The only module that imports onnx: what the file says and onnxruntime does not tell.

onnx costs 40 MB of memory and a fifth of a second, so it is imported when it is needed, which is seldom.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from service.errors import ModelError


def unshaped(path: Path) -> set[str]:
    """Names of the inputs and outputs for which not even a rank is declared. onnxruntime reports them as scalars."""
    graph = _load(path).graph
    return {value.name for value in (*graph.input, *graph.output) if not value.type.tensor_type.HasField("shape")}


def versions(path: Path) -> str:
    """IR version, opsets and size of a graph, in words. Raises ModelError where the file is no ONNX model."""
    model = _load(path)
    opsets = ", ".join(f"{entry.domain or 'ai.onnx'} {entry.version}" for entry in model.opset_import)
    return f"IR version {model.ir_version}, opset {opsets}, {len(model.graph.node)} nodes"


def _load(path: Path) -> Any:
    onnx = import_module("onnx")
    broken = import_module("google.protobuf.message").DecodeError
    try:
        return onnx.load(str(path), load_external_data=False)
    except (broken, OSError) as error:
        raise ModelError("it is not an ONNX file.") from error
