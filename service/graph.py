"""The only module that imports onnx: what the file says and onnxruntime does not tell.

onnx costs 40 MB of memory and a fifth of a second, so it is imported when it is needed, which is seldom.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from service.errors import ModelError
from service.tensors import Array

PIECE_BYTES = 1 << 20
FLOAT = 1  # TensorProto.FLOAT, which is all that a ZipMap takes
DOUBLING_OPSET = 17
IDENTITY_OPSET = 9  # for a graph of nothing but classical models, whose operators stand in an opset of their own
KEY = b"location"  # stands in every file that has data outside of it


def unshaped(path: Path) -> set[str]:
    """Names of the inputs and outputs for which not even a rank is declared. onnxruntime reports them as scalars."""
    graph = load(path).graph
    return {value.name for value in (*graph.input, *graph.output) if not value.type.tensor_type.HasField("shape")}


def versions(path: Path) -> str:
    """IR version, opsets and size of a graph, in words. Raises ModelError where the file is no ONNX model."""
    model = load(path)
    opsets = ", ".join(f"{entry.domain or 'ai.onnx'} {entry.version}" for entry in model.opset_import)
    return f"IR version {model.ir_version}, opset {opsets}, {len(model.graph.node)} nodes"


def doubling() -> bytes:
    """A graph of one node: `y` is `x` added to itself."""
    onnx = import_module("onnx")
    ends = [onnx.helper.make_tensor_value_info(name, FLOAT, ["n"]) for name in ("x", "y")]
    nodes = [onnx.helper.make_node("Add", ["x", "x"], ["y"])]
    made = onnx.helper.make_graph(nodes, "doubling", ends[:1], ends[1:])
    opsets = [onnx.helper.make_opsetid("", DOUBLING_OPSET)]
    return bytes(onnx.helper.make_model(made, opset_imports=opsets, ir_version=10).SerializeToString())


def without_maps(path: Path) -> tuple[bytes | None, dict[str, str]]:
    """The graph with each output of a ZipMap (a map from label to score for each row, as scikit-learn's converters
    write it) as the tensor of scores it is made from, under the same name; and the labels, one for each column.

    None where there is nothing to change, or where the graph needs its place in the file system to find its data."""
    model = load(path)
    outputs = {end.name: end for end in model.graph.output}
    zipped = [node for node in model.graph.node if node.op_type == "ZipMap" and node.output[0] in outputs]
    if not zipped or external_files(path):
        return None, {}
    for node in zipped:
        labels = _attribute(node, "classlabels_strings") or _attribute(node, "classlabels_int64s")
        node.op_type, node.domain = "Identity", ""
        node.ClearField("attribute")
        kind = outputs[node.output[0]].type
        kind.Clear()
        kind.tensor_type.elem_type = FLOAT
        kind.tensor_type.shape.dim.add()
        kind.tensor_type.shape.dim.add(dim_value=len(labels))
    if not any(opset.domain in ("", "ai.onnx") for opset in model.opset_import):
        model.opset_import.add(domain="", version=IDENTITY_OPSET)
    texts = [label.decode("utf-8", "replace") if isinstance(label, bytes) else str(label) for label in labels]
    return model.SerializeToString(), {"labels": json.dumps(texts)} if len(zipped) == 1 else {}


def _attribute(node: Any, name: str) -> Any:
    return next((list(found.strings) or list(found.ints) for found in node.attribute if found.name == name), [])


def external_files(path: Path) -> list[str]:
    """Where the graph says that values of its tensors lie, as it says it; empty where the file is no ONNX model."""
    if not _mentions(path, KEY):
        return []
    try:
        model = load(path)
    except ModelError:
        return []
    entries = (entry for tensor in _tensors(model) for entry in tensor.external_data)
    return sorted({entry.value for entry in entries if entry.key == KEY.decode()})


def check_external(path: Path) -> None:
    """Raises ModelError where the graph's data is missing or lies outside of the folder of the model.

    That is the folder it is seen in or the one it really lies in: links as Kubernetes (`..data`) and model hubs put
    them lead from one to the other, with the data beside the model in both."""
    for location in external_files(path):
        if not is_inside(path, location):
            raise ModelError("it wants data from outside of its folder, which is never read.")
        if not (path.parent / location).is_file():
            raise ModelError(f"its data file `{location}` is missing.")


def relocated(model: Any, path: Path) -> Path:
    """The folder that the data of a graph loaded from `path` really lies in, to which the locations in the message are
    changed: as bytes it has no place from which links could be followed."""
    entries = [entry for tensor in _tensors(model) for entry in tensor.external_data if entry.key == KEY.decode()]
    files = [(path.parent / entry.value).resolve() for entry in entries]
    folder = Path(os.path.commonpath([file.parent for file in files])) if files else path.parent
    for entry, file in zip(entries, files, strict=True):
        entry.value = str(file.relative_to(folder))
    return folder


def is_inside(path: Path, location: str) -> bool:
    """Whether `location`, as the graph at `path` names it, lies in the graph's folder, all links followed."""
    if not location or "\0" in location or Path(location).is_absolute():
        return False
    real = (path.parent / location).resolve()
    return any(real.is_relative_to(folder) for folder in (path.parent.resolve(), path.resolve().parent))


def inlined(model: Any) -> Any:
    """The same model with its own functions written out where they are called."""
    return import_module("onnx.inliner").inline_local_functions(model) if model.functions else model


def array(tensor: Any, folder: Path) -> Array:
    """The values of a `TensorProto`, which may lie in another file of `folder`. Raises ModelError."""
    invalid = import_module("onnx.checker").ValidationError
    try:
        found: Array = import_module("onnx.numpy_helper").to_array(tensor, str(folder))
    except (invalid, TypeError, ValueError, OSError) as error:
        raise ModelError(f"its tensor `{tensor.name}` cannot be read.") from error
    return found


def attribute(field: Any) -> Any:
    """The value of an `AttributeProto` as onnx gives it: numbers, bytes, lists of them, messages."""
    return import_module("onnx.helper").get_attribute_value(field)


def _tensors(message: Any) -> Iterator[Any]:
    """Every tensor below: of graphs, of their sparse tensors, attributes and sub-graphs, of functions."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for inner in value if field.is_repeated else (value,):
            if field.message_type.name == "TensorProto":
                yield inner
            else:
                yield from _tensors(inner)


def _mentions(path: Path, word: bytes) -> bool:
    """Reads in pieces, since a search in a mapped file would hold the interpreter while the disk is waited for."""
    rest = b""
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            piece = rest + piece
            if word in piece:
                return True
            rest = piece[-len(word) :]
    return False


def load(path: Path) -> Any:
    """The file as onnx reads it (`ModelProto`), without data of other files. Raises ModelError where it is none."""
    onnx = import_module("onnx")
    broken = import_module("google.protobuf.message").DecodeError
    try:
        return onnx.load(str(path), load_external_data=False)
    except (broken, OSError) as error:
        raise ModelError("it is not an ONNX file.") from error
