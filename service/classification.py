"""The classification extension: the best classes of an output as strings `value:index:label`
(https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_classification.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from service.codecs import json
from service.metadata import Metadata
from service.tensors import Array


def best(array: Array, classes: int, metadata: Metadata) -> Array:
    """BYTES [rows, classes], or [classes] for a vector: the highest values of each row, the highest first."""
    rows = array.reshape((1, -1)) if array.ndim < 2 else array.reshape((len(array), prod(array.shape[1:])))
    # `~` turns the order of whole numbers and booleans without a loss; as floats the large ones would be equal.
    falling = -rows.astype(np.float64) if rows.dtype.kind not in "biu" else ~rows
    order = np.argsort(falling, axis=1, kind="stable")[:, :classes]
    named = np.empty(order.size, np.object_)
    named[:] = _names(np.take_along_axis(rows, order, axis=1).reshape(-1), order.reshape(-1).tolist(), metadata)
    return named if array.ndim < 2 else named.reshape(order.shape)


def _names(values: Array, indices: Sequence[int], metadata: Metadata) -> list[str]:
    if not indices:
        return []
    texts = json.dumps(json.fragment(values)).decode()[1:-1].replace('"', "").split(",")
    labels = map(metadata.label, indices)
    return [
        f"{text}:{index}" if label is None else f"{text}:{index}:{label}"
        for text, index, label in zip(texts, indices, labels, strict=True)
    ]
