"""An activation that was found in a graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from service.nodes import Node

Parameters = Mapping[str, float | str]


@dataclass(frozen=True, slots=True)
class Activation:
    """`kind` is its name as `GET /activations` has it; `x` and `y` are the tensors before and after it.

    `node` is the operator that gives `y`, the last where it is written as several. `slope` is the tensor of slopes of a
    prelu, `bias` one that the operator itself adds to `x`, `axis` that of a softmax."""

    kind: str
    node: Node
    x: str
    y: str
    parameters: Parameters = field(default_factory=dict)
    slope: str | None = None
    bias: str | None = None
    axis: int | None = None
