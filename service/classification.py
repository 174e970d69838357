"""The classification extension: the best classes of an output as strings `value:index:label`
(https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_classification.md).
"""

from __future__ import annotations

from math import prod

import numpy as np

from service.codecs import json
from service.metadata import Metadata
from service.tensors import Array


def best(array: Array, classes: int, metadata: Metadata) -> Array:
    """BYTES [rows, classes], or [classes] for a vector: the highest values of each row, the highest first."""
    rows = array.reshape((1, -1)) if array.ndim < 2 else array.reshape((len(array), prod(array.shape[1:])))
    order = np.argsort(-rows.astype(np.float64), axis=1, kind="stable")[:, :classes]
    named = np.empty(order.shape, np.object_)
    for place, index in np.ndenumerate(order):
        named[place] = _name(rows[place[0], index : index + 1], int(index), metadata.label(int(index)))
    return named.reshape(-1) if array.ndim < 2 else named


def _name(value: Array, index: int, label: str | None) -> str:
    text = json.dumps(json.fragment(value.reshape(()))).decode().strip('"')
    return f"{text}:{index}" if label is None else f"{text}:{index}:{label}"
