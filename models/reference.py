"""What the hidden layer gives for images the network has not learned from, kept in its file as `activation_reference`.

A server compares what its traffic makes of the layer with this. Training stores it at export;
`python -m models.train --reference` counts it anew for files that exist and touches nothing else in them.
"""

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper

from models.export import HIDDEN, run

PROPERTY: Final = "activation_reference"
QUANTILES: Final = np.arange(1, 10) / 10


def reference(model: onnx.ModelProto, images: np.ndarray, source: str) -> str:
    """The reference statistics of the activation in `model` on `images` `[count, 784]`, as JSON.

    `source` says in words what the images are. See `layer` for what is counted.
    """
    (node,) = (node.name for node in model.graph.node if HIDDEN in node.output)
    found = {"rows": len(images), "source": source, "layers": [layer(node, hidden(model, images))]}
    return json.dumps(found)


def layer(node: str, values: np.ndarray) -> dict[str, Any]:
    """The statistics of one layer's values, pooled over rows and units; what is not finite is left out.

    `edges` are the deciles, equal ones once, each a value that occurs and so the same number in float32;
    `counts[i]` is how many values lie in `(edges[i - 1], edges[i]]`, open-ended at both ends.
    """
    finite = values[np.isfinite(values)].astype(np.float64)
    edges = np.unique(np.quantile(finite, QUANTILES, method="inverted_cdf"))
    counts = np.bincount(np.searchsorted(edges, finite, side="left"), minlength=len(edges) + 1)
    figures = {"zero_share": (finite == 0).mean(), "mean": finite.mean(), "std": finite.std()}
    rounded = {name: round(float(figure), 6) for name, figure in figures.items()}
    return {"node": node} | rounded | {"edges": edges.tolist(), "counts": counts.tolist()}


def hidden(model: onnx.ModelProto, images: np.ndarray) -> np.ndarray:
    """What the activation gives for `images`, `[count, units]`."""
    opened = onnx.ModelProto()
    opened.CopyFrom(model)
    opened.graph.output.append(helper.make_tensor_value_info(HIDDEN, TensorProto.FLOAT, None))
    (values,) = run(opened.SerializeToString(), images, [HIDDEN])
    return values


def refresh(path: Path, images: np.ndarray, source: str) -> None:
    """Counts the reference of the file at `path` anew and writes it into the file."""
    model = onnx.load_model(path)
    known = {entry.key: entry.value for entry in model.metadata_props}
    helper.set_model_props(model, known | {PROPERTY: reference(model, images, source)})
    onnx.save_model(model, path)
